"""The model: sent to every worker once, and loaded once by each process."""

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
from typing import TYPE_CHECKING

import pyarrow as pa
import tensorflow as tf

from rankkit._errors import invalid
from rankkit._features import as_feature
from rankkit.export import SavedModelScorer

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


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
