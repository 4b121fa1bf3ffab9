"""Networks of the field, each a function of the features: change the name, and it is another."""

from rankkit.recipes.factorization import deepfm, factorization_machine, svd_plus_plus
from rankkit.recipes.multi_task import mmoe, ple, shared_bottom
from rankkit.recipes.towers import dcn_v2, dlrm, tower

__all__ = [
    "dcn_v2",
    "deepfm",
    "dlrm",
    "factorization_machine",
    "mmoe",
    "ple",
    "shared_bottom",
    "svd_plus_plus",
    "tower",
]
