"""Attributes of ids, stored in the network and read by another layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.arrays import as_array, fill_numbers
from rankkit.core.columns import as_list, is_column
from rankkit.core.features import as_feature
from rankkit.core.timestamps import is_missing
from rankkit.core.vocabulary import distinct_ids
from rankkit.layers._lookup import IdLookup, Ids, paired_columns
from rankkit.layers.base import FeatureLayer
from rankkit.utils.errors import wrong_type
from rankkit.utils.graph_errors import plain_errors


@tf.keras.utils.register_keras_serializable(package="rankkit")
class Attribute(FeatureLayer):
    """Looks up the attribute of an id, such as a movie's genres, and passes it to another layer.

    The attributes are stored in the network, so that a request for scores contains only the id.
    They are encoded when this layer is created, so that texts work in TensorFlow Lite, too.

    Args:
        ids: The known ids, all `str` or all `int`, without duplicates.
        values: The attribute of each id, a raw value of `layer`.
        layer: A layer of `rankkit.layers` that reads one raw feature.
        default: The attribute of unknown ids, a raw value of `layer`. Defaults to `None`: an empty
            list, an empty string, or NaN if the layer was created with `missing="learn"`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch,)` of `tf.string` or `tf.int64`, as the ids.

    Output shape:
        That of `layer`.

    Raises:
        ValueError: If ids are empty or duplicated, there are more or fewer values, or no default.
        TypeError: If `layer` is not a feature layer, or reads several features.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> genres = rk.layers.TagsEmbedding(["Comedy", "Drama"], 4)
        >>> layer = rk.layers.Attribute(["Heat", "Clue"], [["Drama"], ["Comedy"]], genres)
        >>> layer(tf.constant(["Clue", "unknown"])).shape
        TensorShape([2, 4])
    """

    def __init__(
        self,
        ids: Ids,
        values: Sequence[Any],
        layer: FeatureLayer,
        *,
        default: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not isinstance(layer, FeatureLayer) or not isinstance(layer.feature_spec, tf.TensorSpec):
            raise wrong_type("layer", layer, "a layer of rankkit.layers that reads one feature")
        self._lookup = IdLookup("ids", ids)
        self._lookup.check_one_per_id("values", values)
        cells = as_list(fill_numbers("values", as_array(values)), "values")
        self.layer = layer
        self.default = None if default is None else as_list([default], "default")[0]
        self.values = np.fromiter(cells, object, len(cells))
        self._spec, self._dim = self._lookup.spec, layer._dim
        _check_values(cells, layer)
        raw = as_feature("values", [self._default_value(), *cells], layer.feature_spec)
        with tf.init_scope(), plain_errors():
            self._indices = layer.encode(raw)  # of unknown ids first

    def _default_value(self) -> Any:
        if self.default is not None:
            return self.default
        spec = self.layer.feature_spec
        if spec.shape.rank == 2:
            return []
        if spec.dtype == tf.string:
            return ""
        if getattr(self.layer, "missing", None) == "learn":
            return float("nan")
        raise ValueError(
            "default must be a raw value of the layer, the attribute of unknown ids. "
            "Got: default=None. Pass a typical value, or a layer created with missing='learn'."
        )

    @classmethod
    def from_columns(cls, ids: Any, values: Any, layer: FeatureLayer, **kwargs: Any) -> "Attribute":
        """Creates the layer from training rows.

        Args:
            ids: The id of each row.
            values: The attribute of each row's id. If the rows of an id differ, the last is used
                that is not missing or empty.
            layer: A layer of `rankkit.layers` for the attribute.
            **kwargs: Further arguments of the layer.
        """
        known = distinct_ids(ids, name="ids")
        pairs = paired_columns(lists=True, ids=ids, values=values)
        last: dict[Any, Any] = {}
        for each, value in pairs:
            if each not in last or not _is_empty(value):
                last[each] = value
        return cls(known, [last[each] for each in known], layer, **kwargs)

    @classmethod
    def from_members(
        cls, ids: Any, members: Any, layer: FeatureLayer, **kwargs: Any
    ) -> "Attribute":
        """Creates the layer with the list of values that each id occurs with: a user's titles.

        A training row is then part of the list of its own id, which leaks its label to a network
        that is trained with gradients. For such a network, use `rankkit.layers.HistoryEmbedding`.

        Args:
            ids: The id of each row.
            members: The value that the id of each row occurs with; duplicates count once.
            layer: A layer of `rankkit.layers` that reads lists, such as `TagsEmbedding`.
            **kwargs: Further arguments of the layer.
        """
        if len(getattr(getattr(layer, "feature_spec", None), "shape", ())) != 2:
            raise wrong_type("layer", layer, "a layer that reads lists, such as TagsEmbedding")
        known = distinct_ids(ids, name="ids")
        distinct_ids(members, name="members")  # raises if one is not an id
        lists: dict[Any, dict] = {}
        for each, member in paired_columns(ids=ids, members=members):
            lists.setdefault(each, {})[member] = None
        return cls(known, [list(lists[each]) for each in known], layer, **kwargs)

    @property
    def ids(self) -> list:
        """The known ids."""
        return self._lookup.ids.tolist()

    @property
    def default_codes(self) -> tf.Tensor:
        """What `encode` returns for an unknown id, `(1, ...)`."""
        return self._indices[:1]

    def sample_values(self, count: int) -> list:
        """Returns `count` example inputs."""
        return self._lookup.sample(count)

    def encode(self, inputs: Any) -> tf.Tensor:
        """Looks up the attribute of each id, as encoded by `layer`."""
        return tf.gather(self._indices, self._lookup.find(inputs, self.name) + 1)

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        return self.layer.embed(codes, training=training)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Attribute":
        layer = tf.keras.saving.deserialize_keras_object(config["layer"])
        return cls(**{**config, "layer": layer})


def _is_empty(cell: Any) -> bool:
    """Whether a cell is missing, or an empty text or list."""
    return is_missing(cell) or ((isinstance(cell, str) or is_column(cell)) and not len(cell))


def _check_values(cells: list[Any], layer: FeatureLayer) -> None:
    """Raises if a layer cannot read the values, and names one, a missing one first."""
    spec = layer.feature_spec
    learns_missing = getattr(layer, "missing", None) == "learn"
    if _is_readable(cells, spec) and (learns_missing or not any(map(is_missing, cells))):
        return
    reads_lists, reads_text = spec.shape.rank == 2, spec.dtype == tf.string
    kind = "string" if reads_text else "integer" if spec.dtype.is_integer else "number"
    article = "an" if kind == "integer" else "a"
    expected = f"a list of {kind}s" if reads_lists else f"{article} {kind}"
    expected = f"{expected} for layer {layer.name!r}"
    for index, cell in sorted(enumerate(cells), key=lambda pair: not is_missing(pair[1])):
        fix = "Convert it first."
        if is_missing(cell) and not learns_missing:
            fix = "Leave out ids without a value, or create the layer with missing='learn'."
            if reads_lists or reads_text:
                fix = f"Write {'[]' if reads_lists else repr('')}, or a value such as 'unknown'."
        elif is_column(cell) != reads_lists:
            fix = f"Write [{cell!r}]." if reads_lists else "Use TagsEmbedding for lists."
        elif _is_readable([cell], spec):
            continue
        raise wrong_type(f"values[{index}]", cell, expected, fix)


def _is_readable(cells: list[Any], spec: tf.TensorSpec) -> bool:
    try:
        return spec.shape.is_compatible_with(as_feature("values", cells, spec).shape)
    except (TypeError, ValueError):
        return False
