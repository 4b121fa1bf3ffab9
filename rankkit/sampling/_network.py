"""Drawn machines as one network."""

from typing import Any

import tensorflow as tf

from rankkit.interactions import FactorizationMachine
from rankkit.layers import IdEmbedding, MeanOfMembers
from rankkit.network import ranking_network
from rankkit.sampling._draws import Draws
from rankkit.sampling._reading import Reading


def network_of(reading: Reading, draws: Draws, *, as_members: bool) -> tf.keras.Model:
    """Builds the network whose tables hold drawn vectors.

    All that an owner has is added up into one vector, so that its id alone is read.

    Args:
        reading: The features.
        draws: Vectors of the owners and of the slots.
        as_members: Whether each draw is a member of an ensemble, not part of one vector.
    """
    features: dict[str, Any] = {}
    groups: dict[int, list[int]] = {}

    def add(name: str, sources: Any, layer: Any, group: int | None) -> None:
        if group is not None:
            groups.setdefault(group, []).append(len(features))
        features[name] = (sources, layer)

    for owned, table in zip(reading.owned, draws.owners, strict=True):
        name = owned.source
        while name in features or name in reading.slots:
            name += "_"
        layer = IdEmbedding(owned.ids, table.shape[1], name=f"{name}_vectors")
        add(name, owned.source, layer, owned.group)
    for (name, (part, group)), table in zip(reading.slots.items(), draws.slots, strict=True):
        config = {**part.layer.get_config(), "embedding_dim": table.shape[1]}
        config["name"] = f"{name}_vectors"
        add(name, part.sources, type(part.layer).from_config(config), group)
    machine = FactorizationMachine(
        groups=list(groups.values()), num_members=len(draws.constants) if as_members else 1
    )
    network = ranking_network(
        features,
        interaction=machine,
        head=MeanOfMembers() if as_members else None,
        name="sampled_factorization_machine",
    )
    for (_, layer), table in zip(features.values(), (*draws.owners, *draws.slots), strict=True):
        layer.set_weights([table])
    machine.set_weights([draws.constants])
    return network
