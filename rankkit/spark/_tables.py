"""Conversion of tables to Spark and to features, and models on Spark workers."""

import atexit
import functools
import gc
import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import tensorflow as tf

from rankkit.core.features import as_feature
from rankkit.core.list_context import check_independent_rows
from rankkit.core.precision import check_float32
from rankkit.core.timestamps import as_seconds, as_times
from rankkit.data.columns import as_columns, is_data_frame
from rankkit.export import SavedModelScorer
from rankkit.utils.checksum import sha256_of
from rankkit.utils.errors import invalid, missing, wrong_type
from rankkit.utils.graph_errors import plain_errors

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import DataType


def as_frame(spark: "SparkSession", name: str, table: Any) -> "DataFrame":
    """Converts a table to a Spark DataFrame; `name` is that of the argument."""
    from pyspark.errors import AnalysisException
    from pyspark.sql import DataFrame

    if isinstance(table, DataFrame):
        return table
    if isinstance(table, str | os.PathLike):
        try:
            return spark.read.parquet(str(table))
        except AnalysisException as error:
            fix = f"It cannot be read: {error.getCondition()}."
            raise invalid(name, str(table), "the path of a Parquet table", fix) from None
    if not isinstance(table, Mapping) and not is_data_frame(table):
        expected = "a Spark DataFrame, the path of a Parquet table, or a dict of columns"
        raise wrong_type(name, table, expected)
    arrays = {}
    for key, column in as_columns(table).items():
        column = as_times(column)
        if column.dtype.kind == "M" and column.dtype != "datetime64[D]":
            column = column.astype("datetime64[us]")  # as Spark has them; rounds down
        try:
            array = pa.array(list(column) if column.ndim > 1 else column)
            if pa.types.is_binary(array.type):
                array = array.cast(pa.string())
        except (pa.ArrowException, TypeError) as error:
            where, expected = f"{name}[{key!r}]", "a column of values of one type, text in UTF-8"
            raise invalid(where, column[:3], expected, f"{error}.") from None
        # Spark would read a time without a time zone as one in the time zone of the session.
        is_time = pa.types.is_timestamp(array.type)
        arrays[key] = array.cast(pa.timestamp("us", "UTC")) if is_time else array
    return spark.createDataFrame(pa.table(arrays))


def check_columns(
    specs: Mapping[str, tf.TensorSpec], added: tuple[str, ...], **frames: "DataFrame"
) -> None:
    """Checks that tables have each feature once, of the right type, and no column of `added`.

    `frames` maps the name of each argument to its table.
    """
    sources: dict[str, str] = {}
    for name, frame in frames.items():
        for column in frame.columns:
            if column in added:
                raise ValueError(
                    f"{name} must have no column named {' or '.join(map(repr, added))}: the result "
                    f"has its own. Got: column {column!r}. Rename it."
                )
            if column in sources:
                raise ValueError(
                    f"Column {column!r} is given twice: in {sources[column]} and in {name}. "
                    "Drop one."
                )
            sources[column] = name
    for feature, spec in specs.items():
        if feature not in sources:
            raise missing("feature", feature, specs, sources)
        name = sources[feature]
        kind = frames[name].schema[feature].dataType
        if not _matches(kind, spec):
            expected = _expected_type(spec)
            fix = f"Cast it first: {feature}.cast({expected!r})."
            if kind.simpleString() == "void":
                fix = "All its values are null: fill in values, and cast it."
            where = f"column {feature!r} of {name}"
            raise wrong_type(where, kind.simpleString(), f"of type {expected}", fix)


def _matches(kind: "DataType", spec: tf.TensorSpec) -> bool:
    from pyspark.sql import types

    is_list = isinstance(kind, types.ArrayType)
    cell = kind.elementType if is_list else kind
    if spec.dtype == tf.string:
        fits = isinstance(cell, types.StringType)
    else:
        number = types.IntegralType if spec.dtype.is_integer else types.NumericType
        fits = isinstance(cell, number | types.BooleanType)
        fits &= not isinstance(cell, types.DecimalType)
        times = types.DateType | types.TimestampType | types.TimestampNTZType
        fits |= isinstance(kind, times)
    return fits and is_list == (spec.shape.rank == 2)


def _expected_type(spec: tf.TensorSpec) -> str:
    number = "bigint" if spec.dtype.is_integer else "double"
    single = "string" if spec.dtype == tf.string else number
    return f"array<{single}>" if spec.shape.rank == 2 else single


class ShippedModel:
    """A SavedModel that is sent to every worker, into a folder `name`, with a hash of its files."""

    def __init__(self, spark: "SparkSession", export: str | os.PathLike[str]):
        scorer = SavedModelScorer(export)
        check_independent_rows(scorer, "rankkit.spark", "Use rankkit.rank for each query.")
        self.specs = scorer.feature_specs
        files = sorted(path for path in Path(export).rglob("*") if path.is_file())
        lines = [f"{path.relative_to(export)} {sha256_of(path)}\n" for path in files]
        self.sha256 = hashlib.sha256("".join(lines).encode()).hexdigest()
        self.name = f"rankkit-{self.sha256}"
        context = spark.sparkContext
        if not any(archive.endswith(f"#{self.name}") for archive in context.listArchives):
            # Workers that start later fetch it as well: it has to exist until this process ends.
            folder = tempfile.mkdtemp(prefix="rankkit-model-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            archive = Path(folder, "model.zip")
            with zipfile.ZipFile(archive, "w") as file:
                for path in files:
                    file.write(path, path.relative_to(export))
            context.addArchive(f"{archive}#{self.name}")


@functools.lru_cache(maxsize=1)
def load_model(name: str) -> SavedModelScorer:
    """Loads a model on a worker, by the name of its folder."""
    from pyspark import SparkFiles

    # Spark runs one process per core: with more threads, they would compete for the cores.
    for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(variable, "1")
    scorer = SavedModelScorer(SparkFiles.get(name))
    # Spark's worker collects garbage after each partition: leave out TensorFlow's many objects.
    gc.freeze()
    return scorer


def table_features(
    name: str, table: pa.Table, specs: Mapping[str, tf.TensorSpec]
) -> dict[str, tf.Tensor]:
    """Converts the columns of a table that are features; `name` is that of the argument."""
    features = {}
    for feature in [each for each in table.schema.names if each in specs]:
        column, spec = table.column(feature).combine_chunks(), specs[feature]
        is_list = spec.shape.rank == 2
        members = column.flatten() if is_list else column
        if nulls := column.null_count or members.null_count:
            fix = "replace the nulls: unknown ids are scored as out-of-vocabulary."
            if spec.dtype != tf.string:
                fix = "replace the nulls by numbers, or by NaN for a layer with missing='learn'."
            raise ValueError(
                f"Column {feature!r} of {name} must have no nulls. Got: {nulls} nulls. Drop those "
                f"rows, or {fix}"
            )
        where = f"column {feature!r} of {name}"
        try:
            numbers = as_seconds(where, members.to_numpy(zero_copy_only=False))
        except (UnicodeDecodeError, pa.ArrowException):
            fix = "Decode it with its encoding first."
            wrong = members.cast(pa.binary())[:3].to_pylist()
            raise invalid(f"each string in {where}", wrong, "valid UTF-8", fix) from None
        if spec.dtype == tf.float32:
            check_float32(where, numbers, f"Scale them, or round them: {feature}.cast('float').")
        values = column.to_pylist() if is_list else numbers
        with plain_errors():
            features[feature] = as_feature(feature, values, spec)
    return features
