"""Named architectures, each a function from features to a ranking network; scorers of trees."""

from rankkit.models.factorization import deepfm, factorization_machine, svd_plus_plus
from rankkit.models.multi_task import mmoe, ple, shared_bottom
from rankkit.models.replace_inputs import replace_inputs
from rankkit.models.towers import dcn_v2, dlrm, tower
from rankkit.models.tree_scorer import TreeScorer

__all__ = [
    "TreeScorer",
    "dcn_v2",
    "deepfm",
    "dlrm",
    "factorization_machine",
    "mmoe",
    "ple",
    "replace_inputs",
    "shared_bottom",
    "svd_plus_plus",
    "tower",
]
