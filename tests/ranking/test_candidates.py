import copy
import gc
import pickle
import weakref

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

from rankkit.ranking.graph import _FUNCTIONS

USERS, TITLES = ["7", "42"], ["a", "b", "c", "d"]
CANDIDATES = {"movie_title": [*TITLES, "new"], "shelf": [10, 20, 30, 40, 50]}
ROWS = {
    "user_id": np.array(["7", "42", "7", "42"]),
    "movie_title": np.array(TITLES),
    "rating": np.array([1.0, 5.0, 2.0, 4.0]),
    "click": np.array([0.0, 1.0, 0.0, 1.0]),
}


def features():
    return {
        "user_id": rk.layers.IdEmbedding(USERS, 4),
        "movie_title": rk.layers.IdEmbedding(TITLES, 4),
    }


def make_model(network=None):
    model = rk.RankingModel(network or rk.models.tower(features()), label="rating")
    model.compile(tf.keras.optimizers.SGD(0.5))
    return model


@pytest.fixture(scope="module")
def model():
    return make_model()


def by_rows(model, query, candidates, **kwargs):
    """The same by a scorer of rows, which `rank` cannot take apart."""
    return rk.rank(lambda columns: model(columns).numpy(), query, candidates, **kwargs)


def check(ours, theirs):
    assert [candidate for candidate, _ in ours] == [candidate for candidate, _ in theirs]
    assert [score for _, score in ours] == pytest.approx([s for _, s in theirs], abs=1e-5)


def test_registered_candidates_are_ranked_as_given_ones(model):
    pool = rk.CandidateIndex(model, CANDIDATES)
    assert repr(pool) == "CandidateIndex(5 candidates of 'movie_title', 'shelf')"
    for scorer in (model, model.network):
        for user in ("7", "42", "nobody"):
            for k in (None, 2, 9):
                expected = by_rows(model, {"user_id": user}, CANDIDATES, k=k)
                check(rk.rank(scorer, {"user_id": user}, pool, k), expected)
                check(rk.rank(scorer, {"user_id": user}, CANDIDATES, k), expected)
    several = rk.rank(model, {"user_id": USERS}, pool, k=3)
    for user, ranking in zip(USERS, several, strict=True):
        check(ranking, by_rows(model, {"user_id": user}, CANDIDATES, k=3))


def test_registered_candidates_may_be_left_out(model):
    pool = rk.CandidateIndex(model, CANDIDATES)
    seen = {"movie_title": ["b", "new"]}
    expected = by_rows(model, {"user_id": "7"}, CANDIDATES, k=2, exclude=seen)
    check(rk.rank(model, {"user_id": "7"}, pool, 2, exclude=seen), expected)


def test_a_pool_in_chunks_is_that_of_one(model, monkeypatch):
    many = {"movie_title": [f"{title}{number}" for number in range(30) for title in TITLES]}
    many["movie_title"][::7] = ["c"] * len(many["movie_title"][::7])
    monkeypatch.setattr("rankkit.ranking.candidates.chunk_rows", lambda network: 50)
    pool = rk.CandidateIndex(model, many)
    check(rk.rank(model, {"user_id": "7"}, pool), by_rows(model, {"user_id": "7"}, many))


@pytest.mark.parametrize("recipe", ["tower", "factorization_machine"])
def test_training_on_makes_a_pool_compute_anew(recipe):
    model = make_model(getattr(rk.models, recipe)(features()))
    pool = rk.CandidateIndex(model, CANDIDATES)
    before = rk.rank(model, {"user_id": "7"}, pool)
    model.fit(rk.data.batches(ROWS, 2), verbose=0)
    after = rk.rank(model, {"user_id": "7"}, pool)
    assert max(abs(a - b) for (_, a), (_, b) in zip(before, after, strict=True)) > 1e-3
    check(after, by_rows(model, {"user_id": "7"}, CANDIDATES))


def test_weights_are_read_and_not_baked_in():
    model = make_model()
    for _ in range(2):
        expected = by_rows(model, {"user_id": "7"}, CANDIDATES)
        check(rk.rank(model, {"user_id": "7"}, CANDIDATES), expected)
        model.network.set_weights([2.0 * each + 0.1 for each in model.network.get_weights()])


def test_a_model_on_several_replicas_is_ranked_with_the_weights_it_has(mirrored_strategy):
    with mirrored_strategy.scope():
        model = make_model()
    pool = rk.CandidateIndex(model, CANDIDATES)
    model.fit(rk.data.batches(ROWS, 4), verbose=0)
    expected = by_rows(model, {"user_id": "7"}, CANDIDATES)
    check(rk.rank(model, {"user_id": "7"}, CANDIDATES), expected)
    check(rk.rank(model, {"user_id": "7"}, pool), expected)


def test_a_row_that_was_assigned_by_hand_needs_a_refresh():
    model = make_model()
    many = {"movie_title": [f"x{number}" for number in range(200)]}
    many["movie_title"][1] = "a"  # no part of the sample
    pool = rk.CandidateIndex(model, many)
    titles = next(
        layer for layer in model.network.layers if getattr(layer, "vocabulary", None) == TITLES
    )
    (table,) = titles.weights
    table.assign(table + tf.constant([[0.0], [5.0], [0.0], [0.0], [0.0]]))  # of "a"
    pool.refresh()
    expected = by_rows(model, {"user_id": "7"}, many, k=3)
    check(rk.rank(model, {"user_id": "7"}, pool, 3), expected)


def test_one_trace_serves_any_number_of_candidates(model):
    titles = [str(number) for number in range(50)]
    rk.rank(model, {"user_id": "7"}, {"movie_title": titles})
    pool = rk.CandidateIndex(model, {"movie_title": titles})
    rk.rank(model, {"user_id": "7"}, pool)

    def traces():
        return sum(map(len, _FUNCTIONS.values()))

    before = traces()
    for count in range(1, 50, 7):
        rk.rank(model, {"user_id": "7"}, {"movie_title": titles[:count]})
        rk.rank(model, {"user_id": "7"}, rk.CandidateIndex(model, {"movie_title": titles[:count]}))
    assert traces() == before


def test_what_was_traced_goes_with_its_network_and_is_not_saved(tmp_path):
    model = make_model()
    pool = rk.CandidateIndex(model, CANDIDATES)
    ranking = rk.rank(model, {"user_id": "7"}, pool)
    rk.rank(model, {"user_id": "7"}, CANDIDATES)
    model.save(tmp_path / "m.keras")
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    copies.append(rk.export.load(tmp_path / "m.keras"))
    while copies:
        check(rk.rank(copies.pop(), {"user_id": "7"}, CANDIDATES), ranking)
    gone = weakref.ref(model.network)
    first = weakref.ref(next(iter(model.network.input.values())).node.layer)
    assert first() in _FUNCTIONS
    del model, pool
    tf.keras.backend.clear_session()
    gc.collect()
    assert gone() is None
    assert first() is None


def test_a_head_has_a_pool_of_its_own():
    heads = {name: rk.layers.DenseRatingHead([8]) for name in ("rating", "click")}
    network = rk.ranking_network(features(), head=heads, score={"rating": 1.0, "click": 0.5})
    model = rk.RankingModel(network, label={"rating": "rating", "click": "click"})
    pool = rk.CandidateIndex(model, CANDIDATES)
    of_click = rk.CandidateIndex(model.head("click"), CANDIDATES)

    def outputs(columns):
        return network({name: columns[name] for name in network.input})

    for scorer, part, name in ((model, pool, "score"), (model.head("click"), of_click, "click")):
        expected = rk.rank(
            lambda columns, name=name: outputs(columns)[name].numpy(), {"user_id": "7"}, CANDIDATES
        )
        check(rk.rank(scorer, {"user_id": "7"}, part), expected)
        check(rk.rank(scorer, {"user_id": "7"}, CANDIDATES), expected)
    with pytest.raises(ValueError, match="candidates must be registered with the scorer"):
        rk.rank(model, {"user_id": "7"}, of_click)


def test_a_model_that_scores_by_itself_is_asked_for_rows():
    class Negated(rk.RankingModel):
        def call(self, inputs, training=None):
            return -super().call(inputs, training=training)

    model = Negated(rk.models.tower(features()), label="rating")
    check(
        rk.rank(model, {"user_id": "7"}, CANDIDATES), by_rows(model, {"user_id": "7"}, CANDIDATES)
    )
    with pytest.raises(TypeError, match="model must be a RankingModel, a head of one, or a netw"):
        rk.CandidateIndex(model, CANDIDATES)


def test_all_features_may_be_the_query_s(model):
    query = {"user_id": "7", "movie_title": "a"}
    (first, second) = rk.rank(model, query, {"shelf": [1, 2]})
    assert (first[0], second[0]) == (1, 2)
    assert first[1] == pytest.approx(second[1])


def test_a_feature_of_lists_is_registered_too():
    network = rk.models.tower(
        {"user_id": rk.layers.IdEmbedding(USERS, 4), "tags": rk.layers.TagsEmbedding(["x"], 4)}
    )
    candidates = {"tags": [["x"], [], ["x", "new"]]}
    model = make_model(network)
    pool = rk.CandidateIndex(model, candidates)
    expected = rk.rank(model, {"user_id": "7"}, candidates)
    check(rk.rank(model, {"user_id": "7"}, pool), expected)


@pytest.mark.parametrize(
    ("candidates", "words"),
    [
        ({"movie": ["a"]}, r"columns of the candidates must be of at least one feature of .*movie"),
        ({"movie_title": []}, "candidates must be at least one, to be registered"),
        ({"movie_title": ["a"], "shelf": []}, "candidates must be .* equal length"),
        ({"movie_title": [1]}, "'movie_title' must be str"),
    ],
)
def test_candidates_that_cannot_be_registered_are_named(model, candidates, words):
    with pytest.raises((ValueError, TypeError), match=words):
        rk.CandidateIndex(model, candidates)


def test_queries_that_do_not_go_with_a_pool_are_named(model):
    pool = rk.CandidateIndex(model, CANDIDATES)
    with pytest.raises(ValueError, match="Feature 'movie_title' is given twice"):
        rk.rank(model, {"user_id": "7", "movie_title": "a"}, pool)
    with pytest.raises(ValueError, match="Missing feature 'user_id'"):
        rk.rank(model, {}, pool)
    with pytest.raises(ValueError, match="Unknown feature in the query 'age'"):
        rk.rank(model, {"user_id": "7", "age": 3}, pool)
    with pytest.raises(ValueError, match="candidates must be registered with the scorer. Got: .*5"):
        rk.rank(make_model(), {"user_id": "7"}, pool)
    with pytest.raises(ValueError, match="candidates must be registered with the scorer"):
        rk.rank(lambda columns: [0.0] * 5, {"user_id": "7"}, pool)


def test_scores_of_a_pool_that_are_not_finite_are_refused():
    model = make_model()
    pool = rk.CandidateIndex(model, CANDIDATES)
    rk.rank(model, {"user_id": "7"}, pool)
    model.network.set_weights([np.full_like(each, np.nan) for each in model.network.get_weights()])
    with pytest.raises(ValueError, match="scores must be finite"):
        rk.rank(model, {"user_id": "7"}, pool)
