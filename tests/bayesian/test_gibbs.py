"""Each Gibbs update against its posterior, computed in closed form."""

import dataclasses
import itertools

import numpy as np
import pytest
import scipy.sparse
import scipy.stats

from rankkit.bayesian.design import Design, Entity, Field
from rankkit.bayesian import state as state_module
from rankkit.bayesian.fields import BiasUpdate, EntityUpdate, FieldUpdate
from rankkit.bayesian.gibbs import Chain
from rankkit.bayesian.prior import MEAN_WEIGHT, RATE, SHAPE, VectorTable
from rankkit.bayesian.regressions import Examples, solve_each
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


def make_state(design, updates=()):
    state = State(design, np.random.default_rng(1))
    for update in updates:
        update.connect(updates)
    state.weights = np.random.default_rng(2).gamma(5, 1 / 5, NUM_EXAMPLES).astype(np.float32)
    state.precision = 2.0
    return state


def update_of(entity, rng):
    return (EntityUpdate if entity.attributes else FieldUpdate)(entity, DIM, rng)


def fix_prior(table, mean):
    """Keeps the prior constant, so that the posterior is a Gaussian."""
    table.mean = np.array(mean, np.float32)
    table.precision = np.array([1, 10, 5], np.float32)[: len(mean)]
    table.sample_prior = table.sample_scale = lambda *args, **kwargs: None


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
    update = update_of(first, rng)
    tables = update.own
    if isinstance(update, EntityUpdate):
        update.tolerance, tables = 1e-12, update.tables
    other = update_of(second, rng)
    state = make_state(design, [update, other])
    for table in tables:
        fix_prior(table, [0.5, 0, 1])
    attributes = [each.toarray() for each in first.attributes]
    weights = np.hstack([*([np.eye(NUM_ENTITIES)] if has_vectors else []), *attributes])
    x = np.c_[np.ones(NUM_EXAMPLES), other.vectors[second.indices, 1:]]
    assert_samples_match_posterior(update, tables, state, weights[first.indices], x)


@pytest.mark.parametrize("has_vectors", [False, True])
def test_biases_and_vectors_of_a_field_are_sampled_from_their_posterior(has_vectors):
    design = make_design()
    rng = np.random.default_rng(3)
    first, second = (update_of(each, rng) for each in design.entities)
    [field] = design.fields
    update = FieldUpdate(field, DIM, rng) if has_vectors else BiasUpdate(field, rng)
    state = make_state(design, [first, second, update] if has_vectors else [])
    fix_prior(update.table, [0.5, 0, 1] if has_vectors else [0.0])
    x = np.c_[np.ones(NUM_EXAMPLES), second.vectors[design.entities[1].indices, 1:]]
    x = x[:, : len(update.table.mean)]
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
                deviations = table.values - table.mean
                gram = noise * deviations.T @ deviations
                table.sample_scale(gram, noise * residual @ deviations)
            found.append(np.log(table.precision[0]))
        return np.mean(found)

    assert mean_log_precision(with_scale=False) == pytest.approx(expected, abs=0.06)
    assert mean_log_precision(with_scale=True) == pytest.approx(expected, abs=0.06)


def score(chain, design):
    """Returns the score of each example, computed from the vectors of the chain."""
    vectors = [each.vectors[each.indices] for each in (*chain.entities, *chain.fields)]
    blocks = (*design.entities, *design.fields)
    total = chain.state.bias + sum(each[:, 0] for each in vectors)
    for (block, one), (other, two) in itertools.combinations(zip(blocks, vectors, strict=True), 2):
        if None not in (block.group, other.group) and block.group != other.group:
            total = total + (one[:, 1:] * two[:, 1:]).sum(axis=1)
    return total


def test_residual_stays_consistent_with_the_vectors():
    design = make_design()
    chain = Chain(design, DIM, seed=0)
    for num_sweeps, tolerance in ((0, 1e-5), (50, 1e-4)):
        for _ in range(num_sweeps):
            chain.sweep()
        residual = design.labels - score(chain, design)
        np.testing.assert_allclose(chain.state.residual, residual, atol=tolerance)


@pytest.mark.parametrize("with_attributes", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_chain_keeps_the_prior_if_labels_are_sampled_from_the_model(with_attributes):
    """Geweke, Getting it right, JASA 2004: the joint distribution of parameters and labels.

    Sampling labels and parameters in turn must leave the prior of the parameters as it is, for
    sparse data with unseen ids, a field and noise weights.
    """
    rng = np.random.default_rng(0)
    num_examples = 24
    attributes = (scipy.sparse.csr_array(rng.random((8, 2)).astype(np.float32)),)
    design = Design(
        labels=np.zeros(num_examples, np.float32),
        num_groups=2,
        entities=(
            Entity(0, rng.integers(0, 6, num_examples), 6),
            Entity(1, rng.integers(1, 8, num_examples) // 2, 8, True, attributes * with_attributes),
        ),
        fields=(
            Field(0, rng.integers(0, 12, num_examples), 12),
            Field(None, rng.integers(0, 3, num_examples), 3),
        ),
        noise_indices=(rng.integers(0, 4, num_examples), rng.integers(0, 9, num_examples)),
    )
    chain = Chain(design, 1, seed=1)
    tables = [table for block in (*chain.entities, *chain.fields) for table in block.own]
    if isinstance(second := chain.entities[1], EntityUpdate):
        tables += second.tables[1:]
    precisions, biases, noise = [], [], []
    for _ in range(6_000):
        chain.sweep()
        scale = 1 / np.sqrt(chain.state.precision * chain.state.weights)
        residual = scale * chain.state.rng.standard_normal(num_examples)
        chain.state.residual = residual.astype(np.float32)
        precisions.append(np.concatenate([table.precision for table in tables]))
        biases.append(chain.state.bias)
        noise.append(chain.state.precision)
    uniform = scipy.stats.gamma(SHAPE / 2, scale=2 / RATE).cdf(precisions)
    np.testing.assert_allclose(uniform.mean(axis=0), 0.5, atol=0.05)
    np.testing.assert_allclose(uniform.std(axis=0), 12**-0.5, atol=0.03)
    for values, prior in ((biases, scipy.stats.norm()), (noise, scipy.stats.gamma(0.5, scale=2))):
        uniform = prior.cdf(values)
        assert uniform.mean() == pytest.approx(0.5, abs=0.05)
        assert uniform.std() == pytest.approx(12**-0.5, abs=0.03)


def test_scores_of_sparse_biases_match_numerical_integration():
    """Eleven ratings of four users and seven items: precisions on a grid, biases in closed form."""
    users = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3])
    items = np.array([0, 1, 2, 3, 0, 1, 4, 5, 2, 6, 5])
    labels = np.array([1.2, 0.9, 1.4, 0.7, -1.1, -0.8, -1.0, -1.5, 0.2, 0.3, -0.4], np.float32)
    same = [np.ones((11, 11)), users[:, None] == users, items[:, None] == items]
    grid = np.meshgrid(np.geomspace(0.005, 60, 50), *[np.geomspace(0.05, 600, 40)] * 2)
    noise, user, item = map(np.ravel, grid)
    signal = same[0] + same[1] / user[:, None, None] + same[2] / item[:, None, None]
    covariance = signal + np.eye(11) / noise[:, None, None]
    solved = np.linalg.solve(covariance, np.tile(labels[:, None], (len(noise), 1, 1)))[..., 0]
    log_density = -(solved @ labels) / 2 - np.linalg.slogdet(covariance)[1] / 2
    log_density += 0.5 * np.log(noise) - noise / 2  # of Gamma(1/2, 1/2), on a logarithmic grid
    for precision in (user, item):
        log_density += SHAPE / 2 * np.log(precision) - RATE / 2 * precision
    weights = np.exp(log_density - log_density.max())
    weights /= weights.sum()
    expected = weights @ (signal @ solved[..., None])[..., 0]
    chain = Chain(Design(labels, 0, (), (Field(None, users, 4), Field(None, items, 7))), 0, seed=0)
    scores = []
    for _ in range(15_000):
        chain.sweep()
        scores.append(labels - chain.state.residual)
    np.testing.assert_allclose(np.mean(scores, axis=0), expected, atol=0.02)
    assert 0.3 < np.abs(expected).max() < 0.9  # between zero and the labels


def test_held_out_labels_have_no_effect():
    design = make_design()
    design = dataclasses.replace(design, noise_indices=(design.entities[1].indices,))
    held_out = np.arange(NUM_EXAMPLES) % 5 == 0
    changed = dataclasses.replace(design, labels=np.where(held_out, 100, design.labels))
    chains = [Chain(each, DIM, seed=0, held_out=held_out) for each in (design, changed)]
    for _ in range(10):
        for chain in chains:
            chain.sweep()
    residuals = [chain.state.residual for chain in chains]
    np.testing.assert_array_equal(residuals[0][~held_out], residuals[1][~held_out])
    first, second = design.labels - residuals[0], changed.labels - residuals[1]
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_batches_contain_each_example_once():
    counts = np.array([0, 1, 2, 2, 7, 8, 9, 50, 3])
    indices = np.random.default_rng(0).permutation(np.repeat(np.arange(9), counts))
    examples = Examples(indices, 9)
    kept = examples.order[examples.weights == 1]
    np.testing.assert_array_equal(np.sort(kept), np.arange(len(indices)))
    assert len(examples.order) < 1.2 * len(kept)
    for values, rows, count in examples.batches:
        shaped = examples.values[rows].reshape(len(values), count)
        np.testing.assert_array_equal(shaped, np.tile(values[:, None], count))
    np.testing.assert_array_equal(examples.values, indices[examples.order])


def test_systems_are_solved_as_by_lapack():
    rng = np.random.default_rng(0)
    roots = rng.standard_normal((5000, 7, 12))
    systems, right = roots @ roots.transpose(0, 2, 1), rng.standard_normal((5000, 7))
    expected = np.linalg.solve(systems, right[..., None])[..., 0]
    np.testing.assert_allclose(solve_each(systems, right), expected, rtol=1e-6, atol=1e-8)


def test_noise_of_each_id_is_recovered(monkeypatch):
    monkeypatch.setattr(state_module, "NOISE_DOF", 2.0)
    rng = np.random.default_rng(0)
    users, items = np.repeat([0, 1], 4000), np.tile([0, 1], 4000)
    noise = np.array([0.5, 2.0])[users] * np.array([1.0, 1.5])[items]
    labels = rng.normal(3, noise).astype(np.float32)
    state = State(Design(labels, 0, (), (), (users, items)), rng)
    samples = []
    for _ in range(300):
        state.sample_noise()
        state.sample_bias()
        samples.append((state.precision * state.weights[[0, 1, -2, -1]]) ** -0.5)
    np.testing.assert_allclose(np.mean(samples[100:], axis=0), noise[[0, 1, -2, -1]], rtol=0.05)
    assert state.bias == pytest.approx(3, abs=0.1)
