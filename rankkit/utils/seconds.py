"""The limit that tells seconds since 1970 from finer units."""

SECONDS_LIMIT = 10**11  # in the year 5138; milliseconds have passed it in 1973
