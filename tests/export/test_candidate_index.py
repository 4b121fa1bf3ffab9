"""Candidate indexes of exports, and exports without the signatures that rank."""

import numpy as np
import pandas as pd
import pytest
import rankkit as rk
from rankkit.export import servable
import tensorflow as tf

TITLES = ["a", "b", "c"]
CANDIDATES = {
    "movie_title": [*TITLES, "new"],
    "tags": [["x"], [], ["x", "y"], ["z"]],
    "shelf": [10, 20, 30, 2**40],
    "price": [1.5, 2.5, 3.5, 4.5],
}


def make_network(**arguments):
    features = {
        "user_id": rk.layers.IdEmbedding(["7", "42"], 4),
        "movie_title": rk.layers.IdEmbedding(TITLES, 4),
        "tags": rk.layers.TagsEmbedding(["x", "y"], 4),
    }
    return rk.ranking_network(features, **{"head": rk.layers.DenseRatingHead([8]), **arguments})


def assert_same_ranking(ours, theirs):
    assert [each for each, _ in ours] == [each for each, _ in theirs]
    assert [s for _, s in ours] == pytest.approx([s for _, s in theirs], abs=1e-5)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    network = make_network()
    folder = tmp_path_factory.mktemp("indexed") / "1"
    rk.export.save(network, folder, candidates=CANDIDATES)
    return network, rk.export.load(folder)


def specs_of(network):
    """The features of a network, as a model of it declares them."""
    return rk.RankingModel(network, label="rating").feature_specs


def rank_by_rows(network, user, **arguments):
    """Ranks with a scorer that is not a network, which scores rows, as the reference."""

    class Scorer:
        feature_specs = specs_of(network)

        def __call__(self, columns):
            return network({name: columns[name] for name in network.input}).numpy()

    return rk.rank(Scorer(), {"user_id": user}, CANDIDATES, **arguments)


def test_rank_indexed_takes_only_the_query(saved):
    network, scorer = saved
    rank = scorer.loaded.signatures["rank_indexed"]
    assert set(rank.structured_input_signature[1]) == {"user_id", "k"}
    for user in ("42", "nobody"):
        outputs = rank(user_id=tf.constant([user]), k=tf.constant(3))
        expected = rank_by_rows(network, user, k=3)
        titles = [title.decode() for title in outputs["movie_title"].numpy()]
        assert titles == [candidate["movie_title"] for candidate, _ in expected]
        assert outputs["shelf"].numpy().tolist() == [each["shelf"] for each, _ in expected]
        assert [CANDIDATES["movie_title"][i] for i in outputs["index"].numpy()] == titles
        np.testing.assert_allclose(outputs["rating"], [s for _, s in expected], atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="k must be an integer of at least 1"):
        rank(user_id=tf.constant(["42"]), k=tf.constant(0))


def test_rank_takes_the_candidate_index_of_an_export(saved):
    network, scorer = saved
    expected = "SavedCandidateIndex(4 candidates with columns 'movie_title', 'tags', "
    assert repr(scorer.candidates).startswith(expected)
    for arguments in ({}, {"k": 2}, {"k": 1, "exclude": {"movie_title": ["a", "c"]}}):
        ours = rk.rank(scorer, {"user_id": "7"}, scorer.candidates, **arguments)
        assert_same_ranking(ours, rank_by_rows(network, "7", **arguments))
    both = rk.rank(scorer, {"user_id": ["7", "42"]}, scorer.candidates, k=1)
    for ours, user in zip(both, ("7", "42"), strict=True):
        assert_same_ranking(ours, rank_by_rows(network, user, k=1))


def test_rank_indexed_returns_all_outputs_of_several_heads(tmp_path):
    ordinal = rk.layers.OrdinalHead([1, 2, 3], [8])
    heads = {"rating": ordinal, "click": rk.layers.DenseRatingHead([8])}
    network = make_network(head=heads, score={"rating": 1.0, "click": 0.5})
    candidates = {"movie_title": TITLES, "tags": [["x"], [], []]}
    rk.export.save(network, tmp_path / "1", candidates=pd.DataFrame(candidates))
    scorer = rk.export.load(tmp_path / "1")
    outputs = scorer.loaded.signatures["rank_indexed"](user_id=tf.constant(["7"]), k=tf.constant(2))
    expected = network({"user_id": tf.constant(["7"] * 2)} | {c: outputs[c] for c in candidates})
    for name in ("click", "rating_distribution"):
        np.testing.assert_allclose(outputs[name], expected[name], atol=1e-5)
    np.testing.assert_allclose(outputs["score"], expected["score"][:, 0], atol=1e-5)
    with pytest.raises(ValueError, match="candidates must be an index of this scorer"):
        rk.rank(scorer.head("click"), {"user_id": "7"}, scorer.candidates)
    model = rk.RankingModel(network, label={"rating": "r", "click": "c"})
    query = {"user_id": "7"}
    click = rk.rank(scorer.head("click"), query, candidates)
    assert_same_ranking(click, rk.rank(model.head("click"), query, candidates))


def test_queries_and_scorers_that_do_not_match_an_index_raise(saved):
    network, scorer = saved
    with pytest.raises(ValueError, match="Feature 'movie_title' is given twice"):
        rk.rank(scorer, {"user_id": "7", "movie_title": "a"}, scorer.candidates)
    with pytest.raises(ValueError, match="Missing feature 'user_id'"):
        rk.rank(scorer, {}, scorer.candidates)
    live = rk.CandidateIndex(network, CANDIDATES)
    for other, candidates in ((network, scorer.candidates), (scorer, live)):
        with pytest.raises(ValueError, match="candidates must be an index of this scorer"):
            rk.rank(other, {"user_id": "7"}, candidates)


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ({"movie": ["a"]}, "At least one column of the candidates must be a feature"),
        ({"movie_title": []}, "candidates must have at least one row for an index"),
        ({"movie_title": ["a"], "rating": [1]}, "Column name 'rating' is reserved"),
        ({"movie_title": ["a"], "two words": [1]}, "Column name must be a letter"),
        ({"movie_title": ["a"], "kind": [{}]}, "Column 'kind' must be strings, or numbers"),
    ],
)
def test_candidates_that_cannot_be_exported_raise(saved, tmp_path, candidates, message):
    with pytest.raises((ValueError, TypeError), match=message):
        rk.export.save(saved[0], tmp_path / "1", candidates=candidates)
    assert list(tmp_path.iterdir()) == []


def test_candidate_column_named_like_an_output_raises(tmp_path):
    heads = {name: rk.layers.DenseRatingHead([]) for name in ("like", "click")}
    network = make_network(head=heads, score={"click": 1.0})
    with pytest.raises(ValueError, match="of candidates must be different from .*outputs.*'click'"):
        rk.export.save(network, tmp_path / "1", candidates={"movie_title": ["a"], "click": [1]})


def save_without_rank(network, folder):
    """Writes a SavedModel as other code would: without signatures that rank."""
    specs = specs_of(network)
    part = tf.Module()
    part.network = network
    part.__call__ = tf.function(lambda columns: network(columns), input_signature=[specs])
    serve = tf.function(lambda **columns: {"rating": network(columns)})
    signatures = {"serving_default": serve.get_concrete_function(**specs)}
    tf.saved_model.save(part, str(folder), signatures=signatures)


def test_export_without_rank_signatures_is_ranked_by_rows(saved, tmp_path):
    save_without_rank(saved[0], tmp_path / "1")
    with pytest.warns(UserWarning, match="has no checksum"):
        scorer = rk.export.load(tmp_path / "1")
    assert scorer.rank_signature is None
    expected = rk.rank(saved[0], {"user_id": "7"}, CANDIDATES)
    for each in (scorer, tf.saved_model.load(str(tmp_path / "1"))):
        assert_same_ranking(rk.rank(each, {"user_id": "7"}, CANDIDATES), expected)
    with pytest.raises(ValueError, match="path must be .* candidate index.*candidates=..."):
        _ = scorer.candidates


def test_rank_signature_with_another_meaning_is_not_used(saved):
    network, scorer = saved
    loaded = scorer.loaded

    class Other:
        def __init__(self):
            serve = loaded.signatures["serving_default"]
            self.signatures = {"serving_default": serve, "rank": serve}

        def __call__(self, columns):
            return loaded(dict(columns))

    ours = rk.rank(Other(), {"user_id": "7"}, CANDIDATES)
    assert_same_ranking(ours, rk.rank(network, {"user_id": "7"}, CANDIDATES))


def test_nan_scores_come_last_in_the_rank_signature(tmp_path):
    layer = tf.keras.layers.Lambda(lambda x: tf.math.log(tf.reshape(x, (-1, 1))))
    layer.feature_spec = tf.TensorSpec((None,), tf.float32)
    network = rk.ranking_network({"x": layer}, interaction=lambda vectors: vectors[0])
    rk.export.save(network, tmp_path / "1", sample={"x": [1.0, 2.0]})
    scorer = rk.export.load(tmp_path / "1")
    outputs = scorer.rank_signature(x=tf.constant([-1.0, 2.0, 3.0]), k=tf.constant(3))
    assert outputs["index"].numpy().tolist() == [2, 1, 0]
    with pytest.raises(ValueError, match="Each score must be finite. Got: .*nan"):
        rk.rank(scorer, {}, {"x": [-1.0, 2.0]})


@pytest.mark.parametrize(("signature", "num_arguments"), [("rank", 3), ("rank_indexed", 4)])
def test_signature_of_other_scores_is_not_written(tmp_path, monkeypatch, signature, num_arguments):
    evaluate_factored = servable.evaluate_factored

    def shifted(*arguments):
        shift = 0.01 * (len(arguments) == num_arguments)
        outputs = evaluate_factored(*arguments)
        return tf.nest.map_structure(lambda each: each + shift, outputs)

    monkeypatch.setattr(servable, "evaluate_factored", shifted)
    message = f"The signature {signature} must have the scores of its source"
    with pytest.raises(ValueError, match=message):
        rk.export.save(make_network(), tmp_path / "1", candidates=CANDIDATES)
    assert list(tmp_path.iterdir()) == []
