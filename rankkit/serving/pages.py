"""Data of the rank explorer: features of each loaded version, with example values."""

from typing import Any

from rankkit.serving.kserve import datatype
from rankkit.serving.runtime import PREDICT, RANK_INDEXED
from rankkit.serving.tensors import to_json_values
from rankkit.serving.versions import ModelVersions, Version


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
    queries = indexed.inputs if indexed else [name for name in inputs if "user" in name.lower()]
    samples = version.runtime.sample()
    return [
        {
            "name": name,
            "datatype": datatype(tensor),
            "is_list": len(tensor.shape) > 1,
            "side": "query" if name in queries else "candidates",
            "examples": _examples(samples.get(name)),
        }
        for name, tensor in sorted(inputs.items(), key=lambda each: each[0] not in queries)
    ]


def _examples(values: Any) -> list[str]:
    """Returns distinct values of a sample as a user would type them."""
    if values is None:
        return []
    texts = [
        ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for value in to_json_values(values)
    ]
    return [text for text in dict.fromkeys(texts) if text][:20]
