import weakref

import numpy as np
import pandas as pd
import pytest
import rankkit as rk
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

TITLES = ["a", "b", "c", "d"]


def price(columns):
    """A plain function as a scorer: cheaper is better."""
    return -np.asarray(columns["price"])


@pytest.fixture(scope="module")
def network():
    ids = {"user_id": ["7", "42"], "movie_title": TITLES}
    layers = {name: rk.layers.IdEmbedding(each, 4) for name, each in ids.items()}
    return rk.ranking_network(layers, head=rk.layers.DenseRatingHead([8]))


@pytest.fixture(scope="module")
def scorers(network, tmp_path_factory):
    """One network as every kind of scorer that `rank` takes."""
    folder = tmp_path_factory.mktemp("scorers")
    rk.export.save(network, folder / "1")
    rk.export.to_tflite(folder / "1", folder / "r.tflite")
    return {
        "model": rk.RankingModel(network, label="rating"),
        "network": network,
        "saved model": rk.export.load(folder / "1"),
        "saved model of TensorFlow": tf.saved_model.load(str(folder / "1")),
        "tflite": rk.export.load(folder / "r.tflite"),
    }


def rank_one_by_one(network, user, titles):
    scores = [
        network({"user_id": tf.constant([user]), "movie_title": tf.constant([title])}).numpy()[0, 0]
        for title in titles
    ]
    return sorted(zip(titles, scores, strict=True), key=lambda pair: -pair[1])


@pytest.mark.parametrize("user", ["42", "nobody"])
def test_every_scorer_ranks_by_the_scores_of_single_rows(scorers, network, user):
    titles = [*TITLES, "never seen"]
    expected = rank_one_by_one(network, user, titles)
    for name, scorer in scorers.items():
        ranking = rk.rank(scorer, {"user_id": user}, {"movie_title": titles})
        assert [title for title, _ in ranking] == [title for title, _ in expected], name
        for (_, ours), (_, theirs) in zip(ranking, expected, strict=True):
            assert ours == pytest.approx(theirs, abs=1e-6), name


def test_several_queries_are_ranked_like_single_ones(scorers):
    users = ["42", "7", "nobody"]
    for scorer in scorers.values():
        together = rk.rank(scorer, {"user_id": users}, {"movie_title": TITLES}, k=3)
        assert len(together) == 3
        for user, ranking in zip(users, together, strict=True):
            alone = rk.rank(scorer, {"user_id": user}, {"movie_title": TITLES}, k=3)
            assert [title for title, _ in ranking] == [title for title, _ in alone]


def test_each_query_may_have_its_own_candidates_and_exclusions():
    candidates = [{"price": [3, 1, 2]}, {"price": [9]}]
    users = {"user_id": np.array(["x", "y"])}
    rankings = rk.rank(price, users, candidates, exclude=[[1], None])
    assert rankings == [[(2, -2.0), (3, -3.0)], [(9, -9.0)]]


def test_values_of_numpy_pandas_and_tensorflow_are_accepted(network):
    expected = rk.rank(network, {"user_id": "7"}, {"movie_title": TITLES})
    for user in (np.str_("7"), np.array("7"), tf.constant("7"), b"7"):
        for titles in (np.array(TITLES), pd.Series(TITLES), tf.constant(TITLES), tuple(TITLES)):
            assert rk.rank(network, {"user_id": user}, {"movie_title": titles}) == expected
    frame = pd.DataFrame({"movie_title": TITLES, "shelf": [0, 1, 2, 3]})  # not a feature
    rows = [{"movie_title": title, "shelf": TITLES.index(title)} for title, _ in expected]
    assert [row for row, _ in rk.rank(network, {"user_id": "7"}, frame)] == rows


def test_candidates_and_scores_are_python_values():
    ((value, score),) = rk.rank(price, {}, {"price": np.array([5], np.int32)})
    assert (type(value), type(score)) == (int, float)
    ((value, _),) = rk.rank(lambda columns: [[1.0]], {}, {"title": tf.constant(["é"])})
    assert value == "é"


def test_excluded_candidates_are_left_out():
    candidates = {"price": [4, 3, 2, 1], "kind": ["x", "y", "x", "y"]}
    assert rk.rank(price, {}, {"price": [4, 3]}, exclude=[3, 99]) == [(4, -4.0)]
    assert rk.rank(price, {}, {"price": [4, 3]}, exclude={4, 3}) == []
    seen = pd.DataFrame({"price": [4]})
    assert rk.rank(price, {}, {"price": [4, 3]}, exclude=seen) == [(3, -3.0)]
    ranking = rk.rank(price, {}, candidates, exclude={"kind": ["x"], "price": np.array([1])})
    assert ranking == [({"price": 3, "kind": "y"}, -3.0)]


def test_no_queries_or_no_candidates_give_empty_rankings(scorers):
    for scorer in scorers.values():
        assert rk.rank(scorer, {"user_id": []}, {"movie_title": TITLES}) == []
        assert rk.rank(scorer, {"user_id": "7"}, {"movie_title": []}) == []
        assert rk.rank(scorer, {"user_id": ["7", "42"]}, {"movie_title": []}, k=2) == [[], []]


def test_many_candidates_are_scored_in_chunks(network):
    sizes = []

    def counting(columns):
        sizes.append(len(columns["price"]))
        return price(columns)

    prices = np.random.default_rng(0).permutation(50_000)
    ranking = rk.rank(counting, {}, {"price": prices}, k=5)
    assert [value for value, _ in ranking] == [0, 1, 2, 3, 4]
    assert sum(sizes) == 50_000
    assert len(sizes) > 1

    many = TITLES * 17_500
    assert len(many) > 65_536  # rows of the largest chunk
    ranking = rk.rank(network, {"user_id": "7"}, {"movie_title": many})
    (best, score), *_ = rk.rank(network, {"user_id": "7"}, {"movie_title": TITLES})
    assert [title for title, _ in ranking[:17_500]] == [best] * 17_500
    assert [each for _, each in ranking[:17_500]] == pytest.approx([score] * 17_500, abs=1e-6)


@given(
    prices=st.lists(st.integers(-5, 5), max_size=30),
    k=st.one_of(st.none(), st.integers(1, 40)),
    exclude=st.sets(st.integers(-5, 5)),
)
def test_rank_is_a_stable_sort_of_candidates_that_are_not_excluded(prices, k, exclude):
    left = [one for one in prices if one not in exclude]
    expected = sorted(left)[:k]  # Python's sort is stable, and equal prices look alike
    assert [one for one, _ in rk.rank(price, {}, {"price": prices}, k, exclude)] == expected


QUERY, CANDIDATES = {"user_id": "7"}, {"movie_title": ["a"]}


@pytest.mark.parametrize(
    ("query", "candidates", "error", "message"),
    [
        ({}, CANDIDATES, ValueError, "Missing feature 'user_id'. Expected: 'user_id', 'movie"),
        (QUERY, {"movie": ["a"]}, ValueError, "Missing feature 'movie_title'.*mean 'movie'?"),
        ({"userid": "7"}, CANDIDATES, ValueError, "Missing feature 'user_id'.*mean 'userid'?"),
        ({**QUERY, "movie_title": "a"}, CANDIDATES, ValueError, "Feature 'movie_title' is given"),
        (QUERY, {}, ValueError, "candidates must be a dict of one or more columns"),
        (QUERY, {**CANDIDATES, "price": []}, ValueError,
         "candidates must be .*equal length. Got: {'movie_title': 1, 'price': 0}"),
        ({"user_id": "\ud800"}, CANDIDATES, ValueError, "'user_id' must be .*UTF-8"),
        ({"user_id": b"\xff"}, CANDIDATES, ValueError, "Each string in .* must be valid UTF-8"),
        ({"user_id": 42}, CANDIDATES, TypeError, "'user_id' must be str. Got: 42. Convert it"),
        ({"user_id": None}, CANDIDATES, TypeError, r"'user_id' is missing \(None\)"),
        (QUERY, {"movie_title": [1]}, TypeError, "'movie_title' must be str. Got: 1. Convert it"),
        (QUERY, ["a"] * 9999, TypeError, "candidates must be a dict of columns"),
        (QUERY, "a", TypeError, "candidates must be a dict of columns"),
        (QUERY, iter([["a"]]), TypeError, "candidates must be a dict of columns"),
        (QUERY, {"movie_title": "a"}, TypeError, r"candidates\['movie_title'\] must be a column"),
        (QUERY, {"movie_title": None}, TypeError, "=None. Pass a list of values"),
    ],
)  # fmt: skip
def test_invalid_queries_and_candidates_raise(network, query, candidates, error, message):
    with pytest.raises(error, match=message) as caught:
        rk.rank(network, query, candidates)
    assert len(str(caught.value)) < 500


USERS, PRICES = {"user": ["7", "8"]}, {"price": [4, 3]}


@pytest.mark.parametrize(
    ("query", "candidates", "arguments", "error", "message"),
    [
        ({"user": ["7"], "x": [1, 2]}, PRICES, {}, ValueError,
         "query must be .*equal length.*{'user': 1, 'x': 2}"),
        ({"user": "7", "x": [1, 2]}, PRICES, {}, TypeError,
         r"query\['user'\] must be a column of 2 values, like query\['x'\]. Got: .*='7'"),
        (USERS, [PRICES], {}, ValueError,
         "candidates must be a list of 2 entries, one for each query. Got: 1 entries"),
        (USERS, PRICES, {"exclude": [None, [1], None]}, ValueError,
         "exclude must be a list of 2 entries.* Got: 3 entries"),
        (USERS, PRICES, {"exclude": [[1]]}, ValueError, "a list of 2 entries.*Got: 1 entries"),
        ({}, {**PRICES, "kind": [2, 2]}, {"exclude": [1]}, ValueError,
         "exclude must be a dict of column name.*'price', 'kind'"),
        ({}, PRICES, {"exclude": "abc"}, TypeError, "'price' in exclude must be a collection"),
        ({}, PRICES, {"exclude": 5}, TypeError, "The values of 'price' in exclude .*. Got: 5"),
        ({}, PRICES, {"exclude": ["4"]}, TypeError,
         "Each value of exclude must be of the type of 'price'. Got: '4'. C"),
        ({}, PRICES, {"exclude": [[4]]}, TypeError,
         r"Each value of exclude must be a single value. Got: \[4\]"),
        ({}, PRICES, {"exclude": {"title": ["a"]}}, ValueError,
         "Unknown candidate column in exclude 'title'.*'price'"),
        ({}, PRICES, {"k": 0}, ValueError, "k must be an integer of at least 1.*Got: k=0"),
    ],
)  # fmt: skip
def test_other_lengths_and_exclusions_raise(query, candidates, arguments, error, message):
    with pytest.raises(error, match=message):
        rk.rank(price, query, candidates, **arguments)


def test_columns_of_a_query_that_are_not_features_are_ignored(network):
    candidates = {"movie_title": TITLES, "shelf": [1, 2, 3, 4]}
    expected = rk.rank(network, QUERY, candidates)
    index = rk.CandidateIndex(network, candidates)
    for extra in ({"age": 3}, {"age": None}, {"seen": ["a", "b"]}, {"shelf": 5}):
        assert rk.rank(network, {**QUERY, **extra}, candidates) == expected
        assert rk.rank(network, {**QUERY, **extra}, index) == rk.rank(network, QUERY, index)
    users = {"user_id": ["7", "42"]}
    several = rk.rank(network, users, candidates)
    assert rk.rank(network, {**users, "country": "DE", "ages": [1, 2, 3]}, candidates) == several
    layers = {"movie_title": rk.layers.IdEmbedding(TITLES, 2)}
    items = rk.ranking_network(layers, head=rk.layers.DenseRatingHead([]))
    alone = rk.rank(items, {}, candidates)
    assert rk.rank(items, QUERY, candidates) == alone
    assert rk.rank(items, users, rk.CandidateIndex(items, candidates), k=9) == [alone, alone]


def test_strings_for_an_integer_vocabulary_raise():
    layers = {"id": rk.layers.IdEmbedding([1, 2], 2)}
    network = rk.ranking_network(layers, head=rk.layers.DenseRatingHead([]))
    with pytest.raises(TypeError, match="'id' must be an integer. Got: .*'1'"):
        rk.rank(network, {}, {"id": ["1"]})
    assert len(rk.rank(network, {}, {"id": np.array([1, 5], np.int8)})) == 2


def test_scores_that_cannot_be_ordered_raise():
    with pytest.raises(ValueError, match="Each score must be finite. Got: .*nan"):
        rk.rank(lambda columns: [np.nan, 1.0], {}, {"id": [1, 2]})
    with pytest.raises(ValueError, match="scores, one for each of 2 rows. Got: 3 scores"):
        rk.rank(lambda columns: [1.0, 2.0, 3.0], {}, {"id": [1, 2]})
    with pytest.raises(TypeError, match="scorer must be a model, a loaded export or a function"):
        rk.rank(np.arange(4.0), QUERY, CANDIDATES)


def chunks_of(values, size, name="price"):
    for start in range(0, len(values), size):
        yield {name: values[start : start + size]}


def test_candidates_may_come_in_chunks(network):
    prices = np.random.default_rng(0).permutation(1_000).tolist()
    expected = rk.rank(price, {}, {"price": prices}, k=7, exclude=[0, 3])
    assert rk.rank(price, {}, chunks_of(prices, 64), k=7, exclude=[0, 3]) == expected
    query = {"user_id": ["7", "42"]}
    whole = rk.rank(network, query, {"movie_title": TITLES * 9}, k=5)
    data = tf.data.Dataset.from_tensor_slices({"movie_title": TITLES * 9}).batch(10)
    for ranking, same in zip(rk.rank(network, query, data, k=5), whole, strict=True):
        assert [title for title, _ in ranking] == [title for title, _ in same]
    assert rk.rank(price, {}, iter([])) == []


@given(
    scores=st.lists(st.integers(-3, 3), min_size=1, max_size=60),
    k=st.one_of(st.none(), st.integers(1, 70)),
    size=st.integers(1, 70),
)
def test_ties_keep_the_order_of_the_candidates_in_chunks_or_at_once(scores, k, size):
    def scorer(columns):
        return np.array(scores, np.float32)[columns["id"]]

    ranking = rk.rank(scorer, {}, chunks_of(list(range(len(scores))), size, "id"), k=k)
    expected = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:k]
    assert ranking == [(i, float(scores[i])) for i in expected]


def test_only_the_current_and_the_previous_chunk_are_held():
    class Column(list):
        """A list with weak references."""

    chunks: list[weakref.ref] = []
    num_held = []

    def read():
        for start in range(20):
            column = Column([start, start + 1])
            chunks.append(weakref.ref(column))
            num_held.append(sum(each() is not None for each in chunks))
            yield {"price": column}

    rk.rank(price, {}, read(), k=2)
    assert max(num_held) <= 2


@pytest.mark.parametrize("kind", [list, iter], ids=["queries", "chunks"])
def test_candidates_with_different_columns_raise(kind):
    message = r"Columns of candidates must be \['price'\], as before. Got: \['cost'\]"
    with pytest.raises(ValueError, match=message):
        rk.rank(price, {"user": ["x", "y"]}, kind([{"price": [1]}, {"cost": [2]}]))
