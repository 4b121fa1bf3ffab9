"""Templates: clone layers, metrics and networks for each trial."""

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


class NetworkTemplate:
    """Makes networks, each with layers of its own.

    Args:
        features: Feature name to layer, as for `rankkit.ranking_network`.
        head: The head, or a dict of heads by name; `None` for a `DenseRatingHead()`.
        interaction: Layer or function for `rankkit.ranking_network`, or `None`.
        score: For `rankkit.ranking_network`, with several heads.

    Attributes:
        columns: The columns that a network reads.

    Raises:
        ValueError: If several heads have no score, or one of unknown heads.
        TypeError: If a feature or a head is of the wrong kind.
    """

    def __init__(
        self,
        features: Mapping[str, Any],
        head: Any,
        interaction: Callable[[list], Any] | None,
        score: Any,
    ):
        read = as_features(features)  # one layer under two names stays one
        patterns = {id(each.layer): LayerTemplate(key, each.layer) for key, each in read.items()}
        self._features = {key: patterns[id(each.layer)] for key, each in read.items()}
        self._sources = {key: each.sources for key, each in read.items()}
        self._several = isinstance(head, Mapping)
        heads = check_heads(head, score, read) if isinstance(head, Mapping) else {"head": head}
        self._heads = {
            name: LayerTemplate(name, DenseRatingHead() if each is None else each)
            for name, each in heads.items()
        }
        self._score = score
        is_layer = isinstance(interaction, tf.keras.layers.Layer)
        self._interaction = LayerTemplate("interaction", interaction) if is_layer else interaction
        self.columns = list(dict.fromkeys(chain.from_iterable(self._sources.values())))

    def get_config(self) -> dict[str, Any]:
        """The arguments, with templates in place of layers."""
        heads = self._heads if self._several else self._heads["head"]
        return {
            "features": {
                name: [sources, self._features[name]] for name, sources in self._sources.items()
            },
            "head": heads,
            "interaction": self._interaction,
            "score": self._score,
        }

    def check(self, space: Space) -> None:
        """Refuses to search what would change nothing.

        Raises:
            ValueError: If no layer has the argument of a hyperparameter that is searched.
        """
        check_effects(space, list(self._features.values()), list(self._heads.values()))

    def make(self, space: Space, hp: kt.HyperParameters) -> tf.keras.Model:
        """Makes a network.

        Args:
            space: What is searched.
            hp: keras-tuner's hyperparameters.
        """
        embedding_dim = space.value(hp, "embedding_dim")
        changes = {} if embedding_dim is None else {"embedding_dim": embedding_dim}
        if (l2 := space.value(hp, "l2")) is not None:
            regularizer = tf.keras.regularizers.L2(l2) if l2 else None
            changes["embeddings_regularizer"] = tf.keras.regularizers.serialize(regularizer)
        layers = {each: each.make(**changes) for each in dict.fromkeys(self._features.values())}
        width = space.value(hp, "tower_width")
        depth = space.value(hp, "tower_depth", 2)
        changed = {"hidden_units": [max(1, width // 4**level) for level in range(depth)]}
        if (rate := space.value(hp, "dropout_rate")) is not None:
            changed["dropout_rate"] = rate
        heads = {name: each.make(**changed) for name, each in self._heads.items()}
        interaction = self._interaction
        return ranking_network(
            {name: (self._sources[name], layers[each]) for name, each in self._features.items()},
            head=heads if self._several else heads["head"],
            interaction=interaction.make()
            if isinstance(interaction, LayerTemplate)
            else interaction,
            score=self._score,
        )


class MetricTemplate:
    """Makes metrics like a given one; what each adds up is no other's. It can be pickled.

    Args:
        metric: A Keras metric.
    """

    def __init__(self, metric: tf.keras.metrics.Metric):
        self.kind, self.config = type(metric), metric.get_config()
        self.make()  # while it can be told which does not

    def get_config(self) -> list[Any]:
        """The class and the config of the metrics."""
        return [self.kind, self.config]

    def make(self) -> tf.keras.metrics.Metric:
        return self.kind.from_config(dict(self.config))


def as_templates(metrics: Any) -> Any:
    """Puts patterns in the place of metrics, in lists and dicts of them; names stay names."""
    is_metric = tf.keras.metrics.Metric
    return tf.nest.map_structure(
        lambda each: MetricTemplate(each) if isinstance(each, is_metric) else each, metrics
    )


def made(patterns: Any) -> Any:
    """Makes the metrics of patterns."""
    return tf.nest.map_structure(
        lambda each: each.make() if isinstance(each, MetricTemplate) else each, patterns
    )


# Which argument of the layers a hyperparameter is.
_OF_FEATURES = {"embedding_dim": "embedding_dim", "l2": "embeddings_regularizer"}
_OF_HEAD = {
    "tower_width": "hidden_units",
    "tower_depth": "hidden_units",
    "dropout_rate": "dropout_rate",
}


def check_effects(space: Space, features: list[LayerTemplate], heads: list[LayerTemplate]) -> None:
    """Refuses to search what would change nothing.

    Args:
        space: What is searched.
        features: The patterns of the features' layers.
        heads: The patterns of the heads.

    Raises:
        ValueError: If no layer has the argument of a hyperparameter that is searched.
    """
    for arguments, patterns in ((_OF_FEATURES, features), (_OF_HEAD, heads)):
        for name in space.searched:
            argument = arguments.get(name)
            if argument and not any(argument in pattern.arguments for pattern in patterns):
                kinds = ", ".join(sorted({pattern.kind for pattern in patterns}))
                expected = f"left out, or one value: no {kinds} here has an argument {argument!r}"
                fix = "Override build_network to give it an effect of its own."
                raise invalid(f"space[{name!r}]", space.domains[name], expected, fix)
