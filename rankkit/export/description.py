"""Description in an export: label column and kind of each score, and rules for its inputs."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rankkit.core.list_context import compares_rows
from rankkit.models.finite import finite_inputs
from rankkit.models.heads import named_outputs, unwrap_dict
from rankkit.models.network import feature_specs, find_feature_layers
from rankkit.utils.checksum import DESCRIPTION, parse_description
from rankkit.utils.score import score_name

_NUM_EXAMPLES = 20
_NAMES = ("label", "score_kind", "is_partly_labeled")  # attributes of a scorer

Description = dict[str, dict[str, Any]]


def describe(model: Any) -> Description:
    """Returns output name to the known attributes of the scorer of that output."""
    label = getattr(model, "label", None)
    scorers = {score_name(named_outputs(getattr(model, "network", model).output)): model}
    if isinstance(label, Mapping):
        scorers |= {name: model.head(name) for name in label}
    rules = _input_rules(getattr(model, "network", model))
    found = {
        output: {name: unwrap_dict(getattr(scorer, name, None)) for name in _NAMES} | rules
        for output, scorer in scorers.items()
    }
    known = {
        output: {name: value for name, value in values.items() if value is not None}
        for output, values in found.items()
    }
    return {output: values for output, values in known.items() if values}


def _input_rules(network: Any) -> dict[str, Any]:
    """Returns which features are finite, seconds or of the same events, and how rows are scored."""
    in_seconds = {
        name: layer.in_seconds
        for name in feature_specs(network)
        for layer, position in find_feature_layers(network, name)
        if getattr(layer, "in_seconds", None) is not None
        if position == isinstance(layer.feature_spec, tuple)  # ids come before timestamps
    }
    aligned: dict[Any, list[str]] = {}  # layers of histories to their columns of lists
    for name, spec in feature_specs(network).items():
        for layer, _ in find_feature_layers(network, name):
            if getattr(layer, "side_layers", None) and spec.shape.rank == 2:
                aligned.setdefault(layer, []).append(name)
    return {
        "aligned": [*aligned.values()] or None,
        "finite": finite_inputs(network) or None,
        "in_seconds": in_seconds or None,
        "compares_rows": compares_rows(network) or None,
    }


def add_examples(
    description: Description, score: str, rows: Mapping[str, Any], query: list[str] | None
) -> Description:
    """Returns a description with a few rows, as tensors, and with the features of the query."""
    values = {
        name: _as_json(tensor[:_NUM_EXAMPLES].numpy().tolist()) for name, tensor in rows.items()
    }
    added = {"examples": values} | ({} if query is None else {"query": query})
    return description | {score: description.get(score, {}) | added}


def _as_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_json(each) for each in value]
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else value


def write_description(description: Description, folder: Path) -> None:
    """Writes the description of a SavedModel."""
    if description:
        (folder / "assets.extra").mkdir(exist_ok=True)
        (folder / "assets.extra" / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n")


def read_description(folder: Path) -> Description:
    """Reads the description of a SavedModel; it is empty without one."""
    path = folder / "assets.extra" / DESCRIPTION
    return parse_description(path.read_text()) if path.exists() else {}


def zip_description(description: Description) -> bytes:
    """Returns what follows the flatbuffer of a `.tflite` file: by its convention, a ZIP archive."""
    if not description:
        return b""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(DESCRIPTION), json.dumps(description))  # without the time
    return buffer.getvalue()
