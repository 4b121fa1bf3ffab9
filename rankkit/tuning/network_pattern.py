"""A network as a pattern: its layers as patterns, and what hyperparameters change of them."""

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

import keras_tuner as kt
import tensorflow as tf

from rankkit._features import as_features
from rankkit._heads import check_heads
from rankkit.layers import DenseRatingHead
from rankkit.network import ranking_network
from rankkit.tuning._effects import check_effects
from rankkit.tuning._pattern import LayerTemplate
from rankkit.tuning.space import Space


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
