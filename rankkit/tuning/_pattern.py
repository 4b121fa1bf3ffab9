"""Layers as patterns: what it takes to make as many of the same kind as there are trials."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit._errors import wrong_type


class LayerTemplate:
    """Makes layers like a given one. It can be pickled, which a layer cannot.

    What the layer was given ahead of any training, by its config or by `adapt`, goes with it;
    weights that are trained begin anew.

    Args:
        role: What the layer is for, for errors.
        layer: A Keras layer with a config.

    Raises:
        TypeError: If it is no Keras layer, or Keras cannot tell its config or restore its state.
    """

    def __init__(self, role: str, layer: Any):
        if not isinstance(layer, tf.keras.layers.Layer):
            raise wrong_type(role, layer, "a tf.keras layer")
        fix = "Each trial makes a layer of its own from it: give the layer's class one."
        try:
            self.config: dict[str, Any] = layer.get_config()
        except NotImplementedError:
            raise wrong_type(role, layer, "a layer with a get_config", fix) from None
        self.kind = type(layer).__name__
        self._class = type(layer)
        self._feature_spec = vars(layer).get("feature_spec")  # as set on layers of Keras itself
        self._states: list[_State] = []
        states = _states(layer)
        if any(state.variables or state.assets for state in states):
            self._restore(role, layer, states)

    def _restore(self, role: str, layer: Any, states: list["_State"]) -> None:
        """Notes what the layers are to be given, and tries it."""
        for state, blank in zip(states, _states(self.make()), strict=False):
            if state.assets == blank.assets:  # as when nothing was adapted
                state.assets = {}
        self._states = states
        fix = "What it has learned would be lost: put it into the layer's get_config."
        try:
            kept = _same(_states(self.make()), _states(layer))
        except Exception as error:
            fix, kept = f"{fix} ({error})", False
        if not kept:
            raise wrong_type(role, layer, "a layer whose state Keras can restore", fix)

    def get_config(self) -> list[Any]:
        """Tells what the layers are like, without the name that Keras may have numbered."""
        config = _without_name(self.config)
        states = [[state.variables, state.assets] for state in self._states]
        return [self._class, config, repr(self._feature_spec), states]

    @property
    def arguments(self) -> set[str]:
        """Names of what can be replaced: in the layer's config and in that of a layer it holds."""
        inner = _held(self.config)
        return {*self.config, *(inner["config"] if inner else ())}

    def make(self, **changes: Any) -> Any:
        """Makes a layer.

        Args:
            **changes: Arguments to replace; those that it does not have are left out.
        """
        layer = self._class.from_config(_changed(self.config, changes))
        if self._feature_spec is not None:
            layer.feature_spec = self._feature_spec
        if self._states:
            self._states[0].build(layer)
        for state, part in zip(self._states, _parts(layer), strict=False):
            state.give_to(part)
        return layer


def _held(config: dict[str, Any]) -> dict[str, Any] | None:
    """The layer that a layer of ours gives values to, such as that of an `Attribute`."""
    inner = config.get("layer")
    return inner if isinstance(inner, dict) and "config" in inner else None


def _without_name(config: dict[str, Any]) -> dict[str, Any]:
    """The config of a layer and of a layer that it holds, without names that Keras numbers."""
    rest = {name: value for name, value in config.items() if name != "name"}
    if inner := _held(config):
        rest["layer"] = {**inner, "config": _without_name(inner["config"])}
    return rest


def _changed(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in changes.items() if name in config}
    if inner := _held(config):
        known["layer"] = {**inner, "config": _changed(inner["config"], changes)}
    return {**config, **known}


def _parts(layer: Any) -> list[Any]:
    """The layer and those inside it."""
    inside = [each for each in layer.submodules if isinstance(each, tf.keras.layers.Layer)]
    return [layer, *inside]


def _states(layer: Any) -> list["_State"]:
    return [_State(part, layer.trainable) for part in _parts(layer)]


class _State:
    """What a layer holds, the layers inside it aside, beside its config and trained weights."""

    def __init__(self, part: Any, trainable: bool):
        self.build_config: Any = None
        self.variables: dict[str, Any] = {}  # as Keras's own saving keeps them
        self.assets: dict[str, bytes] = {}
        if part.built:
            self.build_config = part.get_build_config()
        # Within a layer that is not trainable Keras trains none, whatever they say themselves.
        if part.built and not (trainable and part.trainable_weights):
            part.save_own_variables(self.variables)
        if hasattr(part, "save_assets"):
            with tempfile.TemporaryDirectory() as folder:
                part.save_assets(folder)
                self.assets = {path.name: path.read_bytes() for path in Path(folder).iterdir()}

    def build(self, part: Any) -> None:
        if self.build_config and not part.built:
            part.build_from_config(self.build_config)

    def give_to(self, part: Any) -> None:
        if self.variables:
            self.build(part)
            part.load_own_variables(self.variables)
            if isinstance(part, tf.keras.layers.experimental.preprocessing.PreprocessingLayer):
                part.finalize_state()
        if self.assets:
            with tempfile.TemporaryDirectory() as folder:
                for name, content in self.assets.items():
                    (Path(folder) / name).write_bytes(content)
                part.load_assets(folder)


def _same(states: list[_State], others: list[_State]) -> bool:
    pairs = [[(state.variables, state.assets) for state in each] for each in (states, others)]
    leaves, other_leaves = map(tf.nest.flatten, pairs)
    return len(leaves) == len(other_leaves) and all(map(np.array_equal, leaves, other_leaves))
