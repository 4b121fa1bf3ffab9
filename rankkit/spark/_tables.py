"""Tables and models as Spark needs them."""

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
from rankkit.data.columns import as_columns, is_data_frame
from rankkit.export import SavedModelScorer
from rankkit.utils.errors import invalid, missing, wrong_type

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import DataType


def as_frame(spark: "SparkSession", name: str, table: Any) -> "DataFrame":
    """Gives a table as a Spark DataFrame.

    Args:
        spark: The session.
        name: What the argument is called.
        table: A Spark DataFrame, the path of a Parquet table, a pandas DataFrame, or column name
            to values.

    Raises:
        TypeError: If it is nothing of that.
        ValueError: If the path cannot be read, or columns differ in length.
    """
    from pyspark.errors import AnalysisException
    from pyspark.sql import DataFrame

    if isinstance(table, DataFrame):
        return table
    if isinstance(table, str | os.PathLike):
        try:
            return spark.read.parquet(str(table))
        except AnalysisException as error:
            why = f"It cannot be read: {error.getCondition()}."
            raise invalid(name, str(table), "the path of a Parquet table", why) from None
    return spark.createDataFrame(as_arrow(name, table))


def as_arrow(name: str, table: Any) -> pa.Table:
    """Gives a table of memory as Arrow's; bytes become text.

    Args:
        name: What the argument is called.
        table: A pandas DataFrame, or column name to values.

    Raises:
        TypeError: If it is neither.
        ValueError: If columns differ in length, or one holds values of several kinds.
    """
    if not isinstance(table, Mapping) and not is_data_frame(table):
        expected = "a Spark DataFrame, the path of a Parquet table, or a dict of columns"
        raise wrong_type(name, table, expected)
    arrays = {}
    for key, column in as_columns(table).items():
        try:
            array = pa.array(list(column) if column.ndim > 1 else column)
        except (pa.ArrowException, TypeError) as error:
            expected = "values of one kind"
            raise invalid(f"{name}[{key!r}]", column[:3], expected, f"{error}.") from None
        arrays[key] = array.cast(pa.string()) if pa.types.is_binary(array.type) else array
    return pa.table(arrays)


def check_columns(
    specs: Mapping[str, tf.TensorSpec], added: tuple[str, ...], **frames: "DataFrame"
) -> None:
    """Holds tables against what a scorer takes.

    Args:
        specs: Feature name to what the scorer takes.
        added: Names of the columns that the result will have beside those of the tables.
        **frames: Name of the argument to the table.

    Raises:
        ValueError: If a feature is missing, or a column is there twice or has a name of `added`.
        TypeError: If a feature's column is of another kind.
    """
    holders: dict[str, str] = {}
    for name, frame in frames.items():
        for column in frame.columns:
            if column in added:
                raise invalid(f"column of {name}", column, f"none of {added}", "Rename it.")
            if column in holders:
                raise ValueError(
                    f"Column {column!r} is given twice: in {holders[column]} and in {name}. "
                    "Drop one."
                )
            holders[column] = name
    for feature, spec in specs.items():
        if feature not in holders:
            raise missing("feature", feature, specs, holders)
        name = holders[feature]
        kind = frames[name].schema[feature].dataType
        if not _fits(kind, spec):
            expected = _expected(spec)
            fix = f"Cast it first: {feature}.cast({expected!r})."
            raise wrong_type(f"column {feature!r} of {name}", kind.simpleString(), expected, fix)


def _fits(kind: "DataType", spec: tf.TensorSpec) -> bool:
    from pyspark.sql import types

    if isinstance(kind, types.ArrayType) != (spec.shape.rank == 2):
        return False
    if isinstance(kind, types.ArrayType):
        kind = kind.elementType
    if spec.dtype == tf.string:
        return isinstance(kind, types.StringType)
    if spec.dtype.is_integer:
        return isinstance(kind, types.IntegralType | types.BooleanType)
    return isinstance(kind, types.NumericType | types.BooleanType)


def _expected(spec: tf.TensorSpec) -> str:
    single = (
        "string" if spec.dtype == tf.string else ("bigint" if spec.dtype.is_integer else "float")
    )
    return f"array<{single}>" if spec.shape.rank == 2 else single


class Shipped:
    """A model that every worker has.

    Args:
        spark: The session.
        export: Folder of the SavedModel, on the machine of this process.

    Attributes:
        specs: Feature name to what the model takes.
        sha256: What tells it from other models.
        name: That of its folder on the workers.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it is no SavedModel of `rankkit.export.save`.
    """

    def __init__(self, spark: "SparkSession", export: str | os.PathLike[str]):
        self.specs = SavedModelScorer(export).feature_specs
        files = sorted(path for path in Path(export).rglob("*") if path.is_file())
        digest = hashlib.sha256()
        for path in files:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.relative_to(export)} {content}\n".encode())
        self.sha256 = digest.hexdigest()
        self.name = f"rankkit-{self.sha256}"
        context = spark.sparkContext
        if not any(one.endswith(f"#{self.name}") for one in context.listArchives):
            # Workers that start later fetch it, too: it stays as long as this process.
            folder = tempfile.mkdtemp(prefix="rankkit-model-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            archive = Path(folder, "model.zip")
            with zipfile.ZipFile(archive, "w") as file:
                for path in files:
                    file.write(path, path.relative_to(export))
            context.addArchive(f"{archive}#{self.name}")


@functools.lru_cache(maxsize=1)
def scorer_of(name: str) -> SavedModelScorer:
    """Gives the model on a worker.

    Args:
        name: That of its folder.
    """
    from pyspark import SparkFiles

    # As many processes as cores work already, and threads of one would wait for those of others.
    for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(variable, "1")
    scorer = SavedModelScorer(SparkFiles.get(name))
    # Spark's worker collects garbage after each part, and would look through all of TensorFlow.
    gc.freeze()
    return scorer


def features_of(
    what: str, table: pa.Table, specs: Mapping[str, tf.TensorSpec]
) -> dict[str, tf.Tensor]:
    """Gives those columns of a table that are features, as the scorer takes them.

    Args:
        what: What the table is called.
        table: The table.
        specs: Feature name to what the scorer takes.

    Raises:
        ValueError: If a value is missing.
    """
    features = {}
    for name in [name for name in table.schema.names if name in specs]:
        column = table.column(name).combine_chunks()
        lists = specs[name].shape.rank == 2
        if nulls := column.null_count or (lists and column.flatten().null_count):
            fix = "Drop those rows, or fill them in: an id that is not known is scored as such."
            raise invalid(f"column {name!r} of {what}", f"{nulls} nulls", "without nulls", fix)
        values = column.to_pylist() if lists else column.to_numpy(zero_copy_only=False)
        features[name] = as_feature(name, values, specs[name])
    return features
