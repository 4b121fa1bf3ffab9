"""Contract of all public arguments: a value of the wrong type is refused by the argument's name.

The arguments, and what is wrong for each, come from the signatures: new functions are covered.
"""

import collections.abc
import inspect
import math
import os
import re
import types
import typing
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rankkit as rk
import rankkit.spark
import rankkit.tuning

WRONG: dict[Any, list[Any]] = {
    bool: ["False", "no", b"1", 1, 0, 2.5, math.nan, None, [], np.array([True])],
    int: [True, np.True_, "3", b"3", 3.0, 3.5, math.nan, math.inf, None, [3], np.array([3]), 1j],
    float: [True, np.True_, "0.3", b"1", math.nan, None, [0.3], np.array([0.3]), 1j],
    str: [1, True, b"user_id", ["user_id"], 1.5, math.nan, None],
    os.PathLike: [1, True, b"x", ["x"], 1.5, None],
    collections.abc.Sequence: ["12", b"12", 4, True, None, {4, 8}, {4: 1, 8: 1}],
    collections.abc.Iterable: ["user_id", b"user_id", 1, True, None],
    collections.abc.Mapping: ["user_id", 1, True, None, ["user_id"], {"user_id"}],
    # Two numbers:
    tuple: ["15", b"15", 5, True, {1, 5}, {1: 2, 5: 3}, (False, True), ("1", "5"), (5, 1), None],
}
# Annotated as `Any`, as in Keras, or as a narrower type than that of the base class.
ANNOTATIONS: dict[str, Any] = {
    "RankingModel.compile(steps_per_execution)": int | None,
    "optimizers.LazyAdam(learning_rate)": float,
    **{f"losses.{name}(name)": str | None for name in rk.losses.__all__ if name != "OrdinalLoss"},
}
NOT_COVERED = {
    "RankingModel(name)": "checked by Keras",
    "data.movielens(columns)": "reads the data set first; select_names has the check",
    "data.read_svmlight(absent)": "may be NaN",
    "optimizers.LazyAdam(name)": "checked by Keras",
    "interactions.concatenate(vectors)": "tensors, which Keras checks",
    "plots.calibration(path)": "a diagnosis takes too long; as in the other plots",
    "plots.error_by_count(path)": "as calibration",
    "plots.predicted_against_true(path)": "as calibration",
    "tuning.search(objective)": "builds a model first",
    "tuning.search(tuner)": "builds a model first",
}
RESULTS = (
    "AdditiveTerm",
    "Diagnosis",
    "Report",
    "SearchResult",
)  # made by rankkit, not by its users

ROWS = {"user_id": [*"aabbccdd"], "item_id": [*"xyyzxyyz"], "user_rating": [1.0, 4.0] * 4}
ROWS["timestamp"] = [1, 2, 3, 4, 5, 6, 7, 8]
TRIALS = [{"trial": str(i), "score": float(i), "tower_width": 4 * 2**i} for i in (1, 2)]


def make_features():
    ids = {"user_id": ["a", "b"], "item_id": ["x", "y", "z"]}
    return {name: rk.layers.IdEmbedding(each, 4) for name, each in ids.items()}


def make_heads():
    return {name: rk.layers.DenseRatingHead([2]) for name in ("rating", "click")}


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    """Argument, or function(argument), to a valid value or a function that makes one."""
    folder = tmp_path_factory.mktemp("arguments")
    (folder / "rows.csv").write_text("user_id,rating\na,1.5\nb,2\n")
    (folder / "rows.txt").write_text("1 qid:1 1:0.5\n")
    pq.write_table(pa.table(ROWS), folder / "rows.parquet")
    network, *members = (rk.models.tower(make_features(), hidden_units=[2]) for _ in range(3))
    model = rk.RankingModel(network, label="user_rating")
    rating = {"user_rating": rk.layers.NormalizedNumber(2.5, 1.5)}
    additive = rk.ranking_network(rating, head=rk.layers.AdditiveHead())
    return {
        **{"boundaries": [1, 2], "part": "month", "num_bins": 8, "embedding_dim": 4, "mean": 0.5},
        **{"means": [0.5, 1.0], "standard_deviations": [2.0, 1.0]},
        "attributes": lambda: [
            rk.layers.Attribute(
                ["a"], ["x"], rk.layers.IdEmbedding(["x"], 4, name="x"), name="kind"
            )
        ],
        "item_layer": lambda: rk.layers.IdEmbedding(["x", "y"], 4, name="items"),
        "models.sasrec(features)": lambda: {"item_id": rk.layers.IdEmbedding(["x", "y"], 4)},
        "side_layers": [],
        **{"num_followers": 2, "models.weighted_sum(weights)": [1.0, 2.0]},
        "layers.PiecewiseLinearEmbedding(boundaries)": [[1.0, 2.0], [3.0, 4.0]],
        **{
            f"layers.{name}.from_column(column)": np.eye(2)
            for name in ("NormalizedNumbers", "PeriodicEmbedding", "PiecewiseLinearEmbedding")
        },
        **{"standard_deviation": 2.0, "levels": [1, 2], "rate": 0.5, "weights": {"a": 1.0}},
        **{"vocabulary": ["a", "b"], "ids": ["a", "b"], "first": ["a"], "second": [1]},
        **{"histories": [["x"], ["y"]], "references": [1, 2], "timestamps": [1, 2]},
        **{"values": ["x", "y"], "members": ["x", "y"], "items": ["x", "y"], "column": ["a", "b"]},
        "layer": lambda: rk.layers.IdEmbedding(["x", "y"], 3, name="values"),
        "layers.MultiGateMixtureOfExperts(heads)": ["a", "b"],
        "layers.ProgressiveExtraction(heads)": ["a", "b"],
        "layers.Attribute.from_members(layer)": lambda: rk.layers.TagsEmbedding(["x", "y"], 3),
        "layers.TimeSinceEmbedding.from_columns(ids)": ["a", "a", "b", "b"],
        "layers.TimeSinceEmbedding.from_columns(timestamps)": [1, 2, 3, 5],
        "layers.BucketEmbedding.from_column(column)": [1, 2, 3],
        "layers.NormalizedNumber.from_column(column)": [1, 2, 3],
        "layers.TargetEncoding.from_columns(columns)": ["a", "a", "b"],
        "layers.TargetEncoding.from_columns(labels)": [1, 0, 1],
        "layers.CountEncoding.from_columns(columns)": ["a", "a", "b"],
        **{"counts": [2, 1], "prior": 0.5, "layers.TargetEncoding(means)": [0.5, 1.0]},
        "data.out_of_fold(fit)": lambda: lambda train: lambda rest: [0.5] * len(rest["user_id"]),
        "models.replace_inputs(network)": rk.models.tower(
            {"rate": rk.layers.NormalizedNumber(0.5, 1.0)}, hidden_units=[2]
        ),
        "models.replace_inputs(features)": lambda: {
            "rate": ("user_id", rk.layers.CountEncoding(["a"], [1]))
        },
        "models.TreeScorer(model)": types.SimpleNamespace(predict=len),
        "models.TreeScorer(features)": "features",
        "layers.TagsEmbedding.from_column(column)": [["a"], ["b"]],
        **{"features": make_features, "heads": make_heads, "score": {"rating": 1.0}},
        "network": network,
        "networks": members,
        **{"label": "user_rating", "rows": ROWS, "columns": ROWS, "train": ROWS, "batch_size": 2},
        **{"item": "item_id", "timestamp": "user_rating", "num_rows": 5, "vocabularies": ROWS},
        "data.leave_last_out(num_rows)": 1,
        "data.vocabularies(columns)": ["user_id"],
        "data.read_csv(paths)": folder / "rows.csv",
        "data.read_svmlight(paths)": folder / "rows.txt",
        **{"sizes": [1, 2], "table": ROWS, "data.stack_columns(columns)": ["user_rating"]},
        "data.read_parquet(paths)": folder / "rows.parquet",
        "evaluation.BiasBaseline(ids)": ["user_id"],
        "evaluation.additive_terms(scorer)": additive,
        "terms": rk.evaluation.additive_terms(additive, ROWS),
        "version": "100k",
        "scorer": model,
        "scorers": {"old": model, "new": model},
        "export.save(path)": folder / "1",
        **{"query": {"user_id": "a"}, "candidates": {"item_id": ["x", "y"]}},
        **{"model": network, "other": network, "k": 2, "users": ROWS, "pairs": ROWS},
        "score_std(model)": rk.ensemble(members),
        **{name: folder / name for name in ("path", "source", "export", "output", "directory")},
        "backup_dir": folder,
        "history": {"root_mean_squared_error": [2.0, 1.0]},
        "plots.attention(weights)": [[0.5, 1.0]],
        **{"plots.attention(history)": ["a", "b"], "plots.attention(candidates)": ["x"]},
        **{"trials": TRIALS, "x": "tower_width", "y": "score"},
        **{f"plots.{name}(path)": folder / "plot.png" for name in rk.plots.__all__},
        "hypermodel": rk.tuning.RankingHyperModel(make_features(), label="user_rating"),
        "RankingModel": model,
    }


def public_callables():
    """Name to each public function, constructor and class method, and to `compile`."""
    for folder in ("", *(name for name in rk.__all__ if inspect.ismodule(getattr(rk, name)))):
        module = getattr(rk, folder) if folder else rk
        for name in module.__all__:
            each = getattr(module, name)
            if inspect.ismodule(each) or name in RESULTS:
                continue
            shown = f"{folder}.{name}" if folder else name
            yield shown, each
            for method in dir(each) if inspect.isclass(each) else ():
                found = getattr(each, method)
                is_constructor = method.startswith("from_column") or method == "from_members"
                if is_constructor or found is rk.RankingModel.compile:
                    yield f"{shown}.{method}", found


def kinds_of(annotation):
    """The types of an annotation: those of a union, without their members."""
    is_union = isinstance(annotation, types.UnionType)
    parts = typing.get_args(annotation) if is_union else [annotation]
    return {typing.get_origin(each) or each for each in parts}


def fits(value: Any, kinds):
    """Whether a value is allowed by one of several types."""
    is_text = isinstance(value, str | bytes)
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return (
        (value is None and type(None) in kinds)
        or (isinstance(value, bool | np.bool_) and bool in kinds)
        or (is_integer and {int, float} & kinds != set())
        or (isinstance(value, float) and math.isfinite(value) and float in kinds)
        or (isinstance(value, str) and {str, os.PathLike} & kinds != set())
        or (isinstance(value, list | np.ndarray) and collections.abc.Sequence in kinds)
        or (not is_text and np.iterable(value) and collections.abc.Iterable in kinds)
        or (isinstance(value, dict) and collections.abc.Mapping in kinds)
    )


CALLABLES = dict(public_callables())
CASES = {
    f"{name}({parameter.name})": kinds
    for name, function in CALLABLES.items()
    for parameter in inspect.signature(function).parameters.values()
    for annotation in [ANNOTATIONS.get(f"{name}({parameter.name})", parameter.annotation)]
    if (kinds := kinds_of(annotation)) <= {*WRONG, type(None)}
    and f"{name}({parameter.name})" not in NOT_COVERED
}


def call(valid, name, /, **changed):
    """Calls a public function with valid required arguments, but for those that are changed."""
    function = CALLABLES[name]
    arguments = {}
    for parameter in inspect.signature(function).parameters.values():
        is_named = parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        if parameter.name == "self":
            function = getattr(valid["RankingModel"], name.rpartition(".")[2])
        elif is_named and parameter.default is parameter.empty and parameter.name not in changed:
            shown = f"{name}({parameter.name})"
            value = valid[shown if shown in valid else parameter.name]
            arguments[parameter.name] = value() if inspect.isfunction(value) else value
    return function(**arguments, **changed)


@pytest.mark.parametrize("argument", CASES)
def test_wrong_type_is_refused_by_name(valid, argument):
    name, _, parameter = argument.rstrip(")").partition("(")
    kinds, accepted = CASES[argument], []
    for value in [each for kind in kinds & {*WRONG} for each in WRONG[kind]]:
        if fits(value, kinds):
            continue
        try:
            call(valid, name, **{parameter: value})
        except (TypeError, ValueError) as error:
            text = str(error)
            assert re.search(rf"\b{parameter}\b.* must |^(Unknown|Missing) ", text), (value, text)
        else:
            accepted.append(value)
    assert not accepted


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("data.batches", {"columns": ["user_id"] * 2}, "columns must be .* differ.*'user_id' once"),
        ("data.vocabularies", {"columns": ["user_id"] * 2}, "columns must be .* differ"),
        ("data.read_csv", {"columns": ["rating"] * 2}, "columns must be .* differ"),
        (
            "data.read_csv",
            {"fill": {"rating": math.inf}},
            r"fill\['rating'\] must be finite or NaN",
        ),
        ("data.read_parquet", {"columns": ["user_id"] * 2}, "columns must be .* differ"),
        ("tuning.RankingHyperModel", {"metrics": [1]}, "metrics must be a list of metrics"),
        ("tuning.RankingHyperModel", {"metrics": {"a": "auc"}}, "metrics must be .* by head"),
    ],
)
def test_wrong_members_are_refused_by_name(valid, name, arguments, text):
    with pytest.raises((TypeError, ValueError), match=text):
        call(valid, name, **arguments)


def test_exceptions_are_arguments():
    known = {
        f"{name}({parameter})"
        for name, function in CALLABLES.items()
        for parameter in inspect.signature(function).parameters
    }
    assert {*NOT_COVERED, *ANNOTATIONS} <= known


def as_numpy(value):
    """NumPy's scalar in place of a Python one."""
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int):
        return np.int64(value)
    return np.float64(value) if isinstance(value, float) else value


CONFIGURED = [
    name
    for name, each in CALLABLES.items()
    if inspect.isclass(each) and hasattr(each, "get_config") and name.count(".") == 1
]


@pytest.mark.parametrize("name", CONFIGURED)
def test_numpy_scalars_are_accepted_and_become_plain_python(valid, name):
    values = {**valid, "k": 3, "projection_dim": 3}
    parameters = inspect.signature(CALLABLES[name]).parameters.items()
    plain = {key: values.get(key, parameter.default) for key, parameter in parameters}
    scalars = {key: value for key, value in plain.items() if isinstance(value, int | float)}
    scalars |= {"name": "mine"} if "name" in plain or "kwargs" in plain else {}
    expected = call(valid, name, **scalars).get_config()
    found = call(valid, name, **{key: as_numpy(each) for key, each in scalars.items()}).get_config()
    assert repr(found) == repr(expected)
