"""Named architectures, each a function from features to a ranking network; other scorers."""

from rankkit.models.factorization import deepfm, factorization_machine, svd_plus_plus
from rankkit.models.item_transitions import ItemTransitions
from rankkit.models.multi_task import mmoe, ple, shared_bottom
from rankkit.models.replace_inputs import replace_inputs
from rankkit.models.sequences import bst, din, sasrec
from rankkit.models.towers import dcn_v2, dlrm, tower
from rankkit.models.tree_scorer import TreeScorer
from rankkit.models.weighted_sum import weighted_sum

__all__ = [
    "ItemTransitions",
    "TreeScorer",
    "bst",
    "dcn_v2",
    "deepfm",
    "din",
    "dlrm",
    "factorization_machine",
    "mmoe",
    "ple",
    "replace_inputs",
    "sasrec",
    "shared_bottom",
    "svd_plus_plus",
    "tower",
    "weighted_sum",
]
