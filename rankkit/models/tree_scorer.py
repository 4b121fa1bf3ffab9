"""Scores of boosted trees of other libraries."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.models.network import select_features
from rankkit.utils.errors import check_sequence, check_text, invalid, wrong_type
from rankkit.utils.graph_errors import plain_errors

# By the first word of an objective of LightGBM or XGBoost.
_KINDS = {
    **dict.fromkeys(["lambdarank", "rank_xendcg"], "order"),
    **dict.fromkeys(["rank:ndcg", "rank:map", "rank:pairwise"], "order"),
    **dict.fromkeys(["binary", "cross_entropy"], "probability"),
    **dict.fromkeys(["binary:logistic", "reg:logistic"], "probability"),
    "binary:logitraw": "logit",
    **dict.fromkeys(["regression", "regression_l1", "huber", "fair", "poisson"], "estimate"),
    **dict.fromkeys(["quantile", "mape", "gamma", "tweedie"], "estimate"),
    **dict.fromkeys(["reg:squarederror", "reg:squaredlogerror", "reg:absoluteerror"], "estimate"),
    **dict.fromkeys(["reg:pseudohubererror", "reg:quantileerror", "reg:gamma"], "estimate"),
    **dict.fromkeys(["reg:tweedie", "count:poisson"], "estimate"),
}


class TreeScorer:
    """Scores rows with a model of LightGBM, XGBoost or scikit-learn.

    `rankkit.rank`, `rankkit.evaluate_ranking`, `rankkit.evaluation.compare_rankings` and reports
    take it like a network. Features are passed as `float32`, and NaN as NaN. The model predicts as
    its own `predict` does, such as with the best iteration of early stopping.

    Args:
        model: A fitted model: a `Booster` of LightGBM or XGBoost, their classes for scikit-learn,
            or any object whose `predict` takes a matrix. The score of a classifier of two classes,
            which needs a `predict_proba`, is the probability of class 1.
        features: Name of a matrix column, as `rankkit.data.read_svmlight` and
            `rankkit.data.stack_columns` make it; or names of numeric columns, in the order that the
            model was trained with.
        label: Column of labels that the model was trained on, for evaluations. Defaults to `None`.

    Attributes:
        feature_specs: Feature name to the `tf.TensorSpec` of its raw values.
        score_kind: How the objective of the model interprets the score: `"estimate"` of the label,
            `"logit"` or `"probability"` of the label 1, `"order"`, or `None` if that is unknown.

    Raises:
        TypeError: If the model has no `predict`, or `features` are no names.
        ValueError: If the model has more or fewer features, or other names in this order, its
            classes are not two with 1 among them, or it encodes categories of pandas by itself.

    Example:
        >>> import numpy as np
        >>> import rankkit as rk
        >>> from sklearn.ensemble import GradientBoostingRegressor
        >>> rows = {"price": [5.0, 5.0, 9.0, 9.0], "rating": [1.0, 1.0, 4.0, 4.0]}
        >>> trees = GradientBoostingRegressor().fit(np.c_[rows["price"]], rows["rating"])
        >>> scorer = rk.models.TreeScorer(trees, ["price"], label="rating")
        >>> [(price, round(score, 2)) for price, score in rk.rank(scorer, {}, {"price": [4, 10]})]
        [(10, 4.0), (4, 1.0)]
    """

    def __init__(self, model: Any, features: str | Sequence[str], *, label: str | None = None):
        if not callable(getattr(model, "predict", None)):
            raise wrong_type("model", model, "a fitted model with a method predict")
        self.model, self.label = model, None if label is None else check_text("label", label)
        booster = _booster(model)
        objective = _objective(booster)
        self.score_kind: str | None = _KINDS.get(objective) or _kind_of_estimator(model, booster)
        if objective.startswith("multi"):
            raise invalid("the objective of model", objective, "one with a single score per row")
        _check_categories(booster)
        self._predict = _prediction_function(model, booster)
        width, names = _num_features(model, booster), _feature_names(model, booster)
        if isinstance(features, str):
            self.features: str | list[str] = features
            self.feature_specs = {features: tf.TensorSpec((None, width), tf.float32)}
            return
        expected = "the name of a matrix column, or a list of names of columns"
        self.features = check_sequence("features", features, expected)
        for position, name in enumerate(self.features):
            check_text(f"features[{position}]", name, "the name of a column")
            own = names[position] if position < len(names) else name
            if own != name and name in names:
                expected = f"{own!r}, as in the training data of the model"
                raise invalid(f"features[{position}]", name, expected, f"Pass {list(names)}.")
        if width not in (None, len(self.features)) or not self.features:
            expected = f"the names of {width or 'the'} columns, as many as the model has features"
            raise invalid("features", self.features, expected)
        self.feature_specs = dict.fromkeys(self.features, tf.TensorSpec((None,), tf.float32))

    def __call__(self, columns: Mapping[str, Any]) -> np.ndarray:
        """Returns the scores `(rows,)` of columns; columns that are not features are ignored."""
        with plain_errors():
            tensors = select_features(columns, self.feature_specs)
        if isinstance(self.features, str):
            matrix = tensors[self.features].numpy()
        else:
            matrix = np.stack([tensors[name].numpy() for name in self.features], axis=1)
        scores = np.asarray(self._predict(matrix))
        if scores.shape not in ((len(matrix),), (len(matrix), 1)):
            expected = f"({len(matrix)},), one score per row"
            raise invalid("the shape of the predictions of model", scores.shape, expected)
        return scores.reshape(-1)


def _booster(model: Any) -> Any:
    """The booster of LightGBM or XGBoost that a model is or has; `None` for other models."""
    if hasattr(model, "get_booster"):
        return model.get_booster()
    found = getattr(model, "booster_", model)
    return found if hasattr(found, "num_feature") or hasattr(found, "num_features") else None


def _objective(booster: Any) -> str:
    """The name of the objective of a booster, without its parameters; `""` if it is unknown."""
    if hasattr(booster, "num_feature"):  # LightGBM
        name = booster.dump_model(num_iteration=1).get("objective") or ""
        return name.partition(" ")[0]
    if hasattr(booster, "num_features"):  # XGBoost
        return json.loads(booster.save_config())["learner"]["objective"]["name"]
    return ""


def _kind_of_estimator(model: Any, booster: Any) -> str | None:
    """What a model of scikit-learn predicts, of which a classifier has an own `score_kind`."""
    if booster is not None:
        return None
    if len(getattr(model, "classes_", ())):
        return "probability"
    tags = getattr(model, "__sklearn_tags__", None)
    kind = tags().estimator_type if tags else getattr(model, "_estimator_type", None)
    return "estimate" if kind == "regressor" else None


def _check_categories(booster: Any) -> None:
    """Raises if a booster was trained on categories of pandas, whose codes it would read."""
    by_column = getattr(booster, "pandas_categorical", None)  # LightGBM
    if not by_column and "c" in (getattr(booster, "feature_types", None) or ()):  # XGBoost
        categories = getattr(booster, "get_categories", None)
        by_column = categories is not None and not categories().empty()
    if by_column:
        fix = "Train it on integer codes, and pass the names of categorical columns to it."
        raise invalid("the training data of model", "category columns", "numbers", fix)


def _prediction_function(model: Any, booster: Any) -> Callable[[np.ndarray], Any]:
    """The function from a matrix of features to scores."""
    classes = list(getattr(model, "classes_", ()))
    if classes and (classes[1:] != [1] or not hasattr(model, "predict_proba")):
        expected = "two, such as 0 and 1, with probabilities from predict_proba"
        raise invalid("the classes of model", classes, expected)
    if hasattr(booster, "num_feature"):
        return booster.predict  # without a warning that a matrix has no names
    if classes:
        return lambda matrix: model.predict_proba(matrix)[:, 1]
    # A booster of XGBoost has a `predict` for data of its own kind.
    return getattr(model, "inplace_predict", model.predict)


def _num_features(model: Any, booster: Any) -> int | None:
    """How many features a model was trained on; `None` if it does not tell."""
    for name in ("num_feature", "num_features"):
        if hasattr(booster, name):
            return int(getattr(booster, name)())
    return getattr(model, "n_features_in_", None)


def _feature_names(model: Any, booster: Any) -> list[str]:
    """The names of the features in the training data; none, or `Column_0`, if it had none."""
    if hasattr(booster, "feature_name"):  # LightGBM
        return booster.feature_name()
    found = getattr(booster, "feature_names", None)  # XGBoost
    return list(getattr(model, "feature_names_in_", ()) if found is None else found)
