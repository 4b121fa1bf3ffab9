"""LightGBM's LambdaMART, with which the learning to rank example is compared if it is installed."""

import importlib
from typing import Any


def lightgbm_scores(fit: dict, validation: dict, test: dict, seed: int) -> Any:
    """Trains on `fit` with early stopping on `validation`, and returns the scores of `test`."""
    import rankkit as rk

    lightgbm = importlib.import_module("lightgbm")
    ranker = lightgbm.LGBMRanker(n_estimators=300, min_child_samples=50, seed=seed, verbose=-1)
    ranker.fit(
        fit["features"],
        fit["label"],
        group=rk.data.group_sizes(fit["query_id"]),
        eval_set=[(validation["features"], validation["label"])],
        eval_group=[rk.data.group_sizes(validation["query_id"])],
        eval_at=[10],
        callbacks=[lightgbm.early_stopping(30, verbose=False)],
    )
    return ranker.predict(test["features"])
