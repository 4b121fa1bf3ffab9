"""Checks that all workers train the same network on the same examples."""

import hashlib
import json
from typing import Any

import tensorflow as tf

from rankkit.core.in_memory import RowsInMemory, in_memory_rows
from rankkit.utils.tensorflow import dataset_graph, sample_indices

_COMPARED = 1000  # evenly spaced rows


def check_workers(model: tf.keras.Model, data: Any) -> None:
    """Checks that all workers train the same network on the same examples in memory."""
    # Otherwise a worker with fewer batches would keep the others waiting, and a worker with another
    # vocabulary of the same size would train other embeddings. (TensorFlow itself raises for tables
    # of different sizes.) Each worker takes its share of each batch, so that with other rows or
    # another order some rows would be used twice and some never. Streams are not compared: workers
    # may read different files.
    strategy = model.distribute_strategy
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return
    resolver = strategy.cluster_resolver
    workers = 0 if resolver is None else len(resolver.cluster_spec().as_dict().get("worker", ()))
    if workers < 2:
        return
    config = json.dumps(model.get_config(), sort_keys=True, default=repr)
    known = in_memory_rows(data)
    described = 0 if known is None else _number_of(_describe(known))
    is_dataset = isinstance(data, tf.data.Dataset)
    num_batches = int(data.cardinality() if is_dataset else tf.data.UNKNOWN_CARDINALITY)
    own = tf.constant([[_number_of(config), num_batches, described]], tf.int64)
    of_all = _gathered(strategy, own).numpy()  # (replicas, 3)
    networks, batches, rows = of_all[:: len(of_all) // workers].T.tolist()
    fix = "Build vocabularies and scales from the same rows on all workers."
    _check_equal("train the same network, vocabularies included", networks, "another", fix)
    if len(set(batches)) > 1:
        got = ", ".join(f"{value} on worker {number}" for number, value in enumerate(batches))
        fix = "Use the same rows and the same batch size on all workers."
        raise ValueError(f"Workers must have the same number of batches. Got: {got}. {fix}")
    fix = (
        "Use the same rows and, if they are shuffled, the same seed on all workers, or let each "
        "worker read its own shard: rankkit.data.read_parquet(..., shard=(worker, workers))."
    )
    _check_equal("have the same rows in memory, in the same order", rows, "others", fix)


def _describe(rows: RowsInMemory) -> str:
    """Describes rows in memory and their order by a sample of the rows."""
    columns = {}
    for name, column in sorted(rows.columns.items()):
        count = column.num_rows
        cells = column(tf.constant(sample_indices(count, _COMPARED)))
        cells = cells.to_list() if isinstance(cells, tf.RaggedTensor) else cells.numpy().tolist()
        columns[name] = (count, cells)
    return repr((rows.batch_size, columns, _constants(rows.seeds)))


def _constants(seeds: tf.data.Dataset | None) -> list[Any]:
    """The integers in the graph of shuffle seeds."""
    nodes = [] if seeds is None else dataset_graph(seeds).node
    constants = [node.attr for node in nodes if node.op == "Const"]
    integers = [attr for attr in constants if tf.as_dtype(attr["dtype"].type).is_integer]
    return [tf.make_ndarray(attr["value"].tensor).tolist() for attr in integers]


def _number_of(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7])


def _gathered(strategy: tf.distribute.Strategy, value: tf.Tensor) -> tf.Tensor:
    @tf.function
    def gather() -> Any:
        context = tf.distribute.get_replica_context()
        return context.all_gather(value, axis=0)

    return strategy.experimental_local_results(strategy.run(gather))[0]


def _check_equal(words: str, values: list[int], got: str, fix: str) -> None:
    if others := [str(number) for number, value in enumerate(values) if value != values[0]]:
        where = f"{got} on worker {', '.join(others)} than on worker 0"
        raise ValueError(f"Workers must {words}. Got: {where}. {fix}")
