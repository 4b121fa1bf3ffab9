"""Cutoffs, gains, and queries without relevant rows: the conventions of other tools."""

import numpy as np
import pytest
import pytrec_eval
import rankkit as rk

# The labels and scores of six queries: one row without gain, one with gain, and no gain in three.
LABELS = [[0], [2], [0, 0, 0], [3, 0, 1, 4, 0, 2, 1], [0, 1], [1, 0, 0, 2, 4]]
SCORES = [
    [0.1],
    [0.4],
    [0.5, 0.2, 0.9],
    [0.1, 0.8, 0.3, 0.6, 0.9, 0.2, 0.4],
    [0.7, 0.3],
    [0.2, 0.5, 0.9, 0.4, 0.1],
]
CUTOFFS = (1, 3, 5)


def evaluate(labels=LABELS, scores=SCORES, scorer=None, function=rk.evaluate_ranking, **settings):
    queries = np.repeat(np.arange(len(labels)), [len(each) for each in labels])
    rows = {"query_id": queries, "label": np.concatenate(labels), "score": np.concatenate(scores)}
    settings = {"k": CUTOFFS, "relevant": 1, "query": "query_id", "label": "label", **settings}
    return function(scorer or rows["score"], rows, **settings)


def values(metrics, name):
    return [metrics[f"{name}_at_{k}"] for k in CUTOFFS]


# --- The numbers of other tools ---


@pytest.mark.parametrize(
    ("settings", "ndcg", "precision"),
    [
        # LightGBM 4.7.0: the metrics "ndcg" and "map" of these scores, as `init_score`.
        (
            {"no_relevant": "one"},
            [0.5, 0.6792901403792153, 0.7430437070284078],
            [0.5, 0.6203703703703703, 0.7107407407407407],
        ),
        # XGBoost 3.2.0: ndcg@1, ndcg@3, ndcg@5 and, of labels 0 and 1, map@1 to map@5.
        (
            {"no_relevant": "one"},
            [0.5, 0.67929014037921531, 0.74304370702840794],
            [0.5, 0.62037037037037035, 0.71074074074074067],
        ),
        # XGBoost 3.2.0: ndcg@1-, ... and map@1-, ...
        (
            {"no_relevant": "zero"},
            [0.16666666666666666, 0.34595680704588189, 0.40971037369507463],
            [0.16666666666666666, 0.28703703703703703, 0.37740740740740741],
        ),
        # XGBoost 3.2.0 with ndcg_exp_gain=False.
        (
            {"no_relevant": "one", "gain": "linear"},
            [0.5, 0.68244052227530494, 0.75220253863709186],
            [0.5, 0.62037037037037035, 0.71074074074074067],
        ),
        (
            {"no_relevant": "zero", "gain": "linear"},
            [0.16666666666666666, 0.34910718894197168, 0.41886920530375860],
            [0.16666666666666666, 0.28703703703703703, 0.37740740740740741],
        ),
    ],
)
def test_values_are_those_of_lightgbm_and_xgboost(settings, ndcg, precision):
    metrics = evaluate(**settings).metrics
    assert values(metrics, "ndcg") == pytest.approx(ndcg, abs=1e-12)
    assert values(metrics, "map") == pytest.approx(precision, abs=1e-12)


def gains_of(labels, gain):
    return 2.0 ** np.array(labels) - 1 if gain == "exponential" else np.array(labels, float)


def ndcg_of(labels, scores, k, gain, without):
    """NDCG of one query without ties, as LightGBM, XGBoost and TensorFlow Ranking define it."""
    gains = gains_of(labels, gain)
    discounts = 1 / np.log2(np.arange(len(labels)) + 2)
    best = (np.sort(gains)[::-1] * discounts)[:k].sum()
    found = (gains[np.argsort(-np.array(scores))] * discounts)[:k].sum()
    return found / best if best > 0 else without


def precision_of(labels, scores, k, without):
    """Average precision of one query without ties, as LightGBM and XGBoost define it."""
    hits = np.array(labels)[np.argsort(-np.array(scores))] >= 1
    precisions = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return (precisions * hits)[:k].sum() / min(hits.sum(), k) if hits.any() else without


def random_lists(seed):
    """Labels and scores of queries of 1 to 12 rows, some without gain."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 13, 40)
    labels = [rng.integers(0, 5, size) * (rng.random() < 0.8) for size in sizes]
    return labels, [rng.permutation(size) / size for size in sizes]


@pytest.mark.parametrize("gain", ["exponential", "linear"])
@pytest.mark.parametrize(("no_relevant", "without"), [("one", 1.0), ("zero", 0.0)])
def test_all_queries_count_by_the_formulas_of_the_tools(gain, no_relevant, without):
    labels, scores = random_lists(0)
    metrics = evaluate(labels, scores, gain=gain, no_relevant=no_relevant).metrics
    lists = list(zip(labels, scores, strict=True))
    for k in CUTOFFS:
        expected = np.mean([ndcg_of(*each, k, gain, without) for each in lists])
        assert metrics[f"ndcg_at_{k}"] == pytest.approx(expected, abs=1e-12)
        expected = np.mean([precision_of(*each, k, without) for each in lists])
        assert metrics[f"map_at_{k}"] == pytest.approx(expected, abs=1e-12)


def trec_eval(labels, scores):
    """Query to measures of trec_eval."""
    measures = {"ndcg_cut.1,3,5", "map", "recip_rank", "success.1,3,5"}

    def by_id(lists, kind):
        return {
            str(query): {str(row): kind(value) for row, value in enumerate(each)}
            for query, each in enumerate(lists)
        }

    evaluator = pytrec_eval.RelevanceEvaluator(by_id(labels, int), measures)
    return evaluator.evaluate(by_id(scores, float))


@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_trec_eval(seed):
    labels, scores = random_lists(seed)
    found = trec_eval(labels, scores)
    names = {"mrr": "recip_rank", "map_at_1000": "map"}
    names |= {f"ndcg_at_{k}": f"ndcg_cut_{k}" for k in CUTOFFS}
    names |= {f"hit_rate_at_{k}": f"success_{k}" for k in CUTOFFS}
    k = (*CUTOFFS, 1000)
    metrics = evaluate(labels, scores, k=k, gain="linear", no_relevant="zero").metrics
    skipped = evaluate(labels, scores, k=k, gain="linear").metrics
    for name, measure in names.items():
        expected = np.mean([each[measure] for each in found.values()])
        assert metrics[name] == pytest.approx(expected, abs=1e-12)
        # Without the queries that have no relevant row, and for NDCG a single row.
        least = 2 if name.startswith("ndcg") else 1
        expected = np.mean(
            [
                found[str(query)][measure]
                for query, each in enumerate(labels)
                if max(each) > 0 and len(each) >= least
            ]
        )
        assert skipped[name] == pytest.approx(expected, abs=1e-12)


# --- Cutoffs ---


def compare(scorer, rows, **settings):
    rows = {**rows, "other": rows["score"] / 2}
    scorers = {"one": scorer, "other": rows["other"]}
    return rk.evaluation.compare_rankings(scorers, rows, **settings)


@pytest.mark.parametrize("function", [rk.evaluate_ranking, compare])
def test_several_cutoffs_give_the_values_and_intervals_of_each(function):
    report = evaluate(function=function)
    assert list(report.metrics)[-11:] == [
        *("ndcg_at_1", "ndcg_at_3", "ndcg_at_5", "mrr", "map_at_1", "map_at_3", "map_at_5"),
        *("hit_rate_at_1", "hit_rate_at_3", "hit_rate_at_5", "auc"),
    ]
    for k in CUTOFFS:
        [line] = evaluate(function=function, k=k).lines
        assert {name: report.lines[0][name] for name in line} == line


def test_several_cutoffs_score_the_rows_once():
    calls = []

    def scorer(columns):
        calls.append(len(columns["score"]))
        return columns["score"]

    evaluate(scorer=scorer)
    assert calls == [19]


def test_a_report_of_several_cutoffs_prints_a_table_for_each_metric():
    report = evaluate()
    tables = str(report).removesuffix("\n".join(["", *report.notes])).split("\n\n")
    heads = [table.splitlines()[0].split()[3:] for table in tables]
    assert heads == [
        ["rmse", "mae", "mrr", "auc"],
        *([f"{name}_at_{k}" for k in CUTOFFS] for name in ("ndcg", "map", "hit_rate")),
    ]
    for table, names in zip(tables, heads, strict=True):
        cells = [cell for cell in table.splitlines()[1].split() if "±" not in cell]
        assert cells[3:] == [f"{report.metrics[name]:.4f}" for name in names]
    assert max(map(len, "\n".join(tables).splitlines())) <= 100


# --- Notes ---

ALL_COUNT = ([[1, 0], [0, 3]], [[0.1, 0.2], [0.3, 0.4]])


@pytest.mark.parametrize("function", [rk.evaluate_ranking, compare])
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {},
            [
                "NDCG leaves out 3 of 6 query_id with a single row or no label above 0 (no_relevant"
                "='skip').",
                "MRR, MAP and hit rate leave out 2 of 6 query_id with no label of at least 1 (no_re"
                "levant='skip').",
            ],
        ),
        (
            {"no_relevant": "one", "relevant": 2, "gain": "linear"},
            [
                "The gains of NDCG are linear.",
                "NDCG counts 2 of 6 query_id with no label above 0 as one (no_relevant='one').",
                "MRR, MAP and hit rate count 3 of 6 query_id with no label of at least 2 as one (no"
                "_relevant='one').",
            ],
        ),
        (
            {"no_relevant": "zero", "relevant": 9},
            [
                "NDCG counts 2 of 6 query_id with no label above 0 as zero (no_relevant='zero').",
                "MRR, MAP and hit rate count 6 of 6 query_id with no label of at least 9 as zero (n"
                "o_relevant='zero').",
            ],
        ),
        (
            {"labels": [[-1, 0], [1, 0]], "scores": ALL_COUNT[1]},
            [
                "MRR, MAP and hit rate leave out 1 of 2 query_id with no label of at least 1 (no_re"
                "levant='skip').",
            ],
        ),
        ({"labels": ALL_COUNT[0], "scores": ALL_COUNT[1]}, []),
        ({"query": None}, []),
    ],
)
def test_notes_name_the_convention_and_the_number_of_queries(function, settings, expected):
    notes = evaluate(function=function, **settings).notes
    assert [note for note in notes if "no_relevant" in note or "gains" in note] == expected


def test_metrics_that_leave_out_all_queries_are_undefined():
    report = evaluate(labels=[[0], [0, 0]], scores=[[1], [1, 2]], rating_range=(0, 4))
    assert report.metrics["ndcg_at_1"] is report.metrics["map_at_1"] is None
    assert not any("no_relevant" in note for note in report.notes)
    text = "ndcg_at_1, ndcg_at_3 and ndcg_at_5 are undefined: no query_id has two rows and a label"
    assert any(note.startswith(text) for note in report.notes)


@pytest.mark.parametrize("function", [rk.evaluate_ranking, compare])
@pytest.mark.parametrize("argument", ["gain", "no_relevant"])
def test_unknown_conventions_are_refused(function, argument):
    with pytest.raises(ValueError, match=f"Unknown {argument} 'two'. Known: '"):
        evaluate(function=function, **{argument: "two"})


# --- Without training rows ---


def test_without_training_rows_there_are_no_baselines_and_no_cold_start_lines():
    with_train = evaluate(train={"query_id": [0, 1], "label": [1, 2]})
    report = evaluate()
    assert [line["scorer"] for line in report.lines] == ["model"]
    assert report.lines[0] == with_train.lines[0]
    note = "Without train, baselines and cold-start lines are left out."
    assert report.notes.count(note) == 1
    assert note not in with_train.notes
    clicks = evaluate(labels=[[0, 1, 1, 0]], scores=[[0.1, 0.4, 0.9, 0.3]], query=None)
    assert [line["scorer"] for line in clicks.lines] == ["model"]
    assert list(clicks.metrics) == ["log_loss", "normalized_entropy", "calibration", "global_auc"]


def test_a_diagnosis_and_a_page_say_that_they_need_training_rows(tmp_path):
    def diagnose(scorer, rows, **settings):
        del settings["k"], settings["relevant"]
        return rk.evaluation.diagnose(scorer, rows, train=None, **settings)

    def html_report(scorer, rows, **settings):
        path = tmp_path / "report.html"
        return rk.evaluation.html_report(path, scorer, rows, train=None, **settings)

    for function in (diagnose, html_report):
        message = "train must be a dict of arrays.*train=None. The baseline is fitted to the train"
        with pytest.raises(TypeError, match=message):
            evaluate(function=function)
    assert not list(tmp_path.iterdir())
