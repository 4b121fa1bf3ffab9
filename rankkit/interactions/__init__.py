"""Feature interactions: layers that combine one vector per feature into a single vector."""

from rankkit.interactions.concatenate import concatenate
from rankkit.interactions.cross_network import CrossNetwork
from rankkit.interactions.dot_interaction import DotInteraction
from rankkit.interactions.factorization_machine import FactorizationMachine
from rankkit.interactions.field_dropout import FieldDropout

__all__ = [
    "CrossNetwork",
    "DotInteraction",
    "FactorizationMachine",
    "FieldDropout",
    "concatenate",
]
