"""Rows of the learning to rank example: files in the layout of LightGBM's example, or synthetic."""

from pathlib import Path


def ranking_rows(folder: str | None, quick: bool) -> tuple[dict, dict, dict]:
    """Returns training, validation and test rows, and prints their counts.

    Args:
        folder: Folder with `rank.train`, `rank.test` and their `.query` files. `None` for synthetic
            rows of the same size.
        quick: Whether to use a tenth of the queries.
    """
    import rankkit as rk

    if folder is None:
        train, test = synthetic_rows(201, seed=1), synthetic_rows(50, seed=2)
    else:
        train = lightgbm_rows(Path(folder, "rank.train"))
        test = lightgbm_rows(Path(folder, "rank.test"), num_features=train["features"].shape[1])
    if quick:
        train, test = (first_queries(rows, 10) for rows in (train, test))
    fit, validation = rk.data.cold_start_split(train, ids="query_id", test_fraction=0.2, seed=42)
    for name, rows in {"training": fit, "validation": validation, "test": test}.items():
        num_queries = len(rk.data.group_sizes(rows["query_id"]))
        print(f"{len(rows['label']):,} {name} documents of {num_queries} queries")
    return fit, validation, test


def lightgbm_rows(path: Path, num_features: int | None = None) -> dict:
    """Reads a file of documents, and the numbers of documents of each query from `<path>.query`."""
    import numpy as np
    import rankkit as rk

    # Rows leave out features that are 0; the test file may not have the last one.
    rows = rk.data.read_svmlight(path, num_features=num_features, zero_based=False)
    sizes = np.loadtxt(f"{path}.query", dtype=int, ndmin=1)
    return {"query_id": rk.data.group_ids(sizes, num_rows=len(rows["label"])), **rows}


def first_queries(rows: dict, divisor: int) -> dict:
    """Returns the rows of the first queries, one over `divisor` of them."""
    kept = rows["query_id"] < rows["query_id"].max() // divisor
    return {name: column[kept] for name, column in rows.items()}


def synthetic_rows(num_queries: int, seed: int) -> dict:
    """Returns documents whose relevance is a function of some of 300 correlated numbers."""
    import numpy as np
    import rankkit as rk

    rng, fixed = np.random.default_rng(seed), np.random.default_rng(0)
    sizes = rng.integers(5, 26, num_queries)
    query_id = rk.data.group_ids(sizes)
    hidden = (
        rng.normal(size=(len(query_id), 12)) + 0.7 * rng.normal(size=(num_queries, 12))[query_id]
    )
    mixed = hidden @ fixed.normal(size=(12, 300)) + 2 * rng.normal(size=(len(query_id), 300))
    relevance = (
        np.tanh(hidden[:, 0]) + np.maximum(hidden[:, 1], 0) + 0.5 * hidden[:, 2] * hidden[:, 3]
    )
    relevance += 0.5 * rng.normal(size=len(query_id))
    label = np.digitize(relevance, [0.0, 0.8, 1.8, 2.8])
    features = np.where(mixed > 0, mixed, 0).astype(np.float32)
    return {"query_id": query_id, "label": label.astype(np.float32), "features": features}
