"""Each draw against the posterior, written out."""

import numpy as np
import pytest
import scipy.sparse

from rankkit.bayesian import fields
from rankkit.bayesian.gibbs import Chain
from rankkit.bayesian.design import Design, Owner, Slot
from rankkit.bayesian.fields import OwnerDraws
from rankkit.bayesian.fields import BiasDraws, SlotDraws
from rankkit.bayesian.state import State
from rankkit.bayesian.fields import MEAN_WEIGHT, RATE, SHAPE, Table

DIM, ROWS, OWNERS, VALUES = 2, 150, 6, 4
DRAWS = 3000


def design(own=True, attributes=1):
    rng = np.random.default_rng(0)
    shares = [
        scipy.sparse.csr_array(rng.random((OWNERS, VALUES)).astype(np.float32))
        for _ in range(attributes)
    ]
    return Design(
        labels=rng.normal(3, 1, ROWS).astype(np.float32),
        num_groups=2,
        owners=(
            Owner(0, rng.integers(0, OWNERS - 1, ROWS), OWNERS, own, tuple(shares)),
            Owner(1, rng.integers(0, 5, ROWS), 5),
        ),
        # Values of one row, of a few and of many, and one of none.
        slots=(Slot(0, np.r_[np.arange(20), rng.integers(20, 24, ROWS - 20)], 25),),
    )


def state_with(rows, blocks):
    state = State(rows, DIM, np.random.default_rng(1))
    for block in blocks:
        block.begin(state)
    state.weights = np.random.default_rng(2).gamma(5, 1 / 5, ROWS).astype(np.float32)
    state.precision = 2.0
    return state


def fixed(table, mean):
    """Keeps the prior: the posterior is then a Gaussian that can be written out."""
    table.mean = np.array(mean, np.float32)
    table.precision = np.array([1, 10, 5], np.float32)[: len(mean)]
    table.draw_prior = table.draw_scale = lambda *args: None


def assert_draws_are_of(posterior_mean, covariance, draws):
    error = np.sqrt(np.diag(covariance) / len(draws))
    assert np.abs((draws.mean(axis=0) - posterior_mean) / error).max() < 4.5
    assert np.abs(np.cov(draws.T) - covariance).max() < 0.12 * covariance.max()


def gaussian(values_of_rows, x, target, weights, precision, mean):
    """Mean and covariance of a table, given what each row has of each value."""
    count = values_of_rows.shape[1]
    design_matrix = np.einsum("rv,rk->rvk", values_of_rows, x).reshape(len(x), -1)
    prior, centre = np.tile(precision, count), np.tile(mean, count)
    inverse = np.linalg.inv((design_matrix.T * weights) @ design_matrix + np.diag(prior))
    return inverse @ (design_matrix.T @ (weights * target) + prior * centre), inverse


@pytest.mark.parametrize(("own", "attributes"), [(True, 0), (True, 1), (False, 1), (True, 2)])
def test_owners_are_drawn_from_their_posterior(own, attributes, monkeypatch):
    monkeypatch.setattr(fields, "TOLERANCE", 1e-12)
    rows = design(own, attributes)
    rng = np.random.default_rng(3)
    block, other = (OwnerDraws(each, DIM, rng) for each in rows.owners)
    state = state_with(rows, [block, other])
    for table in block.tables:
        fixed(table, [0.5, 0, 1])
    codes = rows.owners[0].codes
    shares = [each.toarray() for each in rows.owners[0].attributes]
    has = np.hstack([*([np.eye(OWNERS)] if own else []), *shares])[codes]
    x = np.c_[np.ones(ROWS), other.vectors()[rows.owners[1].codes, 1:]]
    target = state.residual + (x * block.vectors()[codes]).sum(axis=1)
    mean, covariance = gaussian(
        has, x, target, 2 * state.weights, block.tables[0].precision, block.tables[0].mean
    )
    draws = []
    for _ in range(DRAWS):
        block.draw(state)
        draws.append(np.concatenate([table.values for table in block.tables]).ravel())
    assert_draws_are_of(mean, covariance, np.array(draws))


def test_slots_are_drawn_from_their_posterior():
    rows = design()
    rng = np.random.default_rng(3)
    block, other = (OwnerDraws(each, DIM, rng) for each in rows.owners)
    [slot] = rows.slots
    drawn = SlotDraws(slot, 0, DIM, rng)
    state = state_with(rows, [block, other, drawn])
    fixed(drawn.table, [0.5, 0, 1])
    x = np.c_[np.ones(ROWS), other.vectors()[rows.owners[1].codes, 1:]]
    target = state.residual + (x * drawn.table.values[slot.codes]).sum(axis=1)
    table = drawn.table
    mean, covariance = gaussian(
        np.eye(25)[slot.codes], x, target, 2 * state.weights, table.precision, table.mean
    )
    draws = []
    for _ in range(DRAWS):
        drawn.draw(state)
        draws.append(table.values.ravel())
    assert_draws_are_of(mean, covariance, np.array(draws))


def test_biases_are_drawn_from_their_posterior():
    rows = design()
    [slot] = rows.slots
    drawn = BiasDraws(slot, np.random.default_rng(3))
    state = state_with(rows, [drawn])
    fixed(drawn.table, [0.0])
    ones, target = np.ones((ROWS, 1)), state.residual.copy()
    mean, covariance = gaussian(
        np.eye(25)[slot.codes], ones, target, 2 * state.weights, drawn.table.precision, [0.0]
    )
    draws = []
    for _ in range(DRAWS):
        drawn.draw(state)
        draws.append(drawn.table.values.ravel())
    assert_draws_are_of(mean, covariance, np.array(draws))


@pytest.mark.parametrize("has_mean", [False, True])
def test_prior_and_scale_agree_on_one_posterior(has_mean):
    """With all else fixed, two ways to move the precision must leave the same distribution.

    Three values, one dimension: the precision's posterior is an integral that a grid can do.
    """
    size, noise = 3, 4.0
    target = np.array([0.6, -0.4, 0.9], np.float32)
    grid = np.geomspace(1e-3, 1e4, 20_001)  # of the precision
    density = grid ** (SHAPE / 2 - 1) * np.exp(-RATE * grid / 2)
    logs = []
    for precision in grid:
        # The mean has variance 1 / precision, and is shared by the values.
        shared = (1 / precision) / MEAN_WEIGHT if has_mean else 0.0
        covariance = np.eye(size) * (1 / precision + 1 / noise) + shared
        solved = np.linalg.solve(covariance, target)
        logs.append(-(target @ solved) / 2 - np.linalg.slogdet(covariance)[1] / 2)
    density = density * np.exp(np.array(logs)) * np.gradient(grid)
    expected = (np.log(grid) * density).sum() / density.sum()

    def mean_log(moves):
        table = Table(size, 1, has_mean, np.random.default_rng(5))
        found = []
        for _ in range(40_000):
            precision = noise + table.precision[0]
            mean = (noise * target + table.precision[0] * table.mean[0]) / precision
            values = mean + table.rng.standard_normal(size) / np.sqrt(precision)
            table.values = values.astype(np.float32)[:, None]
            for move in moves:
                if move == "prior":
                    table.draw_prior()
                else:
                    residual = target - table.values[:, 0]
                    weights = np.full(size, noise, np.float32)
                    table.draw_scale(residual, table.values - table.mean, weights)
            found.append(np.log(table.precision[0]))
        return np.mean(found)

    assert mean_log(["prior"]) == pytest.approx(expected, abs=0.06)
    assert mean_log(["prior", "scale"]) == pytest.approx(expected, abs=0.05)
    assert mean_log(["scale", "prior"]) == pytest.approx(expected, abs=0.05)


def test_residuals_stay_those_of_the_vectors():
    rows = design()
    chain = Chain(rows, DIM, noise_dof=20.0, seed=0)
    for _ in range(50):
        chain.sweep()
    user = chain.owners[0].vectors()[rows.owners[0].codes]
    user = user + chain.slots[0].table.values[rows.slots[0].codes]
    item = chain.owners[1].vectors()[rows.owners[1].codes]
    score = chain.state.constant + user[:, 0] + item[:, 0] + (user[:, 1:] * item[:, 1:]).sum(axis=1)
    np.testing.assert_allclose(chain.state.residual, rows.labels - score, atol=1e-4)


def test_noise_is_found_and_its_sources_told_apart():
    rng = np.random.default_rng(0)
    sources = np.repeat([0, 1], 2000)
    labels = rng.normal(3, np.where(sources == 0, 0.5, 2.0)).astype(np.float32)
    rows = Design(labels, 0, (), (), sources)
    state = State(rows, 1, rng)
    draws = []
    for _ in range(200):
        state.draw_noise(sources, 2.0)
        state.draw_constant()
        draws.append((state.precision * state.weights[[0, -1]]) ** -0.5)
    np.testing.assert_allclose(np.mean(draws[20:], axis=0), [0.5, 2.0], rtol=0.05)
    assert state.constant == pytest.approx(3, abs=0.1)
