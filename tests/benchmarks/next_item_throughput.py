"""Time of an epoch of SASRec on sequences of purchases, over that of plain Keras 3 with JAX.

The file has one user a line, `user item item ...` in order, such as `Beauty.txt` of S3-Rec
(https://github.com/RUCAIBox/CIKM2020-S3Rec). Both train the same transformer with the same loss, a
softmax over all items at each event, in batches of as many sequences. JAX compiles a step for each
shape: it gets batches that are padded to the longest sequences (`padded`), or sequences of like
length padded to a multiple of ten (`buckets`). Needs JAX beside rankkit: `pip install jax`. Each
epoch is timed in a process of its own, after one that compiles; the processes alternate.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

DIM, BLOCKS, HEADS, LENGTH, BATCH, DROPOUT = 64, 2, 2, 50, 128, 0.2


def read_sequences(path):
    """Returns the items of each user, without the last two."""
    return [line.split()[1:-2] for line in path.read_text().splitlines()]


def seconds_of_rankkit(sequences, epochs):
    """Seconds of each epoch."""
    import rankkit as rk
    import tensorflow as tf

    users = [user for user, items in enumerate(sequences) for _ in items]
    rows = {"user_id": users, "item_id": [item for items in sequences for item in items]}
    items = rk.layers.IdEmbedding.from_column(rows["item_id"], DIM)
    network = rk.models.sasrec(
        {"item_id": items}, max_length=LENGTH, num_blocks=BLOCKS, num_heads=HEADS,
        dropout_rate=DROPOUT,
    )  # fmt: skip
    model = rk.RankingModel(network)
    model.compile(tf.keras.optimizers.Adam(1e-3), loss=rk.losses.NextItemLoss())
    batches = rk.data.sequences(rows, BATCH, timestamp=None, seed=1)
    return [_timed(lambda: model.fit(batches, verbose=0)) for _ in range(epochs)]


def seconds_of_keras_3(sequences, epochs, multiple):
    """Seconds of each epoch, with sequences padded to a multiple of a length."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras
    import numpy as np
    from keras import layers

    index = {item: i for i, item in enumerate(sorted({i for s in sequences for i in s}), start=1)}
    table = layers.Embedding(len(index) + 1, DIM)
    positions = layers.Embedding(LENGTH, DIM)

    class Next(keras.layers.Layer):
        """Logits of all items after each event."""

        def __init__(self):
            super().__init__()
            self.table, self.positions = table, positions
            self.norm, self.dropout = layers.LayerNormalization(), layers.Dropout(DROPOUT)
            self.attentions = [
                layers.MultiHeadAttention(HEADS, DIM // HEADS, dropout=DROPOUT)
                for _ in range(BLOCKS)
            ]
            self.hidden = [layers.Dense(4 * DIM, activation="gelu") for _ in range(BLOCKS)]
            self.outputs = [layers.Dense(DIM) for _ in range(BLOCKS)]
            self.norms = [layers.LayerNormalization() for _ in range(2 * BLOCKS + 1)]

        def build(self, input_shape):
            self.table.build(input_shape)
            self.positions.build(input_shape)
            super().build(input_shape)

        def call(self, items, training=None):
            steps = keras.ops.arange(items.shape[1])
            x = self.norm(self.table(items) + self.positions(steps))
            x = self.dropout(x, training=training)
            mask = (items > 0)[:, None, :]
            for i in range(BLOCKS):
                normed = self.norms[2 * i](x)
                attended = self.attentions[i](
                    normed, normed, attention_mask=mask, use_causal_mask=True, training=training
                )
                x += self.dropout(attended, training=training)
                hidden = self.hidden[i](self.norms[2 * i + 1](x))
                x += self.dropout(self.outputs[i](hidden), training=training)
            return keras.ops.matmul(self.norms[-1](x), keras.ops.transpose(self.table.embeddings))

    coded = [[index[item] for item in items[-LENGTH - 1 :]] for items in sequences]
    coded = [items for items in coded if len(items) > 1]
    groups = {}
    for items in coded:
        groups.setdefault(-(-(len(items) - 1) // multiple) * multiple, []).append(items)
    batches = []
    for length, members in groups.items():
        for start in range(0, len(members), BATCH):
            part = members[start : start + BATCH]
            if len(part) < BATCH:  # the shapes stay the same
                part += [[0, 0]] * (BATCH - len(part))
            padded = np.array([items + [0] * (length + 1 - len(items)) for items in part])
            weights = (padded[:, 1:] > 0).astype("float32")
            batches.append((padded[:, :-1], padded[:, 1:], weights))
    model = keras.Sequential([Next()])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss=loss)

    def epoch():
        for batch in batches:
            model.train_on_batch(*batch)

    return [_timed(epoch) for _ in range(epochs)]


def _timed(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


KINDS = {
    "rankkit": seconds_of_rankkit,
    "padded": lambda sequences, epochs: seconds_of_keras_3(sequences, epochs, LENGTH),
    "buckets": lambda sequences, epochs: seconds_of_keras_3(sequences, epochs, 10),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", default=[*KINDS])
    parser.add_argument("--kind", choices=KINDS, help="one measurement, in this process")
    arguments = parser.parse_args()
    if arguments.kind:
        print(min(KINDS[arguments.kind](read_sequences(arguments.file), 2)[1:]))
        return
    seconds = {kind: [] for kind in arguments.kinds}
    for _ in range(arguments.rounds):
        for kind, found in seconds.items():
            command = [sys.executable, __file__, str(arguments.file), "--kind", kind]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found.append(float(output.split()[-1]))
            print(f"{kind}: {found[-1]:.1f} s", flush=True)
    for kind in seconds.keys() - {"rankkit"}:
        ratio = statistics.median(seconds[kind]) / statistics.median(seconds["rankkit"])
        print(f"an epoch of Keras 3 with JAX ({kind}) over one of rankkit: {ratio:.2f}")


if __name__ == "__main__":
    main()
