"""Data of the rank explorer: features of each loaded version, with example rows."""

from typing import Any

from rankkit.serving.kserve import datatype
from rankkit.serving.runtime import PREDICT, RANK_INDEXED, query_features
from rankkit.serving.tensors import to_cells
from rankkit.serving.versions import ModelVersions, Version

_MAX_EXAMPLES = 20


def explorer_data(name: str, versions: ModelVersions) -> dict[str, Any]:
    """Returns the features of each loaded version, newest first, with values to try."""
    loaded = sorted(versions.loaded.items(), reverse=True)
    return {
        "name": name,
        "versions": [
            {
                "number": number,
                "has_candidates": RANK_INDEXED in version.runtime.signatures,
                "features": _features(version),
            }
            for number, version in loaded
        ],
    }


def _features(version: Version) -> list[dict[str, Any]]:
    inputs = version.runtime.signatures[PREDICT].inputs
    indexed = version.runtime.signatures.get(RANK_INDEXED)
    queries = query_features(version.runtime)
    if queries is None:
        queries = [name for name in inputs if "user" in name.lower()]
    sample = version.runtime.sample()
    texts = {name: [_to_text(value) for value in to_cells(sample[name])] for name in sample}
    # The first row of each candidate, or of each query if the export has candidates.
    varied = [texts[name] for name in texts if (name in queries) == (indexed is not None)]
    rows = {values: i for i, values in reversed(list(enumerate(zip(*varied, strict=True))))}
    shown = sorted(rows.values())[:_MAX_EXAMPLES]
    return [
        {
            "name": name,
            "datatype": datatype(tensor),
            "is_list": len(tensor.shape) > 1,
            "side": "query" if name in queries else "candidates",
            "examples": [texts[name][i] for i in shown] if name in texts else [],
        }
        for name, tensor in sorted(inputs.items(), key=lambda each: each[0] not in queries)
    ]


def _to_text(value: Any) -> str:
    """Returns a value as a user would type it; a missing number is ""."""
    if isinstance(value, list):
        return ", ".join(map(_to_text, value))
    return "" if value is None else str(value)
