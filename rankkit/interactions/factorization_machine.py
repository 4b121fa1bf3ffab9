"""Biases and the products of pairs of vectors."""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rankkit.core.partial import Kept, Part, Vector
from rankkit.interactions._vectors import listed
from rankkit.utils.errors import check_integer, invalid, wrong_type


@tf.keras.utils.register_keras_serializable(package="rankkit")
class FactorizationMachine(tf.keras.layers.Layer):
    """Adds up the biases of features and the dot products of pairs of their vectors.

    The score is `b + sum_i v_i[0] + sum_{i<j} dot(v_i[1:], v_j[1:])`: the first number of each
    vector is the feature's own bias, and `b` is trained. The sum over pairs takes no longer than
    one over features, as `(|sum v|^2 - sum |v|^2) / 2`. A vector of width 1 is a bias alone.

    As `interaction` of `rankkit.ranking_network` without a head it is the whole model, strong on
    ratings with a penalty on the vectors: give the layers `activity_regularizer`.

    Args:
        initial_bias: What `b` begins with, such as the mean label. Defaults to `0.0`.
        groups: Lists of places in the list of vectors. The vectors of a group are added up before
            they meet the others, and do not meet each other: all that is known of the user in one
            group, all of the item in another. Defaults to `()`, every pair meets.
        num_members: How many machines lie side by side in the vectors, each with a bias and a
            vector of its own: an ensemble, for `rankkit.layers.EnsembleMean` as head.
            Defaults to `1`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        A list of vectors of `(batch, num_members * (1 + dim))`, one a feature, of equal width; or
        `(batch, num_members)` for biases alone.

    Output shape:
        `(batch, num_members)`.

    Raises:
        TypeError: If the widths differ.
        ValueError: If a width is no multiple of `num_members`, or a place comes in two groups or
            is that of no vector.

    References:
        Rendle, Factorization machines, ICDM 2010.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> machine = rk.interactions.FactorizationMachine(initial_bias=3.5)
        >>> machine([tf.constant([[0.5, 1.0, 2.0]]), tf.constant([[-1.0, 3.0, 0.5]])]).numpy()
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
        super().__init__(**kwargs)
        check_integer("num_members", num_members)
        self.initial_bias = float(initial_bias)
        self.groups = [[int(place) for place in group] for group in groups]
        self.num_members = int(num_members)
        initializer = tf.keras.initializers.Constant(self.initial_bias)
        self._bias = self.add_weight("bias", (self.num_members,), initializer=initializer)

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> tf.Tensor:
        self._check([each.shape[-1] for each in listed(inputs)])
        bias = tf.cast(self._bias, self.variable_dtype)
        return self._of(dict(enumerate(listed(inputs))), bias)[0]

    def call_parts(self, inputs: Any, kept: Kept) -> tf.Tensor:
        """Of each side, and group, there is one score, and one vector to meet those of others."""
        vectors = listed(inputs)
        if any(len(vector.sides) > 1 for vector in vectors):
            return self(kept.whole(vectors))
        group_of = {place: number for number, each in enumerate(self.groups) for place in each}
        lots: dict[tuple[frozenset[str], int | None], list[int]] = {}
        for place, vector in enumerate(vectors):
            (sides,) = vector.sides
            lots.setdefault((sides, group_of.get(place)), []).append(place)
        scores: list[Any] = [tf.cast(self._bias, self.variable_dtype)]
        met: list[tuple[int | None, tf.Tensor]] = []
        for (sides, group), lot in lots.items():
            of_lot = functools.cache(functools.partial(self._of_lot, vectors, lot))
            scores.append(kept.take(Part(sides, (None, None), lambda of=of_lot: of()[0])))
            if all(vectors[place].width == self.num_members for place in lot):
                continue  # biases alone
            vector = kept.take(Part(sides, (None, None, None), lambda of=of_lot: of()[1]))
            others = [other for its_group, other in met if group is None or its_group != group]
            if others:
                scores.append(tf.reduce_sum(functools.reduce(tf.add, others) * vector, axis=-1))
            met.append((group, vector))
        return functools.reduce(tf.add, scores)

    def _of_lot(self, vectors: list[Vector], lot: list[int]) -> tuple[tf.Tensor, Any]:
        return self._of({place: vectors[place].computed for place in lot}, 0.0)

    def _of(self, inputs: dict[int, tf.Tensor], bias: Any) -> tuple[tf.Tensor, Any]:
        """The score of vectors by their places, and their sum; `None` of biases alone."""
        members = self.num_members
        # Scores are told apart in full precision.
        split = {  # (batch, members, 1 + dim)
            place: tf.reshape(
                tf.cast(each, self.variable_dtype), (-1, members, each.shape[-1] // members)
            )
            for place, each in inputs.items()
        }
        score = bias + sum(each[:, :, 0] for each in split.values())
        with_vector = [place for place, each in split.items() if each.shape[-1] > 1]
        grouped = set(itertools.chain(*self.groups))
        alone = [[place] for place in split if place not in grouped]
        vectors = [
            [split[place][:, :, 1:] for place in group if place in with_vector]
            for group in (*self.groups, *alone)
        ]
        added = [tf.add_n(group) for group in vectors if group]  # (batch, members, dim)
        if len(added) < 2:
            return score, added[0] if added else None
        summed = tf.add_n(added)
        together = tf.square(summed) - tf.add_n([tf.square(each) for each in added])
        return score + tf.reduce_sum(together, axis=-1) / 2, summed

    def _check(self, widths: list[int]) -> None:
        if len({width for width in widths if width != self.num_members}) > 1:
            fix = "A factorization machine multiplies them: give all layers one embedding_dim."
            raise wrong_type("widths of the vectors", widths, "equal", fix)
        if any(width % self.num_members for width in widths):
            expected = f"multiples of num_members={self.num_members}"
            raise invalid("widths of the vectors", widths, expected)
        places = list(itertools.chain(*self.groups))
        if len(set(places)) < len(places) or not set(places) <= set(range(len(widths))):
            expected = f"places of {len(widths)} vectors, each once"
            raise invalid("groups", self.groups, expected)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        return tf.TensorShape([listed(input_shape)[0][0], self.num_members])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "initial_bias": self.initial_bias,
            "groups": self.groups,
            "num_members": self.num_members,
        }
