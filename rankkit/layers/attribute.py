"""What is known of an id, held in the network and read by another layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.columns import as_array, as_list
from rankkit.core.features import as_feature
from rankkit.core.vocabulary import check_vocabulary, distinct_ids
from rankkit.layers._lookup import IdTable
from rankkit.layers.base import FeatureLayer
from rankkit.utils.errors import invalid, wrong_type


@tf.keras.utils.register_keras_serializable(package="rankkit")
class Attribute(FeatureLayer):
    """Looks an id's own value up, such as a movie's genres, and gives it to a layer.

    The values stay in the network: whoever asks for a score sends the id alone. They are encoded
    once, when the layer is made, so that text is split ahead of TensorFlow Lite.

    Args:
        ids: The known ids, all `str` or all `int`, without duplicates.
        values: The value of each id, as raw values of `layer`.
        layer: A layer of `rankkit.layers` that reads one raw feature.
        default: The value of unknown ids, a raw value of `layer`. Defaults to `None`: an empty
            list, an empty string, or NaN where the layer has a row for missing numbers.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch,)` of `tf.string` or `tf.int64`, as the ids.

    Output shape:
        As that of `layer`.

    Raises:
        ValueError: If there is no id, one comes twice, there are more or fewer values than ids,
            or the layer has no value for unknown ids.
        TypeError: If the layer is no feature layer, or reads several features.

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
        ids: Sequence[str] | Sequence[int],
        values: Sequence[Any],
        layer: FeatureLayer,
        *,
        default: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not isinstance(layer, FeatureLayer) or not isinstance(layer.feature_spec, tf.TensorSpec):
            raise wrong_type("layer", layer, "a layer of rankkit.layers that reads one feature")
        self._ids = np.array(check_vocabulary("ids", ids), dtype=object)
        self._table = IdTable(self._ids.tolist())
        cells = as_array(values).tolist()
        if len(cells) != len(self._ids):
            raise invalid("values", len(cells), f"one for each of {len(self._ids)} ids")
        self.layer = layer
        self.default = default
        self._values = np.fromiter(cells, object, len(cells))
        spec = layer.feature_spec
        as_feature("values", cells, spec)  # names those of the wrong kind
        raw = as_feature("values", [self._of_unknown(), *cells], spec)
        with tf.init_scope():
            self._codes = layer.encode(raw)

    def _of_unknown(self) -> Any:
        if self.default is not None:
            return self.default
        spec = self.layer.feature_spec
        if spec.shape.rank == 2:
            return []
        if spec.dtype == tf.string:
            return ""
        if getattr(self.layer, "missing", None) == "learn":
            return float("nan")
        fix = "Name a usual value, or make the layer with missing='learn'."
        raise invalid("default", None, "the value of unknown ids", fix)

    @classmethod
    def from_columns(cls, ids: Any, values: Any, layer: FeatureLayer, **kwargs: Any) -> "Attribute":
        """Makes the layer from training rows.

        Args:
            ids: The id of each row.
            values: Its value. Where rows of an id differ, the last one counts.
            layer: A layer of `rankkit.layers`, for those values.
            **kwargs: Further arguments of the layer.
        """
        last = dict(zip(as_list(ids), as_array(values).tolist(), strict=True))
        known = distinct_ids(ids)
        return cls(known, [last[each] for each in known], layer, **kwargs)

    @classmethod
    def from_members(
        cls, ids: Any, members: Any, layer: FeatureLayer, **kwargs: Any
    ) -> "Attribute":
        """Makes the layer of what each id has been with in training rows, such as a user's titles.

        A training row is then among the members of its own id. Where that would give it away, as
        it does in networks trained by gradients, take `rankkit.layers.HistoryEmbedding`.

        Args:
            ids: The id of each row.
            members: What it was with, such as the title. Each counts once.
            layer: A layer of `rankkit.layers` that reads lists, such as `TagsEmbedding`.
            **kwargs: Further arguments of the layer.
        """
        if len(getattr(getattr(layer, "feature_spec", None), "shape", ())) != 2:
            raise wrong_type("layer", layer, "a layer that reads lists, such as TagsEmbedding")
        lists: dict[Any, dict] = {}
        for each, member in zip(as_list(ids), as_list(members), strict=True):
            lists.setdefault(each, {})[member] = None
        known = distinct_ids(ids)
        return cls(known, [list(lists[each]) for each in known], layer, **kwargs)

    @property
    def ids(self) -> list:
        """The known ids."""
        return self._ids.tolist()

    @property
    def feature_spec(self) -> tf.TensorSpec:
        """Shape and dtype of the raw feature, `(batch,)` of ids."""
        return tf.TensorSpec((None,), self._table.dtype)

    def sample_values(self, count: int) -> list:
        """Gives `count` raw values to try a network with."""
        places = np.linspace(0, len(self._ids) - 1, count, dtype=int)
        return self._ids[places].tolist()

    def encode(self, inputs: Any) -> tf.Tensor:
        """Gives the codes of each id's value, as those of `layer`."""
        places = self._table.find(self._table.check(inputs, self.name)) + 1
        return tf.gather(self._codes, places)

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        return self.layer.embed(codes, training=training)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        inner = [*tf.TensorShape(input_shape), *self.layer.feature_spec.shape[1:]]
        return self.layer.compute_output_shape(inner)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "ids": self.ids,
            "values": self._values.tolist(),
            "layer": tf.keras.saving.serialize_keras_object(self.layer),
            "default": self.default,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Attribute":
        layer = tf.keras.saving.deserialize_keras_object(config["layer"])
        return cls(**{**config, "layer": layer})
