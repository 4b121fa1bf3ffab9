"""`evaluate_all_items`, against `evaluate_ranking` of all pairs of user and item."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import rankkit as rk
from rankkit.evaluation import all_items

evaluate_all_items = rk.evaluation.evaluate_all_items
RNG = np.random.default_rng(3)
ITEMS = [f"i{each}" for each in range(12)]
TEST = {
    "user_id": [f"u{each}" for each in range(20)],
    "item_id": RNG.choice(ITEMS[:6], 20).tolist(),
    "history_item_id": [RNG.choice(ITEMS[6:], size).tolist() for size in RNG.integers(5, size=20)],
}
CANDIDATES = {"item_id": ITEMS}
CUTOFFS = [1, 3, 20]


def tied_scores(histories, items):
    """Few distinct scores, so that ties are frequent."""
    return np.array([[(3 * len(h) + int(item[1:])) % 4 for item in items] for h in histories])


def all_pairs(rows):
    """Each user and each item that is not in the history of the user, with the tied scores."""
    history_of = dict(zip(rows["user_id"], rows["history_item_id"], strict=True))
    known = [(user, each) for user, history in history_of.items() for each in history]
    exclude = dict(zip(("user_id", "item_id"), zip(*known, strict=True), strict=True))
    pairs = rk.data.with_candidates(rows, item="item_id", exclude=exclude, candidates=CANDIDATES)
    users, items = pairs["user_id"].tolist(), pairs["item_id"].tolist()
    scores = [
        tied_scores([history_of[user]], [each])[0, 0]
        for user, each in zip(users, items, strict=True)
    ]
    return pairs, np.array(scores, float)


@pytest.mark.parametrize("max_scores", [1 << 24, 30], ids=["one chunk", "chunks of two"])
def test_metrics_and_intervals_are_those_of_all_pairs(max_scores, monkeypatch):
    monkeypatch.setattr(all_items, "_MAX_SCORES", max_scores)
    pairs, scores = all_pairs(TEST)
    expected = rk.evaluate_ranking(scores, pairs, label="click", relevant=1.0, k=CUTOFFS)
    report = evaluate_all_items(tied_scores, TEST, candidates=CANDIDATES, k=CUTOFFS)
    assert set(report.metrics) < set(expected.metrics)
    assert report.lines[0]["num_queries"] == report.lines[0]["num_rows"] == 20
    for name in report.metrics:
        for key in (name, f"{name}_low", f"{name}_high"):
            assert report.lines[0][key] == pytest.approx(expected.lines[0][key], abs=1e-9)
    assert "among those of 12 candidates that are new to its user_id" in str(report)


def test_several_events_of_a_user_are_ranked_each_with_its_own_history():
    rows = {"user_id": [1, 1], "item_id": ["i0", "i1"], "history_item_id": [[], ["i0"]]}

    def by_number(histories, items):
        return [[-int(item[1:]) for item in items] for _ in histories]

    report = evaluate_all_items(by_number, rows, k=1)
    assert report.metrics == {"ndcg_at_1": 1.0, "mrr": 1.0, "hit_rate_at_1": 1.0}
    assert report.lines[0]["mrr_low"] is None  # a single user does not vary


def test_item_transitions_function_and_scorer_of_columns_have_equal_metrics():
    rows = {"user_id": RNG.integers(15, size=120), "item_id": RNG.choice(ITEMS, 120)}
    transitions = rk.models.ItemTransitions(rows, timestamp=None)

    class Scorer:  # without `score_items`: called with columns
        feature_specs = transitions.feature_specs

        def __call__(self, columns):
            return transitions(columns)

    expected = evaluate_all_items(transitions, TEST, candidates=CANDIDATES, k=CUTOFFS).lines
    for scorer in (transitions.score_items, Scorer()):
        assert evaluate_all_items(scorer, TEST, candidates=CANDIDATES, k=CUTOFFS).lines == expected


def test_network_takes_columns_of_rows_and_candidates_as_rank_does():
    candidates = {**CANDIDATES, "price": np.linspace(0, 1, 12)}
    rows = {**TEST, "price": np.zeros(20), "age": np.arange(20.0)}
    layers = {
        "user_id": rk.layers.IdEmbedding(TEST["user_id"], 2),
        "history_item_id": rk.layers.TagsEmbedding(ITEMS, 2),
        "price": rk.layers.NormalizedNumber.from_column(candidates["price"]),
    }
    tf.keras.utils.set_random_seed(1)
    network = rk.ranking_network(layers, head=rk.layers.DenseRatingHead([4]))
    report = evaluate_all_items(network, rows, candidates=candidates, k=CUTOFFS)
    ranks = []
    for row in range(20):
        query = {name: rows[name][row] for name in ("user_id", "history_item_id")}
        exclude = {"item_id": query["history_item_id"]}
        ranked = rk.rank(network, query, candidates, exclude=exclude)
        ranks.append(1 + [each["item_id"] for each, _ in ranked].index(rows["item_id"][row]))
    assert report.metrics["mrr"] == pytest.approx(np.mean(1 / np.array(ranks)), abs=1e-9)


def test_excluded_items_of_a_user_are_not_ranked():
    rows = {"user_id": ["a"], "item_id": ["i0"], "history_item_id": [["i1"]]}
    seen = {"user_id": ["a", "a", "b"], "item_id": ["i2", "i3", "i4"]}

    def first_last(histories, items):
        return np.array([[int(item[1:]) for item in items]])

    report = evaluate_all_items(first_last, rows, exclude=seen)  # i4 and i0 remain
    assert report.metrics["mrr"] == 0.5


def test_items_that_are_not_new_are_left_out_with_a_note():
    rows = {"user_id": [1, 2], "item_id": ["i0", "i1"], "history_item_id": [["i0"], ["i0"]]}
    report = evaluate_all_items(tied_scores, rows)
    assert report.lines[0]["num_rows"] == 1
    assert "1 of 2 rows are left out: their item is not new." in report.notes
    rows["history_item_id"][1] = ["i1"]
    with pytest.raises(ValueError, match="Got: 2 rows, each with an item of its history"):
        evaluate_all_items(tied_scores, rows)


def test_tables_and_padded_histories_are_read_like_lists():
    expected = evaluate_all_items(tied_scores, TEST, candidates=CANDIDATES).lines
    padded = tf.ragged.constant(TEST["history_item_id"]).to_tensor("").numpy()
    for rows in (pd.DataFrame(TEST), {**TEST, "history_item_id": padded}):
        report = evaluate_all_items(tied_scores, rows, candidates=pd.DataFrame(CANDIDATES))
        assert report.lines == expected


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"item": "movie_id"}, ValueError, "Unknown item 'movie_id'"),
        ({"history": "past"}, ValueError, "Unknown history 'past'"),
        ({"candidates": {"item_id": ITEMS[3:]}}, ValueError, "among the candidates"),
        ({"candidates": {"item_id": [*ITEMS, "i0"]}}, ValueError, "more than once"),
        ({"candidates": {"movie_id": ITEMS}}, ValueError, "Unknown column of candidates"),
        ({"exclude": {"user_id": [1], "item_id": ["i0"]}}, TypeError, "of the type of 'u0'"),
        ({"exclude": {"user_id": ["u0"], "item_id": [1]}}, TypeError, "all str or all int"),
        (
            {"rows": {**TEST, "history_item_id": TEST["item_id"]}},
            TypeError,
            "must be a list of past items. Got: rows['history_item_id'][0]='i4'. Write ['i4'].",
        ),
        ({"rows": {**TEST, "history_item_id": [[None]] * 20}}, TypeError, "must be str or int"),
        ({"rows": {**TEST, "item_id": [None] * 20}}, TypeError, "must be an id"),
        ({"k": 0}, ValueError, "k must be"),
        ({"confidence": 2}, ValueError, "confidence must be"),
        ({"scorer": lambda histories, items: [[1.0]]}, ValueError, "one score for each history"),
        ({"scorer": lambda h, i: np.full((len(h), len(i)), np.nan)}, ValueError, "finite"),
        ({"scorer": 1}, TypeError, "scorer must be"),
        (
            {
                "scorer": rk.ranking_network(
                    {"past": rk.layers.TagsEmbedding(ITEMS, 2)}, head=rk.layers.DenseRatingHead([])
                )
            },
            ValueError,
            "Missing feature 'past'",
        ),
    ],
)
def test_bad_arguments_raise_an_error(change, error, message):
    arguments = {"scorer": tied_scores, "rows": TEST, "candidates": CANDIDATES, **change}
    with pytest.raises(error) as raised:
        evaluate_all_items(arguments.pop("scorer"), arguments.pop("rows"), **arguments)
    assert message in str(raised.value)


def test_networks_of_histories_are_scored_for_many_events_at_once():
    """The same as one event at a time, for one network, a sum of two, and in each epoch."""
    rows = {"user_id": [*"aaabbbcc"], "item_id": ["i0", "i1", "i2", "i3", "i1", "i4", "i5", "i0"]}
    transitions = rk.models.ItemTransitions(rows, timestamp=None).network()
    network = rk.models.sasrec({"item_id": rk.layers.IdEmbedding(ITEMS, 8)}, max_length=3)
    for weight in network.trainable_variables:
        weight.assign(tf.random.stateless_normal(weight.shape, [1, len(weight.shape)], stddev=0.5))
    for scorer in (network, transitions, rk.models.weighted_sum([network, transitions], [1, 2])):

        def one_by_one(histories, items, scorer=scorer):
            ranked = [
                dict(rk.rank(scorer, {"history_item_id": history}, {"item_id": items}))
                for history in histories
            ]
            return [[scores[item] for item in items] for scores in ranked]

        found = evaluate_all_items(scorer, TEST, candidates=CANDIDATES)
        expected = evaluate_all_items(one_by_one, TEST, candidates=CANDIDATES)
        assert found.metrics == pytest.approx(expected.metrics, rel=1e-6)
    model = rk.RankingModel(network)
    model.compile(tf.keras.optimizers.SGD(0.0), loss=rk.losses.NextItemLoss())
    metrics = rk.evaluation.NextItemMetrics(TEST, candidates=CANDIDATES, k=5)
    batches = rk.data.sequences(rows, 2, timestamp=None)
    history = model.fit(batches, callbacks=[metrics], verbose=0).history
    expected = evaluate_all_items(network, TEST, candidates=CANDIDATES, k=5).metrics
    assert {name: history[f"val_{name}"][0] for name in expected} == pytest.approx(expected)
    with pytest.raises(ValueError, match="already reports a metric 'val_ndcg_at_5'"):
        model.fit(batches, callbacks=[metrics, metrics], verbose=0)
    with pytest.raises(ValueError, match="seed must be left out"):
        rk.evaluation.NextItemMetrics(TEST, seed=1)


def test_missing_candidate_is_named_even_if_it_is_0():
    rows = {"user_id": [7], "item_id": [0], "history_item_id": [[1]]}
    with pytest.raises(ValueError, match="Each item_id of rows must be among the candidates.* 0"):
        rk.evaluation.evaluate_all_items(tied_scores, rows, candidates={"item_id": [1, 2]})
