"""A hypermodel that trains nothing, and a search that can run in a process of its own."""

import json
import math
import os
import signal
import sys
from typing import Any

import rankkit as rk
import keras_tuner as kt
import tensorflow as tf

SPACE = {"tower_width": [4, 8], "learning_rate": (0.01, 0.5), "batch_size": 64}


class StubHyperModel(rk.tuning.RankingHyperModel):
    """Reports made-up metrics to the callbacks instead of training.

    The validation error depends on the hyperparameters and the seed. It is lowest in epoch 6 and
    for learning rates near 0.1; learning rates above 1 diverge. Each epoch adds the learning rate
    to all weights. If STUB_TRIALS is set, later trials of this process wait until it is killed.
    """

    num_trials = 0

    def build_network(self, hp):
        features = {"user_id": rk.layers.IdEmbedding(["a"], 1)}
        return rk.ranking_network(features, head=tf.keras.layers.Dense(1))

    def fit(self, hp, model, x, *, epochs=1, initial_epoch=0, seed=None, callbacks=(), **kwargs):
        if str(self.num_trials) == os.environ.get("STUB_TRIALS"):
            signal.pause()
        self.num_trials += 1
        if "tuner/epochs" not in hp.values:
            epochs = self.space.value(hp, "epochs", epochs)
        rate = hp.values["learning_rate"]
        error = abs(math.log10(rate) + 1) + hp.values["tower_width"] / 100 + (seed or 0) / 1000
        listeners = tf.keras.callbacks.CallbackList(list(callbacks), add_history=True, model=model)
        listeners.on_train_begin()
        model.stop_training = False
        for epoch in range(initial_epoch, epochs):
            listeners.on_epoch_begin(epoch)
            loss = math.nan if rate > 1 else 1.0
            listeners.on_train_batch_end(0, {"loss": loss})
            model.set_weights([weight + rate for weight in model.get_weights()])
            logs = {"loss": loss}
            if kwargs.get("validation_data") is not None:
                logs["val_root_mean_squared_error"] = error + abs(epoch - 5) / 50
            listeners.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        listeners.on_train_end()
        return model.history


def make_rows():
    rows, _ = rk.data.synthetic_ratings(600, num_users=30, num_items=20, seed=3)
    return rows


def make_hypermodel(rows, kind: Any = StubHyperModel, **kwargs):
    features = {
        name: rk.layers.IdEmbedding(rk.data.vocabulary(rows[name]), 4)
        for name in ("user_id", "item_id")
    }
    settings = {"features": features, "label": "user_rating", "space": SPACE, **kwargs}
    return kind(settings.pop("features"), **settings)


def hyperparameters(**values):
    hp = kt.HyperParameters()
    for name, value in values.items():
        hp.Fixed(name, value)
    return hp


def find(train=False, learning_rate=(0.01, 0.5), **kwargs):
    """Runs a search; returns trials, hyperparameters, score and weights as JSON."""
    rows = make_rows()
    kind = rk.tuning.RankingHyperModel if train else StubHyperModel
    space = {**SPACE, "learning_rate": learning_rate}
    found = rk.tuning.search(make_hypermodel(rows, kind, space=space), rows, epochs=8, **kwargs)
    weights = [weight.tolist() for weight in found.model.get_weights()]
    return json.dumps([found.trials, found.hyperparameters, found.score, weights])


if __name__ == "__main__":
    print(os.getpid(), flush=True)
    import stub_search  # so that the class has the same name in all processes

    print("FOUND", stub_search.find(**json.loads(sys.argv[1])))
