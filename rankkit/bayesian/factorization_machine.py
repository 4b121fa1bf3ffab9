"""`factorization_machine`: a Bayesian factorization machine from feature layers."""

import dataclasses
import math
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import numpy as np

from rankkit.bayesian.design import Design, design_of, read
from rankkit.bayesian.gibbs import Chain
from rankkit.bayesian.network import Keeper, network_of
from rankkit.training.model import RankingModel
from rankkit.utils.errors import check_integer, invalid
from rankkit.utils.system import machine_bytes

_LINES = 10  # of progress


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
    """Learns a factorization machine from ratings by drawing many from its posterior.

    Where a penalty would have to be searched for each feature, all of them are drawn along with
    the vectors, and the mean score of many draws does not overfit as one trained machine does. The
    label is taken as a number with Gaussian noise: stars, minutes, not clicks.

    What comes back is a network like any other. All that depends on one id alone, its attributes
    included, is added up into one vector of that id: the network asks for no more than the ids, and
    for what the other features read. Ids that are not in the vocabulary get the mean vector; in an
    ensemble, as much apart as the known ones are.

    Args:
        features: Features as for `rankkit.ranking_network`, of layers with a table of vectors: of
            one `embedding_dim`, which is 1 for the bias and the rest for the vector, or of 1 for a
            bias alone. Lists are read as attributes, by `rankkit.layers.Attribute`.
        columns: The training rows, column name to values.
        label: Name of the column of labels.
        groups: Names of features whose vectors are added up and do not meet each other, as in
            `rankkit.interactions.FactorizationMachine`: what is known of the user, what is known
            of the item. Defaults to `()`, every pair meets.
        num_samples: How many draws of each chain are kept, at least 1. Defaults to `100`.
        burn_in: How many before them are thrown away. Defaults to `40`.
        num_chains: Chains, each from another beginning. They run beside each other.
            Defaults to `1`.
        dim: Width that the vectors of all draws are compressed to, with two groups; their scores
            are then nearly the mean of the draws'. Defaults to `None`: each draw is a member of
            an ensemble, and `rankkit.score_std` tells how far they are apart.
        noise_group: Name of a column by which the variance of the label noise differs, such as the
            user: users who rate at random then count less. Defaults to `None`.
        noise_dof: Degrees of freedom of these differences: the higher, the smaller they are.
            Defaults to `20.0`.
        seed: Of all draws. Defaults to `42`.
        verbose: 0 for silence, 1 for some lines of progress. Defaults to `1`.

    Returns:
        A compiled `rankkit.RankingModel`, ready to evaluate, to rank with and to export.

    Raises:
        ValueError: If a number is out of its range, a column missing, a feature in two groups or
            unknown, `dim` given without two groups, or the draws too many for the machine's memory.
        TypeError: If a layer has no table of vectors, or reads lists of a row.

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
    for name, value, least in (
        ("num_samples", num_samples, 1), ("burn_in", burn_in, 0), ("num_chains", num_chains, 1),
        ("seed", seed, 0),
    ):  # fmt: skip
        check_integer(name, value, least)
    if not 0 < noise_dof < math.inf:
        raise invalid("noise_dof", noise_dof, "a number above 0")
    reading = read(features, groups)
    if dim is not None:
        check_integer("dim", dim)
        if reading.num_groups != 2:
            fix = "Put every feature with a vector into one of two groups."
            raise invalid("dim", dim, f"None with {reading.num_groups} groups", fix)
    design = design_of(reading, columns, label, noise_group)
    check_memory(design, num_chains, num_samples, reading.width)
    mean, deviation = float(design.labels.mean()), float(design.labels.std()) or 1.0
    labels = ((design.labels - mean) / deviation).astype(np.float32)
    design = dataclasses.replace(design, labels=labels)
    means = dim is not None
    keeper = Keeper(design, num_chains * num_samples, reading.width, means=means)
    progress = _Progress(num_chains * (burn_in + num_samples), deviation, verbose)
    stop = threading.Event()
    seeds = np.random.SeedSequence(seed).spawn(num_chains)

    def run(number: int) -> None:
        chain = Chain(design, reading.width - 1, noise_dof=noise_dof, seed=seeds[number])
        for sweep in range(burn_in + num_samples):
            if stop.is_set():
                return
            chain.sweep()
            if sweep >= burn_in:
                keeper.keep(number * num_samples + sweep - burn_in, chain)
            progress.step(chain)

    with ThreadPoolExecutor() as pool:
        chains = [pool.submit(run, number) for number in range(num_chains)]
        try:
            for chain in as_completed(chains):
                chain.result()
        finally:  # after an error of one, or Ctrl-C, the others end too
            stop.set()
    draws = keeper.side_by_side() if dim is None else keeper.compressed(design, dim)
    draws = draws.rescaled(mean, deviation)
    model = RankingModel(network_of(reading, draws, as_members=dim is None), label=label)
    model.compile()
    return model


class _Progress:
    """Says now and then how far the chains are.

    Args:
        sweeps: Of all chains.
        deviation: Of the labels, whose unit the noise is told in.
        verbose: Whether to say it.
    """

    def __init__(self, sweeps: int, deviation: float, verbose: int):
        self.sweeps = sweeps
        self.deviation = deviation
        self._lock = threading.Lock()
        self.verbose = verbose
        self.done = 0
        self.begun = time.monotonic()

    def step(self, chain: Chain) -> None:
        """Counts a sweep.

        Args:
            chain: That has made it.
        """
        with self._lock:
            self.done += 1
            done = self.done
        if self.verbose and done % max(1, self.sweeps // _LINES) == 0:
            elapsed = time.monotonic() - self.begun
            left = elapsed * (self.sweeps - done) / done
            noise = self.deviation * chain.state.precision**-0.5
            print(
                f"sampling: {done:,} of {self.sweeps:,} sweeps, noise {noise:.3f}, "
                f"{elapsed:.0f} s, {left:.0f} s left",
                flush=True,
            )


_COPIES = 3  # of the draws, while they are made a network
_MATRICES = 5  # of each owner of a kind, while the regressions of its chain are solved


def check_memory(design: Design, num_chains: int, num_samples: int, width: int) -> None:
    """Refuses what the machine has no memory for.

    Args:
        design: What the chains learn from.
        num_chains: Chains at a time.
        num_samples: Draws that are kept of each.
        width: `1 + dim`.

    Raises:
        ValueError: If they take more memory than there is.
    """
    owners = [each.size for each in design.owners]
    slots = sum(each.size * (1 if each.group is None else width) for each in design.slots)
    drawn = _COPIES * num_chains * num_samples * (slots + width * sum(owners))
    solved = _MATRICES * num_chains * max(owners, default=0) * width**2
    needed, there = 4 * (drawn + solved), machine_bytes()
    if needed > there:
        name = f"GiB for {num_chains} chains of {num_samples} draws of width {width}"
        expected = f"at most {there / 2**30:.0f}, which the machine has"
        fix = "Draw fewer, make embedding_dim smaller, or leave rare ids out of the vocabularies."
        raise invalid(name, math.ceil(needed / 2**30), expected, fix)
