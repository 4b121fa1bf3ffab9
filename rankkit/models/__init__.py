"""Named architectures, each a function from features to a ranking network."""

from rankkit.models.factorization import deepfm, factorization_machine, svd_plus_plus
from rankkit.models.multi_task import mmoe, ple, shared_bottom
from rankkit.models.towers import dcn_v2, dlrm, tower

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
