"""Each Gibbs update against its posterior, computed in closed form."""

import numpy as np
import pytest
import scipy.sparse

from rankkit.bayesian.design import Design, Entity, Field
from rankkit.bayesian.fields import (
    MEAN_WEIGHT,
    RATE,
    SHAPE,
    BiasUpdate,
    EntityUpdate,
    FieldUpdate,
    VectorTable,
)
from rankkit.bayesian.gibbs import Chain
from rankkit.bayesian.state import State

DIM, NUM_EXAMPLES, NUM_ENTITIES, NUM_VALUES = 2, 150, 6, 4
NUM_SAMPLES = 1500


def make_design(has_vectors=True, num_attributes=1):
    rng = np.random.default_rng(0)
    attributes = [
        scipy.sparse.csr_array(rng.random((NUM_ENTITIES, NUM_VALUES)).astype(np.float32))
        for _ in range(num_attributes)
    ]
    indices = rng.integers(0, NUM_ENTITIES - 1, NUM_EXAMPLES)
    return Design(
        labels=rng.normal(3, 1, NUM_EXAMPLES).astype(np.float32),
        num_groups=2,
        entities=(
            Entity(0, indices, NUM_ENTITIES, has_vectors, tuple(attributes)),
            Entity(1, rng.integers(0, 5, NUM_EXAMPLES), 5),
        ),
        # Values with one example, with many, and with none.
        fields=(Field(0, np.r_[np.arange(20), rng.integers(20, 24, NUM_EXAMPLES - 20)], 25),),
    )


def make_state(design, updates):
    state = State(design, DIM, np.random.default_rng(1))
    for update in updates:
        update.start(state)
    state.weights = np.random.default_rng(2).gamma(5, 1 / 5, NUM_EXAMPLES).astype(np.float32)
    state.precision = 2.0
    return state


def fix_prior(table, mean):
    """Keeps the prior constant, so that the posterior is a Gaussian."""
    table.mean = np.array(mean, np.float32)
    table.precision = np.array([1, 10, 5], np.float32)[: len(mean)]
    table.sample_prior = table.sample_scale = lambda *args: None


def assert_samples_match_posterior(update, tables, state, weights, x):
    """Compares samples with the Gaussian posterior of the vectors of all tables.

    Args:
        update: The update to test.
        tables: Its tables, with one fixed prior.
        state: State of the chain.
        weights: Weight of each value in each example, `(examples, values)`.
        x: Factors of the biases and vectors, `(examples, width)`.
    """
    values = np.concatenate([table.values for table in tables])
    target = state.residual + np.einsum("rv,vk,rk->r", weights, values, x)
    factors = np.einsum("rv,rk->rvk", weights, x).reshape(len(x), -1)
    precision, mean = (np.tile(each, len(values)) for each in (tables[0].precision, tables[0].mean))
    noise = 2 * state.weights
    covariance = np.linalg.inv((factors.T * noise) @ factors + np.diag(precision))
    expected = covariance @ (factors.T @ (noise * target) + precision * mean)
    samples = []
    for _ in range(NUM_SAMPLES):
        update.update(state)
        samples.append(np.concatenate([table.values for table in tables]).ravel())
    samples = np.array(samples)
    error = np.sqrt(np.diag(covariance) / len(samples))
    assert np.abs((samples.mean(axis=0) - expected) / error).max() < 4.5
    assert np.abs(np.cov(samples.T) - covariance).max() < 0.15 * covariance.max()


@pytest.mark.parametrize(
    ("has_vectors", "num_attributes"), [(True, 0), (True, 1), (False, 1), (True, 2)]
)
def test_entity_vectors_are_sampled_from_their_posterior(has_vectors, num_attributes):
    design = make_design(has_vectors, num_attributes)
    first, second = design.entities
    rng = np.random.default_rng(3)
    update = EntityUpdate(first, DIM, rng, tolerance=1e-12)
    other = EntityUpdate(second, DIM, rng)
    state = make_state(design, [update, other])
    for table in update.tables:
        fix_prior(table, [0.5, 0, 1])
    attributes = [each.toarray() for each in first.attributes]
    weights = np.hstack([*([np.eye(NUM_ENTITIES)] if has_vectors else []), *attributes])
    x = np.c_[np.ones(NUM_EXAMPLES), other.vectors()[second.indices, 1:]]
    assert_samples_match_posterior(update, update.tables, state, weights[first.indices], x)


def test_field_vectors_are_sampled_from_their_posterior():
    design = make_design()
    rng = np.random.default_rng(3)
    first, second = (EntityUpdate(each, DIM, rng) for each in design.entities)
    [field] = design.fields
    update = FieldUpdate(field, 0, DIM, rng)
    state = make_state(design, [first, second, update])
    fix_prior(update.table, [0.5, 0, 1])
    x = np.c_[np.ones(NUM_EXAMPLES), second.vectors()[design.entities[1].indices, 1:]]
    assert_samples_match_posterior(update, [update.table], state, np.eye(25)[field.indices], x)


def test_biases_are_sampled_from_their_posterior():
    design = make_design()
    [field] = design.fields
    update = BiasUpdate(field, np.random.default_rng(3))
    state = make_state(design, [])
    fix_prior(update.table, [0.0])
    x = np.ones((NUM_EXAMPLES, 1))
    assert_samples_match_posterior(update, [update.table], state, np.eye(25)[field.indices], x)


@pytest.mark.parametrize("has_mean", [False, True])
def test_prior_and_scale_updates_leave_the_posterior_invariant(has_mean):
    """The posterior of the precision of three one-dimensional values is integrated on a grid."""
    size, noise = 3, 4.0
    target = np.array([0.6, -0.4, 0.9], np.float32)
    grid = np.geomspace(1e-3, 1e4, 5_001)  # of the precision
    # Given the precision, the targets are Gaussian; the mean, of the same precision, is shared.
    shared = 1 / grid / MEAN_WEIGHT if has_mean else 0 * grid
    covariance = np.eye(size) * (1 / grid + 1 / noise)[:, None, None] + shared[:, None, None]
    quadratic = np.linalg.solve(covariance, np.tile(target[:, None], (len(grid), 1, 1)))[..., 0]
    log_likelihood = -(quadratic @ target) / 2 - np.linalg.slogdet(covariance)[1] / 2
    prior = grid ** (SHAPE / 2 - 1) * np.exp(-RATE * grid / 2)
    density = prior * np.exp(log_likelihood) * np.gradient(grid)
    expected = (np.log(grid) * density).sum() / density.sum()

    def mean_log_precision(*, with_scale):
        table = VectorTable(size, 1, has_mean, np.random.default_rng(5))
        found = []
        for _ in range(20_000):
            precision = noise + table.precision[0]
            mean = (noise * target + table.precision[0] * table.mean[0]) / precision
            values = mean + table.rng.standard_normal(size) / np.sqrt(precision)
            table.values = values.astype(np.float32)[:, None]
            table.sample_prior()
            if with_scale:
                residual = target - table.values[:, 0]
                weights = np.full(size, noise, np.float32)
                table.sample_scale(residual, table.values - table.mean, weights)
            found.append(np.log(table.precision[0]))
        return np.mean(found)

    assert mean_log_precision(with_scale=False) == pytest.approx(expected, abs=0.06)
    assert mean_log_precision(with_scale=True) == pytest.approx(expected, abs=0.06)


def test_residual_stays_consistent_with_the_vectors():
    design = make_design()
    chain = Chain(design, DIM, noise_dof=20.0, seed=0)
    for _ in range(50):
        chain.sweep()
    user = chain.entities[0].vectors()[design.entities[0].indices]
    user = user + chain.fields[0].table.values[design.fields[0].indices]
    item = chain.entities[1].vectors()[design.entities[1].indices]
    dots = (user[:, 1:] * item[:, 1:]).sum(axis=1)
    scores = chain.state.bias + user[:, 0] + item[:, 0] + dots
    np.testing.assert_allclose(chain.state.residual, design.labels - scores, atol=1e-4)


def test_noise_of_each_noise_group_is_recovered():
    rng = np.random.default_rng(0)
    noise_indices = np.repeat([0, 1], 2000)
    labels = rng.normal(3, np.where(noise_indices == 0, 0.5, 2.0)).astype(np.float32)
    state = State(Design(labels, 0, (), (), noise_indices), 1, rng)
    samples = []
    for _ in range(200):
        state.sample_noise(noise_indices, 2.0)
        state.sample_bias()
        samples.append((state.precision * state.weights[[0, -1]]) ** -0.5)
    np.testing.assert_allclose(np.mean(samples[20:], axis=0), [0.5, 2.0], rtol=0.05)
    assert state.bias == pytest.approx(3, abs=0.1)
