"""Templates that clone layers, metrics and networks for each trial."""

import tempfile
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import keras_tuner as kt
import numpy as np
import tensorflow as tf

from rankkit.core.features import as_features
from rankkit.layers import DenseRatingHead
from rankkit.models.heads import check_heads
from rankkit.models.network import ranking_network
from rankkit.tuning.space import Space
from rankkit.utils.errors import invalid, wrong_type
from rankkit.utils.tensorflow import layers_of


class LayerTemplate:
    """Clones a layer from its config and non-trainable state; unlike a layer it can be pickled.

    State set before training, by `adapt` or in frozen weights, is copied to each clone. Trainable
    weights are initialized again. Errors name the layer by its `role`.
    """

    def __init__(self, role: str, layer: Any):
        if not isinstance(layer, tf.keras.layers.Layer):
            raise wrong_type(role, layer, "a tf.keras layer")
        try:
            self.config: dict[str, Any] = layer.get_config()
        except NotImplementedError:
            fix = "Each trial clones the layer from its config: add get_config to its class."
            raise wrong_type(role, layer, "a layer with a get_config", fix) from None
        self.kind = type(layer).__name__
        self._class = type(layer)
        self._feature_spec = vars(layer).get("feature_spec")  # an attribute set on Keras's layers
        self._states: list[_State] = []
        states = _layer_states(layer)
        if any(state.variables or state.assets for state in states):
            for state, initial in zip(states, _layer_states(self.make()), strict=False):
                if state.assets == initial.assets:  # nothing was adapted
                    state.assets = {}
            self._states = states
            self._check_restored(role, layer)

    def _check_restored(self, role: str, layer: Any) -> None:
        fix = "Its state would be lost: add it to the layer's get_config."
        try:
            is_restored = _are_equal(_layer_states(self.make()), _layer_states(layer))
        except Exception as error:
            fix, is_restored = f"{fix} ({error})", False
        if not is_restored:
            raise wrong_type(role, layer, "a layer whose state Keras can restore", fix)

    def get_config(self) -> list[Any]:
        """Class, config without Keras's numbered name, and state."""
        config = _without_name(self.config)
        states = [[state.variables, state.assets] for state in self._states]
        return [self._class, config, repr(self._feature_spec), states]

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments that `make` can replace, those of nested layers included."""
        return {name: value for config in _configs(self.config) for name, value in config.items()}

    @property
    def fixed_width(self) -> int | None:
        """The width of the matrix that an initializer or frozen weights hold, if there is one."""
        configs = _configs(self.config)
        is_frozen = any(config.get("trainable") is False for config in configs)
        if is_frozen and any(state.variables for state in self._states):
            return self.arguments.get("embedding_dim")
        held = [
            value
            for name, config in chain.from_iterable(config.items() for config in configs)
            if name.endswith("_initializer")
            for value in vars(tf.keras.initializers.get(config)).values()
        ]
        return next((np.shape(value)[1] for value in held if np.ndim(value) == 2), None)

    def make(self, **changes: Any) -> Any:
        """Clones the layer with the given arguments replaced; unknown arguments are ignored."""
        layer = self._class.from_config(_replace(self.config, changes))
        if self._feature_spec is not None:
            layer.feature_spec = self._feature_spec
        if self._states:
            self._states[0].build(layer)
        for state, part in zip(self._states, layers_of(layer), strict=False):
            state.restore(part)
        return layer


# Arguments that are layers or lists of layers, such as of `Attribute` and `TargetAttention`.
_LAYERS = ("layer", "item_layer", "side_layers")


def _nested_layers(config: dict[str, Any]) -> dict[str, Any]:
    """The serialized layers among the arguments of a layer, one or a list of them for each name."""
    found = {name: config[name] for name in _LAYERS if name in config}
    return {
        name: value
        for name, value in found.items()
        if all(isinstance(each, dict) and "config" in each for each in _as_list(value))
    }


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


def _configs(config: dict[str, Any]) -> list[dict[str, Any]]:
    """The config of a layer and those of the layers inside it."""
    nested = chain.from_iterable(map(_as_list, _nested_layers(config).values()))
    return [config, *chain.from_iterable(_configs(each["config"]) for each in nested)]


def _change_nested(config: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """Returns a config with the configs of the layers inside it changed."""

    def changed(value: Any) -> Any:
        if isinstance(value, list):
            return [changed(each) for each in value]
        return {**value, "config": change(value["config"])}

    return {**config, **{name: changed(each) for name, each in _nested_layers(config).items()}}


def _without_name(config: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in config.items() if name != "name"}
    return _change_nested(rest, _without_name)


def _replace(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in changes.items() if name in config}
    return {**_change_nested(config, lambda each: _replace(each, changes)), **known}


class _State:
    """Frozen weights and assets of one layer, without its sublayers."""

    def __init__(self, layer: Any, trainable: bool):
        self.build_config: Any = None
        self.variables: dict[str, Any] = {}  # in the format of Keras's own saving
        self.assets: dict[str, bytes] = {}
        if layer.built:
            self.build_config = layer.get_build_config()
        # Keras trains no sublayer of a frozen layer, whatever the sublayer's own flag.
        if layer.built and not (trainable and layer.trainable_weights):
            layer.save_own_variables(self.variables)
        if hasattr(layer, "save_assets"):
            with tempfile.TemporaryDirectory() as folder:
                layer.save_assets(folder)
                self.assets = {path.name: path.read_bytes() for path in Path(folder).iterdir()}

    def build(self, layer: Any) -> None:
        if self.build_config and not layer.built:
            layer.build_from_config(self.build_config)

    def restore(self, layer: Any) -> None:
        if self.variables:
            self.build(layer)
            layer.load_own_variables(self.variables)
            if isinstance(layer, tf.keras.layers.experimental.preprocessing.PreprocessingLayer):
                layer.finalize_state()
        if self.assets:
            with tempfile.TemporaryDirectory() as folder:
                for name, content in self.assets.items():
                    (Path(folder) / name).write_bytes(content)
                layer.load_assets(folder)


def _layer_states(layer: Any) -> list[_State]:
    return [_State(each, layer.trainable) for each in layers_of(layer)]


def _are_equal(states: list[_State], others: list[_State]) -> bool:
    pairs = [[(state.variables, state.assets) for state in each] for each in (states, others)]
    leaves, other_leaves = map(tf.nest.flatten, pairs)
    return len(leaves) == len(other_leaves) and all(map(np.array_equal, leaves, other_leaves))


class NetworkTemplate:
    """Makes networks from hyperparameters and cloned layers."""

    def __init__(
        self,
        features: Mapping[str, Any],
        head: Any,
        interaction: Callable[[list], Any] | None,
        score: Any,
        network: Callable[..., tf.keras.Model] | None,
    ):
        read = as_features(features)
        # By id: a layer shared by two features has one template.
        templates = {id(each.layer): LayerTemplate(key, each.layer) for key, each in read.items()}
        self._features = {key: templates[id(each.layer)] for key, each in read.items()}
        self._sources = {key: each.sources for key, each in read.items()}
        self._is_multi_head = isinstance(head, Mapping)
        heads = check_heads(head, score, read) if isinstance(head, Mapping) else {"head": head}
        self._heads = {
            name: LayerTemplate(name, DenseRatingHead() if each is None else each)
            for name, each in heads.items()
        }
        self._score = score
        is_layer = isinstance(interaction, tf.keras.layers.Layer)
        self._interaction = LayerTemplate("interaction", interaction) if is_layer else interaction
        self._network = network
        # Columns that a network reads.
        self.columns = list(dict.fromkeys(chain.from_iterable(self._sources.values())))

    def get_config(self) -> dict[str, Any]:
        """The arguments, with templates in place of layers."""
        config = {
            "features": {
                name: [sources, self._features[name]] for name, sources in self._sources.items()
            },
            "head": self._heads if self._is_multi_head else self._heads["head"],
            "interaction": self._interaction,
            "score": self._score,
        }
        return config if self._network is None else {**config, "network": self._network}

    def check(self, space: Space) -> None:
        """Raises if the space searches a hyperparameter that no layer has as an argument."""
        features, heads = list(self._features.values()), list(self._heads.values())
        for arguments, templates in ((_FEATURE_ARGUMENTS, features), (_HEAD_ARGUMENTS, heads)):
            for name in space.searched:
                argument = arguments.get(name)
                if argument and not any(argument in each.arguments for each in templates):
                    kinds = ", ".join(sorted({each.kind for each in templates}))
                    raise ValueError(
                        f"space[{name!r}]={space.domains[name]!r} would be searched without "
                        f"effect: no {kinds} here has an argument {argument!r}. Remove it from "
                        "the space, fix it to one value, or override build_network to use it."
                    )
        for feature, template in self._features.items():
            own, width = template.arguments.get("embedding_dim"), template.fixed_width
            domain = space.domains.get("embedding_dim", own)
            if None not in (own, width) and {width} != set(tf.nest.flatten(domain)):
                expected = (
                    f"{width} for feature {feature!r}, whose initializer or frozen weights hold "
                    "vectors of this width"
                )
                fix = "Fix it to this width, or use a layer that can have another one."
                raise invalid("embedding_dim", domain, expected, fix)

    def make(self, space: Space, hp: kt.HyperParameters) -> tf.keras.Model:
        """Makes the network for the values of keras-tuner's hyperparameters."""
        embedding_dim = space.value(hp, "embedding_dim")
        changes = {} if embedding_dim is None else {"embedding_dim": embedding_dim}
        if (l2 := space.value(hp, "l2")) is not None:
            regularizer = tf.keras.regularizers.L2(l2) if l2 else None
            changes["embeddings_regularizer"] = tf.keras.regularizers.serialize(regularizer)
        layers = {each: each.make(**changes) for each in dict.fromkeys(self._features.values())}
        width = space.value(hp, "tower_width")
        depth = space.value(hp, "tower_depth", 2)
        changes = {"hidden_units": [max(1, width // 4**level) for level in range(depth)]}
        if (rate := space.value(hp, "dropout_rate")) is not None:
            changes["dropout_rate"] = rate
        features = {
            name: (self._sources[name], layers[each]) for name, each in self._features.items()
        }
        if self._network is not None:
            return self._network(features, **changes)
        heads = {name: each.make(**changes) for name, each in self._heads.items()}
        interaction = self._interaction
        if isinstance(interaction, LayerTemplate):
            interaction = interaction.make()
        return ranking_network(
            features,
            head=heads if self._is_multi_head else heads["head"],
            interaction=interaction,
            score=self._score,
        )


# The layers' argument that a hyperparameter replaces.
_FEATURE_ARGUMENTS = {"embedding_dim": "embedding_dim", "l2": "embeddings_regularizer"}
_HEAD_ARGUMENTS = {
    "tower_width": "hidden_units",
    "tower_depth": "hidden_units",
    "dropout_rate": "dropout_rate",
}


class MetricTemplate:
    """Clones a Keras metric from its config; unlike a metric it can be pickled."""

    def __init__(self, metric: tf.keras.metrics.Metric):
        self.kind, self.config = type(metric), metric.get_config()
        self.make()  # an error here still shows which metric cannot be cloned

    def get_config(self) -> list[Any]:
        """The class and the config of the metric."""
        return [self.kind, self.config]

    def make(self) -> tf.keras.metrics.Metric:
        """Makes a metric with a state of its own."""
        return self.kind.from_config(dict(self.config))


def as_templates(metrics: Any) -> Any:
    """Replaces metrics by templates, in lists and dicts of them; names stay names."""
    is_metric = tf.keras.metrics.Metric
    return tf.nest.map_structure(
        lambda each: MetricTemplate(each) if isinstance(each, is_metric) else each, metrics
    )


def make_metrics(templates: Any) -> Any:
    """Replaces templates by metrics, in lists and dicts of them."""
    return tf.nest.map_structure(
        lambda each: each.make() if isinstance(each, MetricTemplate) else each, templates
    )
