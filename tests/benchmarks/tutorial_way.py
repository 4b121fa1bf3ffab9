"""The TFRS ranking tutorial as a script: the baseline of the benchmarks.

It reimplements the tutorial with the same calls: `tfds.load`, vocabularies from tf.data, a
subclass of `tfrs.Model`, `tf.saved_model.save` and the TensorFlow Lite converter. The last line of
the output has the seconds of each step as JSON.
"""

import json
import os
import sys
import tempfile
import time

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
times = [time.perf_counter()]
seconds: dict[str, float] = {}


def end_step(step):
    times.append(time.perf_counter())
    seconds[step] = times[-1] - times[-2]


import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tensorflow_datasets as tfds  # noqa: E402
import tensorflow_recommenders as tfrs  # noqa: E402

tf.keras.Model  # noqa: B018
end_step("import")

COLUMNS = ("movie_title", "user_id", "user_rating")
ratings = tfds.load("movielens/100k-ratings", split="train").map(
    lambda row: {name: row[name] for name in COLUMNS}
)
tf.random.set_seed(42)
shuffled = ratings.shuffle(100_000, seed=42, reshuffle_each_iteration=False)
train, test = shuffled.take(80_000), shuffled.skip(80_000).take(20_000)
vocabularies = {
    name: np.unique(
        np.concatenate(list(ratings.batch(1_000_000).map(lambda rows, name=name: rows[name])))
    )
    for name in ("movie_title", "user_id")
}
end_step("data")


def tower(name):
    vocabulary = vocabularies[name]
    return tf.keras.Sequential(
        [
            tf.keras.layers.StringLookup(vocabulary=vocabulary, mask_token=None),
            tf.keras.layers.Embedding(len(vocabulary) + 1, 32),
        ]
    )


class TutorialModel(tfrs.Model):
    def __init__(self):
        super().__init__()
        self.user = tower("user_id")
        self.movie = tower("movie_title")
        self.head = tf.keras.Sequential(
            [
                tf.keras.layers.Dense(256, activation="relu"),
                tf.keras.layers.Dense(64, activation="relu"),
                tf.keras.layers.Dense(1),
            ]
        )
        self.task = tfrs.tasks.Ranking(
            loss=tf.keras.losses.MeanSquaredError(),
            metrics=[tf.keras.metrics.RootMeanSquaredError()],
        )

    def call(self, features):
        vectors = [self.user(features["user_id"]), self.movie(features["movie_title"])]
        return self.head(tf.concat(vectors, axis=1))

    def compute_loss(self, inputs, training=False):
        labels = inputs.pop("user_rating")
        return self.task(labels=labels, predictions=self(inputs))


model = TutorialModel()
model.compile(optimizer=tf.keras.optimizers.Adagrad(learning_rate=0.1))
end_step("model")
cached_train = train.shuffle(100_000).batch(8192).cache()
cached_test = test.batch(4096).cache()
model.fit(cached_train, epochs=3, verbose=2)
end_step("fit")
evaluation = model.evaluate(cached_test, return_dict=True, verbose=2)
end_step("evaluate")
titles = ["M*A*S*H (1970)", "Dances with Wolves (1990)", "Speed (1994)"]
scores = {
    title: model({"user_id": np.array(["42"]), "movie_title": np.array([title])}).numpy()
    for title in titles
}
print(sorted(scores.items(), key=lambda item: -item[1]))
end_step("rank")
folder = os.path.join(tempfile.mkdtemp(), "export")
tf.saved_model.save(model, folder)
row = {"user_id": np.array(["42"]), "movie_title": ["Speed (1994)"]}
loaded = tf.saved_model.load(folder)(row).numpy()
end_step("saved_model")
lite = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
with open(os.path.join(folder, "ranker.tflite"), "wb") as file:
    file.write(lite)
interpreter = tf.lite.Interpreter(model_content=lite)
interpreter.allocate_tensors()
for details in interpreter.get_input_details():
    name = "movie_title" if "movie_title" in details["name"] else "user_id"
    interpreter.set_tensor(details["index"], np.array(row[name]))
interpreter.invoke()
lite_score = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
end_step("tflite")
print(loaded, lite_score, file=sys.stderr)
result = {"rmse": float(evaluation["root_mean_squared_error"]), "seconds": seconds}
print(json.dumps(result))
