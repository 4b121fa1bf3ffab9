"""The next item of a user among all items: item transitions, SASRec, and both together.

Files have one user a line, `user item item ...` in order, as those of S3-Rec
(https://github.com/RUCAIBox/CIKM2020-S3Rec, `data/Beauty.txt` and `data/LastFM.txt`), and beside
each the attributes of its items in JSON, `Beauty_item2attributes.json`. The last item is the test
item, the one before it the validation item; both rank all items that the user has not had.
Transitions and networks learn from the items before the validation items. Settings, epochs and the
weight of the transitions in the sum are those with the best validation NDCG@10.
"""

import argparse
import itertools
import json
import time
from pathlib import Path

import numpy as np
import rankkit as rk
import tensorflow as tf

GRID = {"decay": (0.5, 0.7, 0.9), "gap_decay": (0.6, 0.8, 0.95), "power": (0.5, 1.0)}
WEIGHTS = (1, 2, 3, 4, 5, 6, 8, 12)
NETWORKS = {  # of each file; others take those of Beauty
    "Beauty": {"dim": 128, "dropout_rate": 0.35},
    "LastFM": {"dim": 64, "dropout_rate": 0.3},
}


def read_sequences(path):
    """Returns the items of each user."""
    return {user: items for user, *items in map(str.split, path.read_text().splitlines())}


class Data:
    """Training events, test events of each kind, and all items of a file."""

    def __init__(self, path):
        self.name, self.sequences = path.stem, read_sequences(path)
        self.items = sorted({item for items in self.sequences.values() for item in items})
        pairs = [(user, item) for user, items in self.sequences.items() for item in items[:-2]]
        users, items = zip(*pairs, strict=True)
        self.train = {"user_id": users, "item_id": items}
        attributes = path.with_name(f"{path.stem}_item2attributes.json")
        found = json.loads(attributes.read_text()) if attributes.exists() else {}
        self.attributes = {item: [f"{each}" for each in found.get(item, ())] for item in self.items}

    def events(self, held_out):
        """The item `held_out` places before the end of each sequence, and the history before it."""
        return {
            "user_id": [*self.sequences],
            "item_id": [items[-held_out] for items in self.sequences.values()],
            "history_item_id": [items[:-held_out] for items in self.sequences.values()],
        }

    def evaluate(self, scorer, held_out, **kwargs):
        """The metrics of the validation (2) or test (1) items."""
        candidates = {"item_id": self.items}
        return rk.evaluation.evaluate_all_items(
            scorer, self.events(held_out), candidates=candidates, k=(5, 10), **kwargs
        )

    def ndcg(self, scorer):
        """The validation metric by which everything is chosen."""
        return self.evaluate(scorer, 2, num_bootstrap=1).metrics["ndcg_at_10"] or 0.0


def choose_transitions(data):
    """The transitions with the settings of the best validation NDCG@10."""
    made = (
        rk.models.ItemTransitions(data.train, timestamp=None, **dict(zip(GRID, each, strict=True)))
        for each in itertools.product(*GRID.values())
    )
    return max(made, key=data.ndcg)


def train_network(data, seed, dim, dropout_rate, epochs=60):
    """SASRec with item attributes, the epoch of the best validation NDCG@10."""
    tf.keras.utils.set_random_seed(seed)
    normal = tf.keras.initializers.TruncatedNormal(stddev=0.02, seed=seed)
    if any(data.attributes.values()):
        tags = rk.layers.TagsEmbedding(
            sorted({each for tags in data.attributes.values() for each in tags}),
            dim,
            pooling="sqrtn",
            embeddings_initializer=tf.keras.initializers.TruncatedNormal(
                stddev=0.02, seed=seed + 1
            ),
        )
        attribute = rk.layers.Attribute(data.items, [*data.attributes.values()], tags)
        items = rk.layers.IdAttributesEmbedding(
            data.items, dim, [attribute], embeddings_initializer=normal
        )
    else:
        items = rk.layers.IdEmbedding(data.items, dim, embeddings_initializer=normal)
    model = rk.RankingModel(rk.models.sasrec({"item_id": items}, dropout_rate=dropout_rate))
    model.compile(tf.keras.optimizers.Adam(1e-3), loss=rk.losses.NextItemLoss(num_targets=5))
    candidates = {"item_id": data.items}
    callbacks = [
        rk.WeightAveraging(0.995, update_freq=8),
        rk.evaluation.NextItemMetrics(data.events(2), candidates=candidates),
        tf.keras.callbacks.EarlyStopping(
            "val_ndcg_at_10", mode="max", patience=5, restore_best_weights=True
        ),
    ]
    batches = rk.data.sequences(data.train, 128, timestamp=None, seed=seed)
    model.fit(batches, epochs=epochs, callbacks=callbacks, verbose=2)
    return model.network


def main():
    parser = argparse.ArgumentParser(description="Next-item ranking on files of sequences.")
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--transitions-only", action="store_true")
    arguments = parser.parse_args()
    for path in arguments.files:
        data, start = Data(path), time.time()
        transitions = choose_transitions(data)
        seconds, validation = time.time() - start, data.ndcg(transitions)
        print(
            f"{data.name}: item transitions of decay {transitions.decay}, {seconds:.0f} s for all"
        )
        print(f"settings, validation NDCG@10 {validation:.4f}")
        print(data.evaluate(transitions, 1), flush=True)
        found = []
        for seed in range(0 if arguments.transitions_only else arguments.seeds):
            start = time.time()
            network = train_network(data, seed, **NETWORKS.get(data.name, NETWORKS["Beauty"]))
            duration, residual = time.time() - start, transitions.network()

            def combined(weight, parts=(network, residual)):
                return rk.models.weighted_sum(parts, [1.0, weight])

            weight = max(WEIGHTS, key=lambda each: data.ndcg(combined(each)))
            for name, scorer in (("network", network), (f"sum, weight {weight}", combined(weight))):
                metrics = data.evaluate(scorer, 1, num_bootstrap=1).metrics
                hits, ndcg = metrics["hit_rate_at_10"], metrics["ndcg_at_10"]
                found.append((name.split(",")[0], hits, ndcg))
                print(
                    f"{data.name}, seed {seed}, {name}: validation NDCG@10 {data.ndcg(scorer):.4f},"
                    f" test HR@10 {hits:.4f}, NDCG@10 {ndcg:.4f}; {duration:.0f} s of training",
                    flush=True,
                )
        for name in ("network", "sum") if found else ():
            hits, ndcg = np.mean([values for kind, *values in found if kind == name], axis=0)
            print(f"{data.name}, {name}, mean: HR@10 {hits:.4f}, NDCG@10 {ndcg:.4f}")


if __name__ == "__main__":
    main()
