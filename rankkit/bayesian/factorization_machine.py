"""`factorization_machine`, which fits a Bayesian factorization machine to ratings."""

import dataclasses
import functools
import itertools
import os
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rankkit.bayesian.design import Design, build_design, plan_design
from rankkit.bayesian.gibbs import Chain, run_in_parallel
from rankkit.bayesian.network import SampleStore, build_network
from rankkit.bayesian.selection import held_out_errors
from rankkit.training.model import RankingModel
from rankkit.utils.errors import check_integer, check_text
from rankkit.utils.system import available_memory

_SWEEPS_PER_SAMPLE = 2
_MAX_LABEL, _MAX_RATIO = 1e30, 1e5  # the network computes in single precision


def factorization_machine(
    features: Mapping[str, Any],
    columns: Mapping[str, Any],
    *,
    label: str,
    groups: Sequence[Sequence[str]] = (),
    num_samples: int = 25,
    burn_in: int = 40,
    num_chains: int = 4,
    dim: int | None = None,
    seed: int = 42,
    verbose: int = 1,
) -> RankingModel:
    """Fits a Bayesian factorization machine to ratings by Gibbs sampling.

    The vectors and the strength of their regularization are sampled from the posterior, and the
    scores of the samples are averaged. Learning rate, regularization and number of epochs need no
    tuning, and the average overfits less than a single factorization machine. The label is modeled
    as a number with Gaussian noise, whose variance differs by id: users who rate at random count
    less. Choose it for ratings or durations, not for clicks.

    Where ids have few rows, vectors can learn noise. Before sampling, vectors and biases alone are
    compared on a held-out tenth of the rows. If vectors do not lower the error, biases alone are
    fitted, and a warning says so.

    The result is an ordinary ranking network. The vectors of an id and of all its attributes are
    summed, so that the network reads the ids, and the columns of all other features. Unknown ids
    get the mean vector; in an ensemble, their vectors vary between the samples like those of known
    ids.

    Args:
        features: Features as in `rankkit.ranking_network`, of layers with an embedding table. All
            have the same `embedding_dim`, one for the bias and the rest for the vector; a feature
            with `embedding_dim=1` is a bias alone, and may be the only kind. Lists are passed as a
            `rankkit.layers.Attribute` of an id.
        columns: Training data, column name to values.
        label: Name of the label column.
        groups: Groups of feature names whose vectors are summed and do not interact with each
            other, as in `rankkit.interactions.FactorizationMachine`: all features of the user, and
            all features of the item. Defaults to `()`, all pairs interact.
        num_samples: Number of Gibbs samples to keep from each chain, at least 1: every second one.
            Defaults to `25`.
        burn_in: Number of samples to discard before these. Defaults to `40`.
        num_chains: Number of chains, which start from different random vectors and run in
            parallel. A chain hardly leaves the directions it starts with: several short chains have
            a lower error than a long one. Defaults to `4`.
        dim: Dimension to compress the vectors of all samples to, with two groups; the scores are
            then nearly the mean of the samples' scores. Defaults to `None`: each sample is a member
            of an ensemble, and `rankkit.score_std` estimates the uncertainty of a score.
        seed: Seed of all chains. Defaults to `42`.
        verbose: 0 for silent, 1 for a few lines of progress. Defaults to `1`.

    Returns:
        A compiled `rankkit.RankingModel`, ready to evaluate, rank and export.

    Warns:
        UserWarning: If biases alone are fitted, because vectors do not lower the error.

    Raises:
        ValueError: If a number is out of range, a column is missing, a label is not finite or the
            labels exceed single precision, a group has an unknown feature or one of another group,
            `dim` is given without two groups, or the samples need more memory than there is.
        TypeError: If a layer has no embedding table or reads lists, or the labels are not numbers.

    References:
        Salakhutdinov and Mnih, Bayesian probabilistic matrix factorization using Markov chain
        Monte Carlo, ICML 2008; Rendle, Factorization machines with libFM, TIST 2012; Papandreou
        and Yuille, Gaussian sampling by local perturbations, NIPS 2010; Liu and Wu, Parameter
        expansion for data augmentation, JASA 1999.

    Example:
        >>> import rankkit as rk
        >>> rows, _ = rk.data.synthetic_ratings(300, num_users=20, num_items=10, seed=1)
        >>> model = rk.bayesian.factorization_machine(
        ...     {
        ...         name: rk.layers.IdEmbedding(rk.data.vocabulary(rows[name]), 5)
        ...         for name in ("user_id", "item_id")
        ...     },
        ...     rows,
        ...     label="user_rating",
        ...     num_samples=20,
        ...     burn_in=10,
        ...     verbose=0,
        ... )
        >>> rk.score_std(model, rows).shape
        (300,)
    """
    check_integer("num_samples", num_samples)
    check_integer("burn_in", burn_in, 0)
    check_integer("num_chains", num_chains)
    check_integer("seed", seed, 0)
    check_integer("verbose", verbose, 0)
    check_text("label", label, "the name of a column")
    plan = plan_design(features, groups)
    if dim is not None:
        check_integer("dim", dim)
        if plan.width == 1:
            raise ValueError(
                f"dim must be None if there are no vectors. Got: dim={dim}, and "
                "embedding_dim=1 for all features."
            )
        if plan.num_groups != 2:
            raise ValueError(
                f"dim must be None unless there are two groups. Got: dim={dim} and "
                f"{plan.num_groups} groups. Put every feature with a vector into one of two groups."
            )
    design = build_design(plan, columns, label)
    _check_memory(design, num_chains, num_samples, plan.width)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = float(design.labels.mean()), float(design.labels.std()) or 1.0
    if not np.abs(design.labels).max() < _MAX_LABEL or abs(mean) > _MAX_RATIO * std:
        raise ValueError(
            f"Label column {label!r} must have numbers that differ in float32. Got: a mean of "
            f"{mean:g} and a standard deviation of {std:g}. Rescale the labels, or subtract their "
            "mean."
        )
    standardized = ((design.labels - mean) / std).astype(np.float32)
    design = dataclasses.replace(design, labels=standardized)
    first_seed, *seeds = np.random.SeedSequence(seed).spawn(1 + num_chains)
    vector_dim = plan.width - 1
    errors = held_out_errors(design, vector_dim, num_chains, first_seed)
    if errors is not None:
        vector_dim = _choose_dim(vector_dim, std * errors[0], std * errors[1], verbose)
    width = 1 + vector_dim
    store = SampleStore(design, num_chains, num_samples, width, use_prior_mean=dim is not None)
    sweeps_per_chain = burn_in + _SWEEPS_PER_SAMPLE * num_samples
    num_sweeps = num_chains * sweeps_per_chain
    counter, start = itertools.count(1), time.monotonic()

    def run(number: int, stop: threading.Event) -> None:
        chain = Chain(design, vector_dim, seed=seeds[number])
        for sweep in range(sweeps_per_chain):
            if stop.is_set():
                return
            chain.sweep()
            kept, rest = divmod(sweep + 1 - burn_in, _SWEEPS_PER_SAMPLE)
            if sweep >= burn_in and rest == 0:
                store.add(number * num_samples + kept - 1, chain)
            done = next(counter)
            if verbose and done % max(1, num_sweeps // 10) == 0:
                seconds, noise_std = time.monotonic() - start, std * chain.state.precision**-0.5
                left = seconds * (num_sweeps - done) / done
                print(
                    f"sampling: {done:,} of {num_sweeps:,} sweeps, noise std {noise_std:.3f}, "
                    f"{seconds:.0f} s elapsed, {left:.0f} s left",
                    flush=True,
                )

    run_in_parallel([functools.partial(run, number) for number in range(num_chains)])
    samples = (store.stack() if dim is None else store.compress(dim)).unstandardize(mean, std)
    model = RankingModel(build_network(plan, samples, is_ensemble=dim is None), label=label)
    model.compile()
    return model


def _choose_dim(dim: int, with_vectors: float, with_biases: float, verbose: int) -> int:
    """Returns 0 with a warning if vectors do not lower the error on held-out rows, else `dim`."""
    text = (
        f"RMSE on a held-out tenth of the rows: {with_vectors:.4f} with vectors, "
        f"{with_biases:.4f} with biases alone."
    )
    if with_vectors >= with_biases:
        warnings.warn(
            "Vectors do not lower the held-out RMSE: only biases are fitted, and all users get the "
            f"same ranking. {text} More rows per id, or attributes of the ids, may help; "
            "embedding_dim=1 skips the comparison.",
            stacklevel=3,
        )
        return 0
    if verbose:
        print(text, flush=True)
    return dim


def _check_memory(design: Design, num_chains: int, num_samples: int, width: int) -> None:
    """Checks that samples, examples and linear systems fit into memory."""
    sizes = [each.size for each in design.entities]
    with_attributes = [each.size for each in design.entities if each.attributes]
    fields = sum(each.size * (1 if each.group is None else width) for each in design.fields)
    # Three copies of the samples while the network is built; of each chain that runs five matrices
    # per entity with attributes, and ten vectors per example.
    stored = 3 * num_chains * num_samples * (fields + width * sum(sizes))
    of_chain = 5 * max(with_attributes, default=0) * width**2 + 10 * len(design.labels) * width
    running = min(num_chains, os.cpu_count() or 1)
    needed, available = 4 * (stored + running * of_chain), available_memory()
    if needed > available:
        raise ValueError(
            f"{num_chains} chains of {num_samples} samples need about {needed / 2**30:,.1f} GiB of "
            f"memory, and {available / 2**30:,.1f} GiB are available. Reduce num_samples, "
            "num_chains or embedding_dim, or leave rare ids out of the vocabularies."
        )
