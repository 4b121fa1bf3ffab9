import copy
import gc
import pickle
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rankkit as rk
from rankkit.ranking import candidates as candidates_module
import tensorflow as tf

USERS, TITLES = ["7", "42"], ["a", "b", "c", "d"]
QUERY = {"user_id": "7"}
CANDIDATES = {"movie_title": [*TITLES, "new"], "shelf": [10, 20, 30, 40, 50]}
ROWS = {"user_id": USERS * 2, "movie_title": TITLES, "rating": [1.0, 5.0, 2.0, 4.0]}


def features():
    ids = {"user_id": USERS, "movie_title": TITLES}
    return {name: rk.layers.IdEmbedding(each, 4) for name, each in ids.items()}


def make_model(network=None):
    model = rk.RankingModel(network or rk.models.tower(features()), label="rating")
    model.compile(tf.keras.optimizers.SGD(0.5))
    return model


@pytest.fixture(scope="module")
def model():
    return make_model()


def rank_by_rows(model, query, candidates, **kwargs):
    """Ranks with a plain function, which scores rows, as the reference."""
    return rk.rank(lambda columns: model(columns).numpy(), query, candidates, **kwargs)


def assert_same(ranking, expected):
    assert [candidate for candidate, _ in ranking] == [candidate for candidate, _ in expected]
    assert [score for _, score in ranking] == pytest.approx([s for _, s in expected], abs=1e-5)


def test_index_is_ranked_like_columns(model):
    index = rk.CandidateIndex(model, CANDIDATES)
    assert repr(index) == "CandidateIndex(5 candidates with columns 'movie_title', 'shelf')"
    for scorer in (model, model.network):
        for user in ("7", "42", "nobody"):
            for k in (None, 2, 9):
                expected = rank_by_rows(model, {"user_id": user}, CANDIDATES, k=k)
                assert_same(rk.rank(scorer, {"user_id": user}, index, k), expected)
                assert_same(rk.rank(scorer, {"user_id": user}, CANDIDATES, k), expected)
    rankings = rk.rank(model, {"user_id": USERS}, index, k=3)
    for user, ranking in zip(USERS, rankings, strict=True):
        assert_same(ranking, rank_by_rows(model, {"user_id": user}, CANDIDATES, k=3))
    seen = {"movie_title": ["b", "new"]}
    expected = rank_by_rows(model, QUERY, CANDIDATES, k=2, exclude=seen)
    assert_same(rk.rank(model, QUERY, index, 2, exclude=seen), expected)


def test_index_of_several_chunks_is_ranked_like_columns(model, monkeypatch):
    many = {"movie_title": [f"{title}{number}" for number in range(30) for title in TITLES]}
    many["movie_title"][::7] = ["c"] * len(many["movie_title"][::7])
    monkeypatch.setattr(candidates_module, "chunk_rows", lambda network: 50)
    index = rk.CandidateIndex(model, many)
    expected = rank_by_rows(model, QUERY, many)
    assert_same(rk.rank(model, QUERY, index), expected)


@pytest.mark.parametrize("architecture", ["tower", "factorization_machine"])
def test_index_is_refreshed_after_further_training(architecture):
    model = make_model(getattr(rk.models, architecture)(features()))
    index = rk.CandidateIndex(model, CANDIDATES)
    before = rk.rank(model, QUERY, index)
    assert_same(rk.rank(model, QUERY, CANDIDATES), before)
    model.fit(rk.data.batches(ROWS, 2), verbose=0)
    after = rk.rank(model, QUERY, index)
    assert max(abs(a - b) for (_, a), (_, b) in zip(before, after, strict=True)) > 1e-3
    expected = rank_by_rows(model, QUERY, CANDIDATES)
    assert_same(after, expected)
    assert_same(rk.rank(model, QUERY, CANDIDATES), expected)


def test_model_on_several_replicas_is_ranked_with_its_current_weights(mirrored_strategy):
    with mirrored_strategy.scope():
        model = make_model()
    index = rk.CandidateIndex(model, CANDIDATES)
    model.fit(rk.data.batches(ROWS, 4), verbose=0)
    expected = rank_by_rows(model, QUERY, CANDIDATES)
    assert_same(rk.rank(model, QUERY, CANDIDATES), expected)
    assert_same(rk.rank(model, QUERY, index), expected)


def test_refresh_reads_assigned_embeddings():
    model = make_model()
    many = {"movie_title": [f"x{number}" for number in range(200)]}
    many["movie_title"][1] = "a"  # not among the candidates that each query compares
    index = rk.CandidateIndex(model, many)
    layers = model.network.layers
    [titles] = [each for each in layers if getattr(each, "vocabulary", None) == TITLES]
    (table,) = titles.weights
    table.assign(table + tf.constant([[0.0], [5.0], [0.0], [0.0], [0.0]]))  # of "a"
    index.refresh()
    expected = rank_by_rows(model, QUERY, many, k=3)
    assert_same(rk.rank(model, QUERY, index, 3), expected)


class CountingHead(rk.layers.DenseRatingHead):
    """Counts how often it is traced, slowly enough for other threads to begin to trace."""

    num_calls = 0

    def call(self, inputs, training=None):
        self.num_calls += 1
        time.sleep(0.05)
        return super().call(inputs, training=training)


def test_one_trace_serves_any_number_of_candidates():
    head = CountingHead([8])
    network = rk.ranking_network(features(), head=head)

    def rank_both(titles):
        rk.rank(network, QUERY, {"movie_title": titles})
        rk.rank(network, QUERY, rk.CandidateIndex(network, {"movie_title": titles}))

    titles = [str(number) for number in range(50)]
    rank_both(titles)
    before = head.num_calls
    for count in (1, 7, 49):
        rank_both(titles[:count])
    assert head.num_calls == before > 0


def test_threads_rank_while_others_refresh_and_replace_the_index(model):
    both = [CANDIDATES, {"movie_title": TITLES[::-1], "shelf": [9, 8, 7, 6]}]
    indexes = [rk.CandidateIndex(model, candidates) for candidates in both]
    queries = [{"user_id": user} for user in USERS]
    expected = [[rk.rank(model, query, index, k=3) for query in queries] for index in indexes]

    def rank(number):
        which, user = number % 2, number // 2 % 2
        if number % 10 == 0:
            indexes[which] = rk.CandidateIndex(model, both[which])
        elif number % 10 == 5:
            indexes[which].refresh()
        assert rk.rank(model, queries[user], indexes[which], k=3) == expected[which][user]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(rank, range(200)))


def test_slow_refresh_does_not_hide_that_weights_have_changed(monkeypatch):
    model = make_model()
    index = rk.CandidateIndex(model, CANDIDATES)
    compute = candidates_module.compute_activations
    is_waiting, may_end = threading.Event(), threading.Event()

    def compute_slowly(*arguments):
        activations = compute(*arguments)
        if threading.current_thread() is thread:
            is_waiting.set()
            may_end.wait(60)
        return activations

    monkeypatch.setattr(candidates_module, "compute_activations", compute_slowly)
    thread = threading.Thread(target=index.refresh)  # with the old weights
    thread.start()
    assert is_waiting.wait(60)
    model.network.set_weights([2.0 * each + 0.1 for each in model.network.get_weights()])
    index.refresh()
    may_end.set()
    thread.join()
    assert_same(rk.rank(model, QUERY, index), rank_by_rows(model, QUERY, CANDIDATES))


def test_threads_trace_a_network_once():
    def num_traces(num_threads):
        head = CountingHead([8])
        network = rk.ranking_network(features(), head=head)

        def rank(_):
            index = rk.CandidateIndex(network, CANDIDATES)
            return rk.rank(network, QUERY, index), rk.rank(network, QUERY, CANDIDATES)

        with ThreadPoolExecutor(num_threads) as pool:
            rankings = list(pool.map(rank, range(num_threads)))
        assert rankings == [rankings[0]] * num_threads
        return head.num_calls

    assert num_traces(8) == num_traces(1)


def test_ranked_model_can_be_copied_saved_and_garbage_collected(tmp_path):
    model = make_model()
    index = rk.CandidateIndex(model, CANDIDATES)
    ranking = rk.rank(model, QUERY, index)
    rk.rank(model, QUERY, CANDIDATES)
    model.save(tmp_path / "m.keras")
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    copies.append(rk.export.load(tmp_path / "m.keras"))
    while copies:
        assert_same(rk.rank(copies.pop(), QUERY, CANDIDATES), ranking)
    references = [weakref.ref(model.network), *map(weakref.ref, model.network.layers)]
    del model, index
    tf.keras.backend.clear_session()
    gc.collect()
    assert [each() for each in references] == [None] * len(references)


def test_each_head_has_its_own_index():
    heads = {name: rk.layers.DenseRatingHead([8]) for name in ("rating", "click")}
    network = rk.ranking_network(features(), head=heads, score={"rating": 1.0, "click": 0.5})
    model = rk.RankingModel(network, label={"rating": "rating", "click": "click"})
    index = rk.CandidateIndex(model, CANDIDATES)
    click_index = rk.CandidateIndex(model.head("click"), CANDIDATES)

    def output(name):
        return lambda columns: network({each: columns[each] for each in network.input})[name]

    click = model.head("click")
    for scorer, its_index, name in ((model, index, "score"), (click, click_index, "click")):
        expected = rk.rank(output(name), QUERY, CANDIDATES)
        assert_same(rk.rank(scorer, QUERY, its_index), expected)
        assert_same(rk.rank(scorer, QUERY, CANDIDATES), expected)
    with pytest.raises(ValueError, match="candidates must be an index of this scorer"):
        rk.rank(model, QUERY, click_index)


def test_model_with_its_own_call_is_ranked_by_rows():
    class Negated(rk.RankingModel):
        def call(self, inputs, training=None):
            return -super().call(inputs, training=training)

    model = Negated(rk.models.tower(features()), label="rating")
    ranking = rk.rank(model, QUERY, CANDIDATES)
    assert_same(ranking, rank_by_rows(model, QUERY, CANDIDATES))
    with pytest.raises(TypeError, match="model must be a RankingModel, a head of one, or a netw"):
        rk.CandidateIndex(model, CANDIDATES)


def test_all_features_may_belong_to_the_query(model):
    query = {"user_id": "7", "movie_title": "a"}
    (one, score), (two, same_score) = rk.rank(model, query, {"shelf": [1, 2]})
    assert (one, two, score) == (1, 2, pytest.approx(same_score))


def test_index_holds_features_of_lists():
    layers = {**features(), "tags": rk.layers.TagsEmbedding(["x"], 4)}
    candidates = {"movie_title": TITLES[:3], "tags": [["x"], [], ["x", "new"]]}
    model = make_model(rk.models.tower(layers))
    ranking = rk.rank(model, QUERY, rk.CandidateIndex(model, candidates))
    assert_same(ranking, rk.rank(model, QUERY, candidates))


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ({"movie": ["a"]}, r"one column of the candidates must be a feature of .*Got: \['movie'\]"),
        ({"movie_title": []}, "candidates must have at least one row for an index"),
        ({"movie_title": ["a"], "shelf": []}, "candidates must be .* equal length"),
        ({"movie_title": [1]}, "'movie_title' must be str"),
    ],
)
def test_candidates_that_cannot_be_indexed_are_named(model, candidates, message):
    with pytest.raises((ValueError, TypeError), match=message):
        rk.CandidateIndex(model, candidates)


def test_queries_that_do_not_match_an_index_are_named(model):
    index = rk.CandidateIndex(model, CANDIDATES)
    with pytest.raises(ValueError, match="Feature 'movie_title' is given twice"):
        rk.rank(model, {"user_id": "7", "movie_title": "a"}, index)
    with pytest.raises(ValueError, match="Missing feature 'user_id'"):
        rk.rank(model, {}, index)
    message = "candidates must be an index of this scorer. Got: .*5"
    for scorer in (make_model(), lambda columns: [0.0] * 5):
        with pytest.raises(ValueError, match=message):
            rk.rank(scorer, QUERY, index)


def test_index_with_scores_that_are_not_finite_raises():
    model = make_model()
    index = rk.CandidateIndex(model, CANDIDATES)
    rk.rank(model, QUERY, index)
    model.network.set_weights([np.full_like(each, np.nan) for each in model.network.get_weights()])
    with pytest.raises(ValueError, match="Each score must be finite"):
        rk.rank(model, QUERY, index)
