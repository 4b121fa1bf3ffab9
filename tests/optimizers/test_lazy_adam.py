import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk


def reference(steps, *, rate=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """Algorithm 1 of Adam for three numbers; a step updates those with a gradient."""
    weights, means, squares = np.ones(3), np.zeros(3), np.zeros(3)
    for step, gradients in enumerate(steps, start=1):
        for row, gradient in gradients.items():
            means[row] = beta_1 * means[row] + (1 - beta_1) * gradient
            squares[row] = beta_2 * squares[row] + (1 - beta_2) * gradient**2
            mean = means[row] / (1 - beta_1**step)
            square = squares[row] / (1 - beta_2**step)
            weights[row] -= rate * mean / (np.sqrt(square) + epsilon)
    return weights


def apply_steps(optimizer, steps):
    table = tf.Variable(tf.ones((3, 2)))
    optimizer.build([table])
    for gradients in steps:
        values = tf.constant([[value, value] for value in gradients.values()], tf.float32)
        slices = tf.IndexedSlices(values, tf.constant(list(gradients)), table.shape)
        optimizer.apply_gradients([(slices, table)])
    return table.numpy()


def test_rows_without_a_gradient_do_not_change():
    steps = [{0: 0.5, 1: -2.0}, {1: 1.0}, {0: 0.25, 1: 0.1}]
    found = apply_steps(rk.optimizers.LazyAdam(0.1), steps)
    np.testing.assert_allclose(found[:, 0], reference(steps), rtol=1e-5)
    assert found[2].tolist() == [1.0, 1.0]


def test_updates_equal_adam_if_every_row_is_in_every_batch():
    steps = [{0: 0.5, 1: -2.0, 2: 1.0}, {0: 0.1, 1: 1.0, 2: -1.0}]
    ours = apply_steps(rk.optimizers.LazyAdam(0.1), steps)
    theirs = apply_steps(tf.keras.optimizers.Adam(0.1), steps)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_gradients_of_a_repeated_row_are_summed():
    table = tf.Variable(tf.ones((3, 1)))
    optimizer = rk.optimizers.LazyAdam(0.1)
    optimizer.build([table])
    slices = tf.IndexedSlices(tf.constant([[0.5], [1.5]]), tf.constant([1, 1]), table.shape)
    optimizer.apply_gradients([(slices, table)])
    np.testing.assert_allclose(table.numpy()[:, 0], reference([{1: 2.0}]), rtol=1e-5)


def test_dense_gradients_are_applied_as_by_adam():
    found = []
    for optimizer in (rk.optimizers.LazyAdam(0.1), tf.keras.optimizers.Adam(0.1)):
        weight = tf.Variable([1.0, 2.0])
        for _ in range(3):
            optimizer.apply_gradients([(tf.constant([0.5, -0.1]), weight)])
        found.append(weight.numpy().tolist())
    assert found[0] == found[1]


def test_saved_model_resumes_with_the_optimizer_state(tmp_path):
    rows = {"user_id": ["a", "b", "a"], "rating": [1.0, 5.0, 2.0]}
    users = {"user_id": rk.layers.IdEmbedding(["a", "b"], 4)}
    model = rk.RankingModel(rk.models.tower(users, hidden_units=[4]), label="rating")
    model.compile(rk.optimizers.LazyAdam(0.02, beta_1=0.8), run_eagerly=True)
    model.fit(rk.data.batches(rows, 3), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = rk.export.load(tmp_path / "model.keras")
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    for each in (model, loaded):
        each.fit(rk.data.batches(rows, 3), verbose=0)
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("setting", [{"amsgrad": True}, {"weight_decay": 0.1}, {"use_ema": True}])
def test_settings_that_update_all_rows_raise(setting):
    (name,) = setting
    with pytest.raises(ValueError, match=rf"^{name} must be left out of LazyAdam.*Got: {name}="):
        rk.optimizers.LazyAdam(**setting)
