"""Factorization machine: biases and dot products of pairs of vectors."""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rankkit.core.arguments import ArgumentsLayer
from rankkit.core.partial import ActivationCache, Part, Vector
from rankkit.interactions._vectors import as_vectors, unequal_dims
from rankkit.utils.errors import (
    check_integer,
    check_number,
    check_sequence,
    invalid,
    is_integer,
    wrong_type,
)


@tf.keras.utils.register_keras_serializable(package="rankkit")
class FactorizationMachine(ArgumentsLayer):
    """Factorization machine (FM): feature biases plus dot products of all pairs of vectors.

    The score is `b + sum_i v_i[0] + sum_{i<j} dot(v_i[1:], v_j[1:])`: the first component of each
    vector is the bias of its feature, and `b` is a trained weight. The pairs are computed in linear
    time as `(|sum v|^2 - sum |v|^2) / 2`. Vectors of dimension 1 are biases only.

    As the `interaction` of `rankkit.ranking_network` without a head it is the whole model. For
    ratings, regularize the vectors by the `activity_regularizer` of the feature layers.

    Args:
        initial_bias: Initial value of `b`, such as the mean label. Defaults to `0.0`.
        groups: Lists of indices into the list of vectors. The vectors of a group, such as those of
            all user features, are summed before they interact with the others and do not interact
            with each other. Defaults to `()`: all pairs interact.
        num_members: Number of ensemble members. Each vector holds the bias and the vector of every
            member, one after the other; use `rankkit.layers.EnsembleMean` as head. Defaults to `1`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        A list of vectors of `(batch, num_members * (1 + dim))`, one per feature, of equal
        dimension, or `(batch, num_members)` for biases only.

    Output shape:
        `(batch, num_members)`.

    Raises:
        TypeError: If the dimensions differ, or groups are not lists of integers.
        ValueError: If a dimension is not a multiple of `num_members`, or an index is in two groups
            or out of range.

    References:
        Rendle, Factorization machines, ICDM 2010.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> fm = rk.interactions.FactorizationMachine(initial_bias=3.5)
        >>> fm([tf.constant([[0.5, 1.0, 2.0]]), tf.constant([[-1.0, 3.0, 0.5]])]).numpy()
        array([[7.]], dtype=float32)
    """

    def __init__(
        self,
        *,
        initial_bias: float = 0.0,
        groups: Sequence[Sequence[int]] = (),
        num_members: int = 1,
        **kwargs: Any,
    ):
        # In half precision, close scores could not be distinguished.
        super().__init__(**kwargs)
        self.num_members = check_integer("num_members", num_members)
        self.initial_bias = float(check_number("initial_bias", initial_bias))
        self.groups = _as_groups(groups)
        initializer = tf.keras.initializers.Constant(self.initial_bias)
        self._bias = self.add_weight(
            "bias", (self.num_members,), initializer=initializer, experimental_autocast=False
        )

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> tf.Tensor:
        vectors = as_vectors(inputs)
        self._check([vector.shape[-1] for vector in vectors])
        return self._interact(dict(enumerate(vectors)), self._bias)[0]

    def call_parts(self, inputs: Any, cache: ActivationCache) -> tf.Tensor:
        """Computes a score and a sum of vectors per side and group, then their dot products."""
        vectors = as_vectors(inputs)
        if any(len(vector.sides) > 1 for vector in vectors):
            return self(cache.whole(vectors))
        group_of = {index: number for number, group in enumerate(self.groups) for index in group}
        blocks: dict[tuple[frozenset[str], int | None], list[int]] = {}  # indices of vectors
        for index, vector in enumerate(vectors):
            (sides,) = vector.sides
            blocks.setdefault((sides, group_of.get(index)), []).append(index)
        scores: list[Any] = [self._bias]
        sums: list[tuple[int | None, tf.Tensor]] = []
        for (sides, group), block in blocks.items():
            compute = functools.cache(functools.partial(self._compute_block, vectors, block))
            scores.append(cache.take(Part(sides, (None, None), lambda of=compute: of()[0])))
            if all(vectors[index].width == self.num_members for index in block):
                continue  # biases only
            summed = cache.take(Part(sides, (None, None, None), lambda of=compute: of()[1]))
            others = [other for its_group, other in sums if group is None or its_group != group]
            if others:
                scores.append(tf.reduce_sum(functools.reduce(tf.add, others) * summed, axis=-1))
            sums.append((group, summed))
        return functools.reduce(tf.add, scores)

    def _compute_block(self, vectors: list[Vector], block: list[int]) -> tuple[tf.Tensor, Any]:
        return self._interact({index: vectors[index].computed for index in block}, 0.0)

    def _interact(self, inputs: dict[int, tf.Tensor], bias: Any) -> tuple[tf.Tensor, Any]:
        """The score of vectors by their index, and their sum, `None` if there are only biases."""
        members = self.num_members
        split = {  # (batch, members, 1 + dim)
            index: tf.reshape(
                tf.cast(each, self.variable_dtype), (-1, members, each.shape[-1] // members)
            )
            for index, each in inputs.items()
        }
        score = bias + sum(each[:, :, 0] for each in split.values())
        with_vector = [index for index, each in split.items() if each.shape[-1] > 1]
        grouped = set(itertools.chain(*self.groups))
        ungrouped = [[index] for index in split if index not in grouped]
        vectors = [
            [split[index][:, :, 1:] for index in group if index in with_vector]
            for group in (*self.groups, *ungrouped)
        ]
        added = [tf.add_n(group) for group in vectors if group]  # (batch, members, dim)
        if len(added) < 2:
            return score, added[0] if added else None
        summed = tf.add_n(added)
        pairs = tf.square(summed) - tf.add_n([tf.square(each) for each in added])
        return score + tf.reduce_sum(pairs, axis=-1) / 2, summed

    def _check(self, dims: list[int]) -> None:
        if len({dim for dim in dims if dim != self.num_members}) > 1:
            raise unequal_dims(dims, "factorization machine")
        if any(dim % self.num_members for dim in dims):
            raise ValueError(
                f"The dimension of vectors must be a multiple of num_members={self.num_members}. "
                f"Got: {dims}. Set embedding_dim of the feature layers to num_members * (1 + dim)."
            )
        indices = list(itertools.chain(*self.groups))
        if len(set(indices)) < len(indices) or not set(indices) <= set(range(len(dims))):
            expected = f"indices of the {len(dims)} vectors, each at most once"
            raise invalid("groups", self.groups, expected, "Count features from 0.")


def _as_groups(groups: Any) -> list[list[int]]:
    expected = "lists of indices of vectors, such as [[0, 2], [1]]"
    found = [
        check_sequence("groups", group, expected)
        for group in check_sequence("groups", groups, expected)
    ]
    if not all(map(is_integer, itertools.chain(*found))):
        raise wrong_type("groups", groups, expected)
    return [list(map(int, group)) for group in found]
