"""Layers as patterns: what it takes to make as many of the same kind as there are trials."""

from typing import Any

import tensorflow as tf

from rankkit._errors import wrong_type


class Pattern:
    """Makes layers like a given one. It can be pickled, which a layer cannot.

    Args:
        role: What the layer is for, for errors.
        layer: A Keras layer with a config.

    Raises:
        TypeError: If it is no Keras layer, or Keras cannot tell its config.
    """

    def __init__(self, role: str, layer: Any):
        if not isinstance(layer, tf.keras.layers.Layer):
            raise wrong_type(role, layer, "a tf.keras layer")
        try:
            self.config: dict[str, Any] = layer.get_config()
        except NotImplementedError:
            fix = "Each trial makes a layer of its own from it: give the layer's class one."
            raise wrong_type(role, layer, "a layer with a get_config", fix) from None
        self._class = type(layer)
        self._feature_spec = vars(layer).get("feature_spec")  # as set on layers of Keras itself
        # What the layer has learned ahead, such as the mean of Keras's Normalization.
        learned = layer.built and layer.non_trainable_weights
        self._build_config = layer.get_build_config() if learned else None
        self._variables: dict[str, Any] = {}
        if self._build_config:
            layer.save_own_variables(self._variables)

    def get_config(self) -> list[Any]:
        """Tells what the layers are like, without the name that Keras may have numbered."""
        config = {name: value for name, value in self.config.items() if name != "name"}
        return [self._class, config, repr(self._feature_spec), self._variables]

    def make(self, **changes: Any) -> Any:
        """Makes a layer.

        Args:
            **changes: Parts of the config to replace; those that it does not have are left out.
        """
        known = {name: value for name, value in changes.items() if name in self.config}
        layer = self._class.from_config({**self.config, **known})
        if self._feature_spec is not None:
            layer.feature_spec = self._feature_spec
        if self._build_config:
            layer.build_from_config(self._build_config)
            layer.load_own_variables(self._variables)
        return layer
