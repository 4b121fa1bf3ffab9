import weakref

import numpy as np
import pandas as pd
import pytest
import rankkit as rk
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from rankkit.ranking.rank import Best

TITLES = ["a", "b", "c", "d"]


def price(columns):
    """A scorer that is a plain function: the cheaper, the better."""
    return -np.asarray(columns["price"])


@pytest.fixture(scope="module")
def network():
    layers = {
        "user_id": rk.layers.IdEmbedding(["7", "42"], 4),
        "movie_title": rk.layers.IdEmbedding(TITLES, 4),
    }
    return rk.ranking_network(layers, head=rk.layers.DenseRatingHead([8]))


@pytest.fixture(scope="module")
def scorers(network, tmp_path_factory):
    """The same network as all that `rank` takes."""
    folder = tmp_path_factory.mktemp("scorers")
    rk.export.save(network, folder / "1")
    rk.export.to_tflite(folder / "1", folder / "r.tflite")
    return {
        "model": rk.RankingModel(network, label="rating"),
        "network": network,
        "saved model": rk.export.load(folder / "1"),
        "tensorflow's own loading": tf.saved_model.load(str(folder / "1")),
        "tflite": rk.export.load(folder / "r.tflite"),
    }


def by_hand(network, user, titles):
    scores = [
        network({"user_id": tf.constant([user]), "movie_title": tf.constant([title])}).numpy()[0, 0]
        for title in titles
    ]
    return sorted(zip(titles, scores, strict=True), key=lambda pair: -pair[1])


@pytest.mark.parametrize("user", ["42", "nobody"])
def test_every_scorer_gives_the_order_of_the_scores_one_by_one(scorers, network, user):
    titles = [*TITLES, "never seen"]
    expected = by_hand(network, user, titles)
    for name, scorer in scorers.items():
        ranking = rk.rank(scorer, {"user_id": user}, {"movie_title": titles})
        assert [title for title, _ in ranking] == [title for title, _ in expected], name
        for (_, ours), (_, theirs) in zip(ranking, expected, strict=True):
            assert ours == pytest.approx(theirs, abs=1e-6), name


def test_several_queries_are_ranked_as_one_by_one(scorers):
    users = ["42", "7", "nobody"]
    for scorer in scorers.values():
        together = rk.rank(scorer, {"user_id": users}, {"movie_title": TITLES}, k=3)
        assert len(together) == 3
        for user, ranking in zip(users, together, strict=True):
            alone = rk.rank(scorer, {"user_id": user}, {"movie_title": TITLES}, k=3)
            assert [title for title, _ in ranking] == [title for title, _ in alone]


def test_queries_may_have_candidates_and_exclusions_of_their_own():
    rankings = rk.rank(
        price,
        {"user_id": np.array(["x", "y"])},
        [{"price": [3, 1, 2]}, {"price": [9]}],
        exclude=[[1], None],
    )
    assert rankings == [[(2, -2.0), (3, -3.0)], [(9, -9.0)]]


def test_values_may_come_from_numpy_pandas_and_tensorflow(network):
    expected = rk.rank(network, {"user_id": "7"}, {"movie_title": TITLES})
    for user in (np.str_("7"), np.array("7"), tf.constant("7"), b"7"):
        for titles in (np.array(TITLES), pd.Series(TITLES), tf.constant(TITLES), tuple(TITLES)):
            assert rk.rank(network, {"user_id": user}, {"movie_title": titles}) == expected
    frame = pd.DataFrame({"movie_title": TITLES, "shelf": [1, 2, 3, 4]})
    (best, _), *_ = rk.rank(network, {"user_id": "7"}, frame)
    assert best == {"movie_title": expected[0][0], "shelf": TITLES.index(expected[0][0]) + 1}


def test_pairs_are_python_values():
    ((value, score),) = rk.rank(price, {}, {"price": np.array([5], np.int32)})
    assert (type(value), type(score)) == (int, float)
    ((value, _),) = rk.rank(lambda columns: [[1.0]], {}, {"title": tf.constant(["é"])})
    assert value == "é"


def test_ties_keep_the_order_of_the_candidates():
    constant = lambda columns: np.zeros(len(columns["id"]))  # noqa: E731
    ids = [f"i{number}" for number in range(100)]
    assert [one for one, _ in rk.rank(constant, {}, {"id": ids})] == ids
    assert [one for one, _ in rk.rank(constant, {}, {"id": ids}, k=3)] == ids[:3]


def test_several_columns_come_back_as_a_dict_and_extra_ones_are_carried_along(network):
    candidates = {"movie_title": ["a", "b"], "shelf": [10, 20]}
    ranking = rk.rank(network, {"user_id": "7"}, candidates)
    plain = rk.rank(network, {"user_id": "7"}, {"movie_title": ["a", "b"]})
    shelf = {"a": 10, "b": 20}
    assert ranking == [
        ({"movie_title": title, "shelf": shelf[title]}, score) for title, score in plain
    ]


def test_excluded_candidates_are_left_out():
    candidates = {"price": [4, 3, 2, 1], "kind": ["x", "y", "x", "y"]}
    assert rk.rank(price, {}, {"price": [4, 3]}, exclude=[3, 99]) == [(4, -4.0)]
    assert rk.rank(price, {}, {"price": [4, 3]}, exclude={4, 3}) == []
    ranking = rk.rank(price, {}, candidates, exclude={"kind": ["x"], "price": np.array([1])})
    assert ranking == [({"price": 3, "kind": "y"}, -3.0)]


def test_what_was_seen_may_be_a_data_frame():
    seen = pd.DataFrame({"price": [4]})
    assert rk.rank(price, {}, {"price": [4, 3]}, exclude=seen) == [(3, -3.0)]


def test_exclusions_that_could_exclude_nothing_are_named():
    with pytest.raises(TypeError, match="exclude must be values of the candidates' kind.*'4'"):
        rk.rank(price, {}, {"price": [4, 3]}, exclude=["4"])
    with pytest.raises(TypeError, match="exclude must be single values, for a single query"):
        rk.rank(price, {}, {"price": [4, 3]}, exclude=[[4]])


def test_no_queries_no_rankings(network):
    assert rk.rank(network, {"user_id": []}, {"movie_title": TITLES}) == []


def test_bytes_that_are_not_utf8_are_named(network):
    with pytest.raises(ValueError, match="value must be bytes of valid UTF-8"):
        rk.rank(network, {"user_id": b"\xff"}, {"movie_title": TITLES})


def test_messages_stay_short(network):
    with pytest.raises(TypeError) as error:
        rk.rank(network, {"user_id": "7"}, list(range(100_000)))
    assert len(str(error.value)) < 500


def test_no_candidates_no_ranking(scorers):
    for scorer in scorers.values():
        assert rk.rank(scorer, {"user_id": "7"}, {"movie_title": []}) == []
        assert rk.rank(scorer, {"user_id": ["7", "42"]}, {"movie_title": []}, k=2) == [[], []]


def test_k_beyond_the_candidates_gives_all_of_them():
    assert len(rk.rank(price, {}, {"price": [1, 2]}, k=10)) == 2


def test_many_candidates_are_scored_in_parts():
    sizes = []

    def counting(columns):
        sizes.append(len(columns["price"]))
        return price(columns)

    prices = np.random.default_rng(0).permutation(150_000)
    ranking = rk.rank(counting, {}, {"price": prices}, k=5)
    assert [value for value, _ in ranking] == [0, 1, 2, 3, 4]
    assert sum(sizes) == 150_000
    assert len(sizes) > 1


@given(
    prices=st.lists(st.integers(-5, 5), max_size=30),
    k=st.one_of(st.none(), st.integers(1, 40)),
    exclude=st.sets(st.integers(-5, 5)),
)
def test_rank_is_a_stable_sort_of_what_is_left(prices, k, exclude):
    left = [one for one in prices if one not in exclude]
    expected = sorted(left)[:k]  # Python's sort is stable, and equal prices look alike
    assert [one for one, _ in rk.rank(price, {}, {"price": prices}, k, exclude)] == expected


@given(st.permutations(range(8)))
def test_the_order_of_the_candidates_only_permutes(order):
    ranking = rk.rank(price, {}, {"price": list(order)})
    assert ranking == [(one, -float(one)) for one in range(8)]


@pytest.mark.parametrize("k", [0, -1, 1.5, True, "3"])
def test_bad_k_is_named(k):
    with pytest.raises(ValueError, match=f"k must be an integer of at least 1.*Got: k={k!r}"):
        rk.rank(price, {}, {"price": [1]}, k=k)


@pytest.mark.parametrize(
    ("query", "candidates", "words"),
    [
        ({}, {"movie_title": ["a"]}, "Missing feature 'user_id'. Expected: 'user_id', 'movie"),
        ({"user_id": "7"}, {"movie": ["a"]}, "Missing feature 'movie_title'.*mean 'movie'?"),
        (
            {"user_id": "7", "userid": "7"},
            {"movie_title": ["a"]},
            "Unknown feature in the query 'userid'.*Did you mean 'user_id'?",
        ),
        (
            {"user_id": "7", "movie_title": "a"},
            {"movie_title": ["a"]},
            "Feature 'movie_title' is given twice",
        ),
        ({"user_id": ["7"], "x": ["1", "2"]}, {}, "query must be .*equal length.*'x': 2"),
        ({"user_id": "7"}, {}, "candidates must be a dict of one or more columns"),
        (
            {"user_id": "7"},
            {"movie_title": ["a", "b"], "price": [1]},
            "candidates must be .*equal length. Got: {'movie_title': 2, 'price': 1}",
        ),
        ({"user_id": "\ud800"}, {"movie_title": ["a"]}, "'user_id' must be text that UTF-8"),
    ],
)
def test_bad_queries_and_candidates_are_named(network, query, candidates, words):
    with pytest.raises(ValueError, match=words):
        rk.rank(network, query, candidates)


@pytest.mark.parametrize(
    ("query", "candidates", "words"),
    [
        ("42", {"movie_title": ["a"]}, "query must be a dict of raw features"),
        ({"user_id": 42}, {"movie_title": ["a"]}, "'user_id' must be str. Got: .*=42. Write '42'"),
        ({"user_id": None}, {"movie_title": ["a"]}, "'user_id' must be str. Got: .*None"),
        ({"user_id": "7"}, {"movie_title": [1]}, "'movie_title' must be str.*Write '1'"),
        ({"user_id": "7"}, ["a"], "candidates must be a dict of columns"),
        ({"user_id": "7"}, "a", "candidates must be a dict of columns"),
        ({"user_id": "7"}, {"movie_title": "a"}, r"candidates\['movie_title'\] must be a column"),
        ({"user_id": "7", "x": [1]}, {}, r"query\['user_id'\] must be a column, as other"),
    ],
)
def test_values_of_the_wrong_kind_are_named(network, query, candidates, words):
    with pytest.raises((TypeError, ValueError), match=words):
        rk.rank(network, query, candidates)


def test_strings_for_an_integer_vocabulary_are_named():
    layer = rk.layers.IdEmbedding([1, 2], 2)
    network = rk.ranking_network({"id": layer}, head=rk.layers.DenseRatingHead([]))
    with pytest.raises(TypeError, match="'id' must be a number. Got: .*'1'"):
        rk.rank(network, {}, {"id": ["1"]})
    assert len(rk.rank(network, {}, {"id": np.array([1, 5], np.int8)})) == 2


@pytest.mark.parametrize(
    ("exclude", "words"),
    [
        ("abc", "exclude must be a collection of values. Got: exclude='abc'"),
        (5, "exclude must be a collection of values. Got: exclude=5"),
        ({"title": ["a"]}, "Unknown candidate column in exclude 'title'. Known: 'price'"),
    ],
)
def test_bad_exclusions_are_named(exclude, words):
    with pytest.raises((TypeError, ValueError), match=words):
        rk.rank(price, {}, {"price": [1]}, exclude=exclude)


def test_exclusions_of_several_columns_or_queries_must_say_which():
    with pytest.raises(ValueError, match="exclude must be a dict of column name.*'price', 'kind'"):
        rk.rank(price, {}, {"price": [1], "kind": [2]}, exclude=[1])
    with pytest.raises(TypeError, match="exclude must be a list with one entry for each of 2"):
        rk.rank(price, {"user": ["x", "y"]}, {"price": [1]}, exclude=[[1]])


def test_candidates_of_several_queries_have_the_same_columns():
    with pytest.raises(ValueError, match="candidates must be of the same columns"):
        rk.rank(price, {"user": ["x", "y"]}, [{"price": [1]}, {"cost": [1]}])


def test_scores_that_cannot_be_ordered_are_refused():
    with pytest.raises(ValueError, match="scores must be finite. Got: scores=.*nan"):
        rk.rank(lambda columns: [np.nan, 1.0], {}, {"id": [1, 2]})
    with pytest.raises(ValueError, match="scores must be one for each of 2 rows. Got: scores=3"):
        rk.rank(lambda columns: [1.0, 2.0, 3.0], {}, {"id": [1, 2]})


def parts(prices, size):
    for start in range(0, len(prices), size):
        yield {"price": prices[start : start + size]}


def test_candidates_may_come_in_parts(network):
    prices = np.random.default_rng(0).permutation(1_000).tolist()
    expected = rk.rank(price, {}, {"price": prices}, k=7, exclude=[0, 3])
    assert rk.rank(price, {}, parts(prices, 64), k=7, exclude=[0, 3]) == expected
    query = {"user_id": ["7", "42"]}
    whole = rk.rank(network, query, {"movie_title": TITLES * 9}, k=5)
    data = tf.data.Dataset.from_tensor_slices({"movie_title": TITLES * 9}).batch(10)
    for ours, theirs in zip(rk.rank(network, query, data, k=5), whole, strict=True):
        assert [title for title, _ in ours] == [title for title, _ in theirs]
    assert rk.rank(price, {}, iter([])) == []


def test_parts_are_let_go_of_before_the_next_but_one_is_read():
    """No more than the part in hand and the best are held, whatever the number of candidates."""

    class Column(list):
        """A list that can be referred to weakly."""

    read: list[weakref.ref] = []
    held = []

    def of_columns():
        for start in range(20):
            column = Column([start, start + 1])
            read.append(weakref.ref(column))
            held.append(sum(each() is not None for each in read))
            yield {"price": column}

    rk.rank(price, {}, of_columns(), k=2)
    assert max(held) <= 2


def test_parts_with_other_columns_are_named():
    with pytest.raises(ValueError, match="columns of a part must be those of the first"):
        rk.rank(price, {}, iter([{"price": [1]}, {"cost": [2]}]))
    with pytest.raises(TypeError, match="candidates must be a dict of columns"):
        rk.rank(price, {}, iter([[1]]))


@given(
    scores=st.lists(st.integers(-3, 3), min_size=1, max_size=60),
    k=st.integers(1, 70),
    size=st.integers(1, 20),
)
def test_the_best_of_parts_are_those_of_the_whole(scores, k, size):
    best = Best(k)
    for start in range(0, len(scores), size):
        part = np.array(scores[start : start + size], np.float32)
        best.add({"place": list(range(start, start + len(part)))}, range(len(part)), part)
    expected = sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:k]
    assert best.ranking() == [(place, float(scores[place])) for place in expected]
