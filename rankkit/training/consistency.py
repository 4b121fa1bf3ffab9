"""Check that all workers train the same network on the same examples."""

import hashlib
import json
from typing import Any

import tensorflow as tf

from rankkit.core.in_memory import RowsInMemory, rows_of
from rankkit.utils.tensorflow import dataset_graph, sample_of

_UNKNOWN = tf.data.UNKNOWN_CARDINALITY
_COMPARED = 1000  # rows, spread over all


def check_workers(model: tf.keras.Model, data: Any) -> None:
    """Compares what this worker is to train with what the others are.

    Left to itself, a worker with fewer batches would keep the others waiting, and one with another
    vocabulary of the same size would train other rows of the tables. (Tables of other sizes are
    refused by TensorFlow itself, when they are made.) Each takes its part of each batch of rows in
    memory, so that with other rows or another order, some would be trained on twice and some never.
    What is streamed is not compared: workers may read parts of their own.

    Args:
        model: What is trained.
        data: What is given to `fit`.

    Raises:
        ValueError: If workers differ; on all of them.
    """
    strategy = model.distribute_strategy
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return
    resolver = strategy.cluster_resolver
    workers = 0 if resolver is None else len(resolver.cluster_spec().as_dict().get("worker", ()))
    if workers < 2:
        return
    config = json.dumps(model.get_config(), sort_keys=True, default=repr)
    known = rows_of(data)
    told = 0 if known is None else _number_of(_told(known))
    own = tf.constant([[_number_of(config), _num_batches(data), told]], tf.int64)
    of_all = _gathered(strategy, own).numpy()  # (replicas, 3)
    networks, batches, rows = of_all[:: len(of_all) // workers].T.tolist()
    fix = "Make vocabularies and scales of the same rows on all of them."
    _check_equal("train the same network, vocabularies included", networks, "another one", fix)
    if len(set(batches)) > 1:
        got = ", ".join(f"{value} on worker {number}" for number, value in enumerate(batches))
        fix = "Give all of them the same rows, and the same batch size."
        raise ValueError(f"Workers must have as many batches as each other. Got: {got}. {fix}")
    fix = (
        "Give all of them the same rows and, if they are shuffled, the same seed, or let each read "
        "its own part of files: rankkit.data.read_parquet(..., shard=(worker, workers))."
    )
    _check_equal("have the same rows in memory, in the same order", rows, "others", fix)


def _num_batches(data: Any) -> int:
    return int(data.cardinality()) if isinstance(data, tf.data.Dataset) else int(_UNKNOWN)


def _told(rows: RowsInMemory) -> str:
    """Tells rows in memory and their order from others, as far as some of the rows do."""
    columns = {}
    for name, column in sorted(rows.columns.items()):
        count = column.num_rows
        cells = column(tf.constant(sample_of(count, _COMPARED)))
        cells = cells.to_list() if isinstance(cells, tf.RaggedTensor) else cells.numpy().tolist()
        columns[name] = (count, cells)
    return repr((rows.batch_size, columns, _constants(rows.seeds)))


def _constants(seeds: tf.data.Dataset | None) -> list[Any]:
    nodes = [] if seeds is None else dataset_graph(seeds).node
    tensors = [tf.make_ndarray(n.attr["value"].tensor) for n in nodes if _is_whole_number(n)]
    return [tensor.tolist() for tensor in tensors]


def _is_whole_number(node: Any) -> bool:
    return node.op == "Const" and tf.as_dtype(node.attr["dtype"].type).is_integer


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
