"""Implementations of the training of the tutorial's network, run by `bench_training.py`.

    python training_ways.py NAME BATCH_SIZE

The rows are random, with the numbers of rows and ids of the tutorial's training rows.
"""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
from alternating import serve

NAME, BATCH_SIZE = sys.argv[1], int(sys.argv[2])
ROWS, USERS, TITLES, EPOCHS = 80_000, 943, 1_664, 3
KERNEL_SHAPES = [(64, 256), (256, 64), (64, 1)]
generator = np.random.default_rng(0)
users, titles = (generator.integers(0, count, ROWS) for count in (USERS, TITLES))
ratings = generator.integers(1, 6, ROWS).astype(np.float32)


def rankkit(jit_compile=False):
    import rankkit as rk
    import tensorflow as tf

    rows = {
        "user_id": users.astype(str).astype(object),
        "movie_title": titles.astype(str).astype(object),
        "user_rating": ratings,
    }
    names = ("user_id", "movie_title")
    features = {name: rk.layers.IdEmbedding.from_column(rows[name], 32) for name in names}
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([256, 64]))
    model = rk.RankingModel(network, label="user_rating")
    model.compile(tf.keras.optimizers.Adagrad(0.1), jit_compile=jit_compile)
    batches = rk.data.batches(rows, BATCH_SIZE, shuffle=True, seed=1)
    return lambda: model.fit(batches, epochs=EPOCHS, verbose=0)


def rankkit_xla():
    return rankkit(jit_compile=True)


def tutorial():
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tensorflow as tf
    import tensorflow_recommenders as tfrs

    def tower(count):
        vocabulary = [str(number) for number in range(count)]
        lookup = tf.keras.layers.StringLookup(vocabulary=vocabulary, mask_token=None)
        return tf.keras.Sequential([lookup, tf.keras.layers.Embedding(count + 1, 32)])

    class Model(tfrs.Model):
        def __init__(self):
            super().__init__()
            self.user, self.movie = tower(USERS), tower(TITLES)
            dense = tf.keras.layers.Dense
            layers = [dense(256, activation="relu"), dense(64, activation="relu"), dense(1)]
            self.head = tf.keras.Sequential(layers)
            self.task = tfrs.tasks.Ranking(
                loss=tf.keras.losses.MeanSquaredError(),
                metrics=[tf.keras.metrics.RootMeanSquaredError()],
            )

        def call(self, features):
            vectors = [self.user(features["user_id"]), self.movie(features["movie_title"])]
            return self.head(tf.concat(vectors, axis=1))

        def compute_loss(self, inputs, training=False):
            inputs = dict(inputs)
            labels = inputs.pop("user_rating")
            return self.task(labels=labels, predictions=self(inputs))

    model = Model()
    model.compile(tf.keras.optimizers.Adagrad(0.1))
    columns = {"user_id": users.astype(str), "movie_title": titles.astype(str)}
    rows = tf.data.Dataset.from_tensor_slices({**columns, "user_rating": ratings})
    cached = rows.shuffle(100_000).batch(BATCH_SIZE).cache()
    return lambda: model.fit(cached, epochs=EPOCHS, verbose=0)


def jax():
    import jax  # pyright: ignore[reportMissingImports]
    import jax.numpy as jnp  # pyright: ignore[reportMissingImports]

    steps = ROWS // BATCH_SIZE
    columns = [jnp.asarray(each) for each in (users, titles, ratings)]
    shapes = [(USERS + 1, 32), (TITLES + 1, 32)]
    for shape in KERNEL_SHAPES:
        shapes += [shape, shape[1:]]
    weights = [jnp.asarray(generator.uniform(-0.05, 0.05, shape), jnp.float32) for shape in shapes]
    state = [weights, [jnp.full(each.shape, 0.1) for each in weights]]

    def loss(weights, batch):
        vectors = [weights[0][batch[0]], weights[1][batch[1]]]
        hidden = jax.nn.relu(jnp.concatenate(vectors, axis=1) @ weights[2] + weights[3])
        hidden = jax.nn.relu(hidden @ weights[4] + weights[5])
        return jnp.mean(jnp.square((hidden @ weights[6] + weights[7])[:, 0] - batch[2]))

    def step(state, batch):
        value, gradients = jax.value_and_grad(loss)(state[0], batch)
        accumulators = [
            total + gradient * gradient for total, gradient in zip(state[1], gradients, strict=True)
        ]
        updated = [
            weight - 0.1 * gradient / jnp.sqrt(total + 1e-7)
            for weight, gradient, total in zip(state[0], gradients, accumulators, strict=True)
        ]
        return [updated, accumulators], value

    @jax.jit
    def epoch(state, order):
        shuffled = [column[order] for column in columns]
        batches = [each[: steps * BATCH_SIZE].reshape(steps, BATCH_SIZE) for each in shuffled]
        state, losses = jax.lax.scan(step, state, batches)
        # The last batch is incomplete.
        return step(state, [each[steps * BATCH_SIZE :] for each in shuffled])[0], losses.mean()

    def run():
        for _ in range(EPOCHS):
            state[:], mean = epoch(state, jnp.asarray(generator.permutation(ROWS)))
            mean.block_until_ready()

    return run


def products():
    import tensorflow as tf

    kernels = [tf.random.normal(shape) for shape in KERNEL_SHAPES]
    inputs = [tf.random.normal((BATCH_SIZE, width)) for width in (64, 256, 64, 1)]
    steps = round(EPOCHS * ROWS / BATCH_SIZE)

    @tf.function(autograph=False)
    def run():
        """Computes the matrix products of the forward and the backward pass of each step."""

        def body(step, total):
            zero = total * 0.0  # keeps the optimizer from moving products out of the loop
            for kernel, x, y in zip(kernels, inputs, inputs[1:], strict=False):
                x = x + zero
                results = [x @ kernel, tf.matmul(x, y, transpose_a=True)]
                results.append(tf.matmul(y + zero, kernel, transpose_b=True))
                total += 1e-9 * tf.add_n([each[0, 0] for each in results])
            return step + 1, total

        return tf.while_loop(lambda step, total: step < steps, body, [0, 0.0], None, 1)

    return lambda: run()[1].numpy()


if __name__ == "__main__":
    functions = (rankkit, rankkit_xla, tutorial, jax, products)
    serve({function.__name__: function for function in functions}[NAME]())
