"""Histories given to `rank` as lists: the scores of rows, of every scorer."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

L = rk.layers
KINDS = [L.SequenceMean, L.TargetAttention, L.TargetTransformer, L.NextItemScore]
LENGTH = 3
# The last one has more events than the layers read, the third one unknown items.
HISTORIES = [[], ["a"], ["z", "y", "c"], ["c", "a", "d", "b", "z", "a"]]
GAPS = [[], [4], [9, 5, 0], [900, 80, 7, 6, 5, 4]]
ITEMS = ["a", "b", "c", "z"]
NUMBERS = {item: 2**40 + ord(item) for item in "abcdyz"}


def make_network(kinds, *, integers=False, side=True, hashed=False):
    """A network with a layer of each kind, and two heads."""

    def ids():
        if hashed:
            return L.HashedIdEmbedding(20, 4, integers=integers)
        known = [NUMBERS[item] for item in "abcd"] if integers else [*"abcd"]
        return L.IdEmbedding(known, 4, id_dropout_rate=0.5)

    def layer(kind):
        sides = [L.BucketEmbedding([0, 5, 50], 4)] if side else []
        blocks = {"num_blocks": 1} if kind is L.NextItemScore else {}
        return kind(ids(), side_layers=sides, max_length=LENGTH, **blocks)

    columns = ("history", "gap", "item_id") if side else ("history", "item_id")
    features: dict = {"user_id": L.IdEmbedding(["7", "42"], 3)}
    features |= {kind.__name__: (columns, layer(kind)) for kind in kinds}
    heads = {name: L.DenseRatingHead([8]) for name in ("rating", "click")}
    network = rk.ranking_network(features, head=heads, score={"rating": 0.5, "click": 1.0})
    for weight in network.weights:  # zero weights would hide errors
        weight.assign(tf.random.normal(weight.shape, stddev=0.5))
    return network


def make_query(number, integers=False):
    items = [NUMBERS[item] if integers else item for item in HISTORIES[number]]
    return {"user_id": "42", "history": items, "gap": GAPS[number]}


def scores_of_rows(network, query, items):
    """The scores of a call with a row for each item."""
    padding = "" if network.input["history"].dtype == tf.string else -1
    columns = {"history": query["history"] or [padding], "gap": query["gap"] or [-1]}
    rows = {name: tf.constant([cells] * len(items)) for name, cells in columns.items()}
    rows["gap"] = tf.cast(rows["gap"], tf.int64)
    rows |= {"user_id": tf.constant(["42"] * len(items)), "item_id": tf.constant(items)}
    return np.ravel(network({name: rows[name] for name in network.input})["score"])


@pytest.fixture(scope="module")
def scorers(tmp_path_factory):
    """A network and, by name, its scorers and their candidates."""
    tf.keras.utils.set_random_seed(5)
    network, items = make_network(KINDS), {"item_id": ITEMS}
    folder = tmp_path_factory.mktemp("histories")
    rk.export.save(network, folder / "1", candidates=items)
    rk.export.to_tflite(folder / "1", folder / "m.tflite")
    network.save(folder / "m.keras")
    saved = rk.export.load(folder / "1")
    return network, {
        "network": (network, items),
        "index": (network, rk.CandidateIndex(network, items)),
        "Keras file": (rk.export.load(folder / "m.keras"), items),
        "SavedModel": (saved, items),
        "index of the SavedModel": (saved, saved.candidates),
        "TensorFlow Lite": (rk.export.load(folder / "m.tflite"), items),
    }


def test_every_scorer_ranks_by_the_scores_of_rows(scorers):
    network, ways = scorers
    for number in range(len(HISTORIES)):
        query = make_query(number)
        expected = dict(zip(ITEMS, scores_of_rows(network, query, ITEMS), strict=True))
        for way, (scorer, candidates) in ways.items():
            found = dict(rk.rank(scorer, query, candidates))
            assert found == pytest.approx(expected, abs=1e-5), (way, query)
            arrays = {**query, "history": np.array(query["history"]), "gap": tuple(query["gap"])}
            assert dict(rk.rank(scorer, arrays, candidates)) == found
            best = rk.rank(scorer, query, candidates, k=2, exclude=["a"])
            ordered = sorted(ITEMS[1:], key=lambda item: -expected[item])
            assert [item for item, _ in best] == ordered[:2]


def test_several_queries_are_ranked_like_single_ones(scorers):
    queries = [make_query(number) for number in range(len(HISTORIES))]
    batch = {name: [query[name] for query in queries] for name in queries[0]}
    for way, (scorer, candidates) in scorers[1].items():
        for query, found in zip(queries, rk.rank(scorer, batch, candidates), strict=True):
            expected = dict(rk.rank(scorer, query, candidates))
            assert dict(found) == pytest.approx(expected, abs=1e-5), way


def test_histories_may_belong_to_the_candidates(scorers):
    """Users are ranked for an item."""
    network, _ = scorers
    users = {"history": HISTORIES, "gap": GAPS, "number": [0, 1, 2, 3]}
    query = {"user_id": "42", "item_id": "b"}
    found = {user["number"]: score for user, score in rk.rank(network, query, users)}
    expected = [scores_of_rows(network, make_query(n), ["b"]).item() for n in range(4)]
    assert [found[n] for n in range(4)] == pytest.approx(expected, abs=1e-5)
    index = rk.CandidateIndex(network, users)
    indexed = {user["number"]: score for user, score in rk.rank(network, query, index)}
    assert indexed == pytest.approx(found, abs=1e-5)


@pytest.mark.parametrize("hashed", [False, True])
def test_integers_without_other_columns(hashed, tmp_path):
    network = make_network(KINDS[1:2], integers=True, side=False, hashed=hashed)
    rk.export.save(network, tmp_path / "1")
    saved = rk.export.load(tmp_path / "1")
    items = [NUMBERS[item] for item in ITEMS]
    for number in range(len(HISTORIES)):
        query = make_query(number, integers=True)
        expected = dict(zip(items, scores_of_rows(network, query, items), strict=True))
        del query["gap"]
        for scorer in (network, saved):
            found = dict(rk.rank(scorer, query, {"item_id": items}))
            assert found == pytest.approx(expected, abs=1e-5)


def test_history_is_embedded_once_for_all_candidates(monkeypatch):
    network = make_network(KINDS)
    monkeypatch.setattr(KINDS[0].__mro__[1], "encode", None)  # the method for rows
    rk.rank(network, make_query(3), {"item_id": ITEMS})


def test_transitions_are_scored_like_rows(tmp_path):
    rows = {"user_id": [*"1112223334"], "item_id": [*"abcbcaabda"], "timestamp": range(10)}
    transitions = rk.models.ItemTransitions(rows, history="history").network()
    rk.export.save(transitions, tmp_path / "1", candidates={"item_id": ITEMS})
    saved = rk.export.load(tmp_path / "1")
    index = rk.CandidateIndex(transitions, {"item_id": ITEMS})
    for history in HISTORIES:
        columns = {"history": [history or [""]] * 4, "item_id": ITEMS}
        columns = {name: tf.constant(cells) for name, cells in columns.items()}
        expected = dict(zip(ITEMS, np.ravel(transitions(columns)), strict=True))
        ways = [(transitions, {"item_id": ITEMS}), (transitions, index), (saved, saved.candidates)]
        for scorer, candidates in ways:
            found = dict(rk.rank(scorer, {"history": history}, candidates))
            assert found == pytest.approx(expected, abs=1e-6)
    # An item ranks users by their histories.
    users = {"history": HISTORIES, "number": [0, 1, 2, 3]}
    found = {user["number"]: x for user, x in rk.rank(transitions, {"item_id": "b"}, users)}
    for number, history in enumerate(HISTORIES):
        alone = rk.rank(transitions, {"history": history}, {"item_id": ["b"]})[0][1]
        assert found[number] == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"history": None}, TypeError, "Feature 'history' must be a list.*None. Write \\[\\]"),
        ({"history": "a"}, TypeError, "Feature 'history' must be a list.*Write \\['a'\\]"),
        ({"history": ["a", None]}, TypeError, "'history' is missing"),
        ({"history": ["a", 5]}, TypeError, "'history' must be str"),
        ({"history": ["a", "\ud800"]}, ValueError, "'history' must be .*UTF-8"),
        ({"history": ["a"]}, ValueError, "must have one value for each item of the history"),
        ({"gap": [5]}, ValueError, "must have one value for each item of the history"),
        ({"gap": [5, -1]}, ValueError, "must have one value for each item of the history"),
        ({"history": ["a", ""]}, ValueError, "must have one value for each item of the history"),
    ],
)
def test_queries_without_a_valid_history_are_refused(scorers, change, error, message):
    query = {"user_id": "42", "history": ["a", "b"], "gap": [5, 6], **change}
    for scorer, candidates in scorers[1].values():
        with pytest.raises(error, match=message):
            rk.rank(scorer, query, candidates)


def test_queries_without_a_column_of_the_history_are_refused(scorers):
    query = make_query(2)
    for scorer, candidates in scorers[1].values():
        for name in ("history", "gap"):
            rest = {key: value for key, value in query.items() if key != name}
            with pytest.raises(ValueError, match=f"{name}'.*has a list in each row, \\[\\] if"):
                rk.rank(scorer, rest, candidates)
