"""`factorization_machine`, which fits a Bayesian factorization machine to ratings."""

import dataclasses
import itertools
import math
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import numpy as np

from rankkit.bayesian.design import Design, build_design, plan_design
from rankkit.bayesian.gibbs import Chain
from rankkit.bayesian.network import SampleStore, build_network
from rankkit.training.model import RankingModel
from rankkit.utils.errors import check_integer, invalid
from rankkit.utils.system import available_memory


def factorization_machine(
    features: Mapping[str, Any],
    columns: Mapping[str, Any],
    *,
    label: str,
    groups: Sequence[Sequence[str]] = (),
    num_samples: int = 100,
    burn_in: int = 40,
    num_chains: int = 1,
    dim: int | None = None,
    noise_group: str | None = None,
    noise_dof: float = 20.0,
    seed: int = 42,
    verbose: int = 1,
) -> RankingModel:
    """Fits a Bayesian factorization machine to ratings by Gibbs sampling.

    The vectors and the strength of their regularization are sampled from the posterior, and the
    scores of the samples are averaged. Learning rate, regularization and number of epochs need no
    tuning, and the average overfits less than a single factorization machine. The label is modeled
    as a number with Gaussian noise: choose it for ratings or durations, not for clicks.

    The result is an ordinary ranking network. The vectors of an id and of all its attributes are
    summed, so that the network reads the ids, and the columns of all other features. Unknown ids
    get the mean vector; in an ensemble, their vectors vary between the samples like those of known
    ids.

    Args:
        features: Features as in `rankkit.ranking_network`, of layers with an embedding table. All
            have the same `embedding_dim`, one for the bias and the rest for the vector; a feature
            with `embedding_dim=1` is a bias alone. Lists are passed as a
            `rankkit.layers.Attribute` of an id.
        columns: Training data, column name to values.
        label: Name of the label column.
        groups: Groups of feature names whose vectors are summed and do not interact with each
            other, as in `rankkit.interactions.FactorizationMachine`: all features of the user, and
            all features of the item. Defaults to `()`, all pairs interact.
        num_samples: Number of Gibbs samples to keep from each chain, at least 1.
            Defaults to `100`.
        burn_in: Number of samples to discard before these. Defaults to `40`.
        num_chains: Number of chains, which start from different random vectors and run in
            parallel. Defaults to `1`.
        dim: Dimension to compress the vectors of all samples to, with two groups; the scores are
            then nearly the mean of the samples' scores. Defaults to `None`: each sample is a member
            of an ensemble, and `rankkit.score_std` estimates the uncertainty of a score.
        noise_group: Name of a column, such as the user, whose values differ in the variance of the
            label noise: users who rate at random then count less. Defaults to `None`.
        noise_dof: Degrees of freedom of the noise weights: with more, the weights
            differ less.
            Defaults to `20.0`.
        seed: Seed of all chains. Defaults to `42`.
        verbose: 0 for silent, 1 for a few lines of progress. Defaults to `1`.

    Returns:
        A compiled `rankkit.RankingModel`, ready to evaluate, rank and export.

    Raises:
        ValueError: If a number is out of range, a column is missing, a label is not finite, a group
            has an unknown feature or one of another group, `dim` is given without two groups, or
            the samples need more memory than there is.
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
    is_number = isinstance(noise_dof, (int, float, np.number)) and not isinstance(noise_dof, bool)
    if not is_number or not 0 < noise_dof < math.inf:
        raise invalid("noise_dof", noise_dof, "a finite number above 0")
    plan = plan_design(features, groups)
    if dim is not None:
        check_integer("dim", dim)
        if plan.num_groups != 2:
            raise ValueError(
                f"dim must be None unless there are two groups. Got: dim={dim} and "
                f"{plan.num_groups} groups. Put every feature with a vector into one of two groups."
            )
    design = build_design(plan, columns, label, noise_group)
    _check_memory(design, num_chains, num_samples, plan.width)
    mean, std = float(design.labels.mean()), float(design.labels.std()) or 1.0
    standardized = ((design.labels - mean) / std).astype(np.float32)
    design = dataclasses.replace(design, labels=standardized)
    store = SampleStore(
        design, num_chains * num_samples, plan.width, use_prior_mean=dim is not None
    )
    num_sweeps = num_chains * (burn_in + num_samples)
    counter, start, stop = itertools.count(1), time.monotonic(), threading.Event()
    seeds = np.random.SeedSequence(seed).spawn(num_chains)

    def run(number: int) -> None:
        chain = Chain(design, plan.width - 1, noise_dof=noise_dof, seed=seeds[number])
        for sweep in range(burn_in + num_samples):
            if stop.is_set():
                return
            chain.sweep()
            if sweep >= burn_in:
                store.add(number * num_samples + sweep - burn_in, chain)
            done = next(counter)
            if verbose and done % max(1, num_sweeps // 10) == 0:
                seconds, noise_std = time.monotonic() - start, std * chain.state.precision**-0.5
                left = seconds * (num_sweeps - done) / done
                print(
                    f"sampling: {done:,} of {num_sweeps:,} sweeps, noise std {noise_std:.3f}, "
                    f"{seconds:.0f} s elapsed, {left:.0f} s left",
                    flush=True,
                )

    with ThreadPoolExecutor() as pool:
        chains = [pool.submit(run, number) for number in range(num_chains)]
        try:
            for chain in as_completed(chains):
                chain.result()
        finally:  # after an error in one chain, or Ctrl-C, the others stop too
            stop.set()
    samples = (store.stack() if dim is None else store.compress(dim)).unstandardize(mean, std)
    model = RankingModel(build_network(plan, samples, is_ensemble=dim is None), label=label)
    model.compile()
    return model


def _check_memory(design: Design, num_chains: int, num_samples: int, width: int) -> None:
    """Checks that samples and linear systems fit into memory."""
    entities = [each.size for each in design.entities]
    fields = sum(each.size * (1 if each.group is None else width) for each in design.fields)
    # Three copies of the samples while the network is built; five matrices per entity of a chain.
    stored = 3 * num_chains * num_samples * (fields + width * sum(entities))
    systems = 5 * num_chains * max(entities, default=0) * width**2
    needed, available = 4 * (stored + systems), available_memory()
    if needed > available:
        raise ValueError(
            f"{num_chains} chains of {num_samples} samples need about {needed / 2**30:,.1f} GiB of "
            f"memory, and {available / 2**30:,.1f} GiB are available. Reduce num_samples, "
            "num_chains or embedding_dim, or leave rare ids out of the vocabularies."
        )
