"""Candidates that are registered with an export, and exports without the signatures that rank."""

import numpy as np
import pandas as pd
import pytest
import rankkit as rk
from rankkit.export import servable
import tensorflow as tf

from rankkit.export.servable import outputs_in_parts
from rankkit.models.network import feature_specs

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


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    network = make_network()
    folder = tmp_path_factory.mktemp("registered") / "1"
    rk.export.save(network, folder, candidates=CANDIDATES)
    return network, folder


def by_rows(network, user, **arguments):
    """The ranking by a scorer of rows, which nothing takes apart."""

    class Scorer:
        feature_specs = feature_specs(network)

        def __call__(self, columns):
            return network({name: columns[name] for name in network.input}).numpy()

    return rk.rank(Scorer(), {"user_id": user}, CANDIDATES, **arguments)


def test_the_signature_needs_the_query_alone(saved):
    network, folder = saved
    rank = tf.saved_model.load(str(folder)).signatures["rank_indexed"]
    assert set(rank.structured_input_signature[1]) == {"user_id", "k"}
    for user in ("42", "nobody"):
        outputs = rank(user_id=tf.constant([user]), k=tf.constant(3))
        expected = by_rows(network, user, k=3)
        titles = [title.decode() for title in outputs["movie_title"].numpy()]
        assert titles == [candidate["movie_title"] for candidate, _ in expected]
        assert outputs["shelf"].numpy().tolist() == [each["shelf"] for each, _ in expected]
        assert [CANDIDATES["movie_title"][i] for i in outputs["index"].numpy()] == titles
        np.testing.assert_allclose(outputs["rating"], [s for _, s in expected], atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="k must be an integer of at least 1"):
        rank(user_id=tf.constant(["42"]), k=tf.constant(0))


def test_rank_takes_the_candidates_of_an_export(saved):
    network, folder = saved
    scorer = rk.export.load(folder)
    assert repr(scorer.candidates).startswith("SavedCandidates(4 of 'movie_title', 'tags', ")
    for arguments in ({}, {"k": 2}, {"k": 1, "exclude": {"movie_title": ["a", "c"]}}):
        ours = rk.rank(scorer, {"user_id": "7"}, scorer.candidates, **arguments)
        theirs = by_rows(network, "7", **arguments)
        assert [each for each, _ in ours] == [each for each, _ in theirs]
        assert [s for _, s in ours] == pytest.approx([s for _, s in theirs], abs=1e-5)
    both = rk.rank(scorer, {"user_id": ["7", "42"]}, scorer.candidates, k=1)
    alone = [by_rows(network, user, k=1) for user in ("7", "42")]
    assert [[each for each, _ in one] for one in both] == [[e for e, _ in one] for one in alone]


def test_all_outputs_of_several_heads_are_registered(tmp_path):
    steps = rk.layers.OrdinalHead([1, 2, 3], [8])
    heads = {"rating": steps, "click": rk.layers.DenseRatingHead([8])}
    network = make_network(head=heads, score={"rating": 1.0, "click": 0.5})
    candidates = {"movie_title": TITLES, "tags": [["x"], [], []]}
    rk.export.save(network, tmp_path / "1", candidates=pd.DataFrame(candidates))
    scorer = rk.export.load(tmp_path / "1")
    outputs = scorer.loaded.signatures["rank_indexed"](user_id=tf.constant(["7"]), k=tf.constant(2))
    rows = {
        "user_id": tf.constant(["7"] * 2),
        "movie_title": outputs["movie_title"],
        "tags": outputs["tags"],
    }
    expected = network(rows)
    for name in ("click", "rating_distribution"):
        np.testing.assert_allclose(outputs[name], expected[name], atol=1e-5)
    np.testing.assert_allclose(outputs["score"], expected["score"][:, 0], atol=1e-5)
    with pytest.raises(ValueError, match="candidates must be registered with the scorer"):
        rk.rank(scorer.head("click"), {"user_id": "7"}, scorer.candidates)
    model = rk.RankingModel(network, label={"rating": "r", "click": "c"})
    click = rk.rank(scorer.head("click"), {"user_id": "7"}, candidates)
    live = rk.rank(model.head("click"), {"user_id": "7"}, candidates)
    assert [s for _, s in click] == pytest.approx([s for _, s in live], abs=1e-5)


def test_queries_that_do_not_go_with_registered_candidates_are_named(saved):
    scorer = rk.export.load(saved[1])
    with pytest.raises(ValueError, match="Feature 'movie_title' is given twice"):
        rk.rank(scorer, {"user_id": "7", "movie_title": "a"}, scorer.candidates)
    with pytest.raises(ValueError, match="Missing feature 'user_id'"):
        rk.rank(scorer, {}, scorer.candidates)
    with pytest.raises(ValueError, match="candidates must be registered with the scorer"):
        rk.rank(saved[0], {"user_id": "7"}, scorer.candidates)
    with pytest.raises(ValueError, match="candidates must be registered with the scorer"):
        rk.rank(scorer, {"user_id": "7"}, rk.CandidateIndex(saved[0], CANDIDATES))


@pytest.mark.parametrize(
    ("candidates", "words"),
    [
        ({"movie": ["a"]}, "columns of the candidates must be of at least one feature"),
        ({"movie_title": []}, "candidates must be at least one, to be registered"),
        ({"movie_title": ["a"], "rating": [1]}, "feature name must be none of .*'rating'"),
        ({"movie_title": ["a"], "two words": [1]}, "feature name must be letters"),
        ({"movie_title": ["a"], "kind": [{}]}, "feature 'kind' must be values of one kind"),
    ],
)
def test_candidates_that_cannot_be_exported_are_named(saved, tmp_path, candidates, words):
    with pytest.raises((ValueError, TypeError), match=words):
        rk.export.save(saved[0], tmp_path / "1", candidates=candidates)
    assert list(tmp_path.iterdir()) == []


def test_a_column_named_as_an_output_is_refused(tmp_path):
    heads = {name: rk.layers.DenseRatingHead([]) for name in ("like", "click")}
    network = make_network(head=heads, score={"click": 1.0})
    with pytest.raises(ValueError, match="column of the candidates must be none of the outputs'"):
        rk.export.save(network, tmp_path / "1", candidates={"movie_title": ["a"], "click": [1]})


def without_ranking(network, folder):
    """An export as other code writes it: it scores rows, and has no signature that ranks."""
    specs = feature_specs(network)
    part = tf.Module()
    part.network = network
    part.__call__ = tf.function(lambda columns: network(columns), input_signature=[specs])
    serve = tf.function(lambda **columns: {"rating": network(columns)})
    signatures = {"serving_default": serve.get_concrete_function(**specs)}
    tf.saved_model.save(part, str(folder), signatures=signatures)


def test_an_export_without_the_signatures_is_ranked_by_its_rows(saved, tmp_path):
    without_ranking(saved[0], tmp_path / "1")
    scorer = rk.export.load(tmp_path / "1")
    assert scorer.rank_signature is None
    expected = rk.rank(rk.export.load(saved[1]), {"user_id": "7"}, CANDIDATES)
    for each in (scorer, tf.saved_model.load(str(tmp_path / "1"))):
        ranking = rk.rank(each, {"user_id": "7"}, CANDIDATES)
        assert [one for one, _ in ranking] == [one for one, _ in expected]
        assert [s for _, s in ranking] == pytest.approx([s for _, s in expected], abs=1e-5)
    with pytest.raises(ValueError, match="must be some with 'rank_indexed'.*candidates=..."):
        _ = scorer.candidates


def test_a_signature_of_that_name_with_another_meaning_is_left_alone(saved, tmp_path):
    loaded = tf.saved_model.load(str(saved[1]))

    class Other:
        def __init__(self):
            serve = loaded.signatures["serving_default"]
            self.signatures = {"serving_default": serve, "rank": serve}

        def __call__(self, columns):
            return loaded(dict(columns))

    ours = rk.rank(Other(), {"user_id": "7"}, CANDIDATES)
    theirs = rk.rank(saved[0], {"user_id": "7"}, CANDIDATES)
    assert [s for _, s in ours] == pytest.approx([s for _, s in theirs], abs=1e-5)


def test_scores_that_are_no_number_come_last_in_the_graph(tmp_path):
    layer = tf.keras.layers.Lambda(lambda x: tf.math.log(tf.reshape(x, (-1, 1))))
    layer.feature_spec = tf.TensorSpec((None,), tf.float32)
    network = rk.ranking_network({"x": layer}, interaction=lambda vectors: vectors[0])
    rk.export.save(network, tmp_path / "1", sample={"x": [1.0, 2.0]})
    scorer = rk.export.load(tmp_path / "1")
    outputs = scorer.rank_signature(x=tf.constant([-1.0, 2.0, 3.0]), k=tf.constant(3))
    assert outputs["index"].numpy().tolist() == [2, 1, 0]
    with pytest.raises(ValueError, match="scores must be finite. Got: scores=.*nan"):
        rk.rank(scorer, {}, {"x": [-1.0, 2.0]})


def test_a_signature_that_ranks_otherwise_is_not_written(tmp_path, monkeypatch):
    whole = outputs_in_parts

    def off(*arguments):
        return tf.nest.map_structure(lambda each: each + 0.01, whole(*arguments))

    monkeypatch.setattr(servable, "outputs_in_parts", off)
    with pytest.raises(ValueError, match="The signature rank must score as its source does"):
        rk.export.save(make_network(), tmp_path / "1")
    monkeypatch.setattr(
        servable, "outputs_in_parts", lambda *given: (off if len(given) > 3 else whole)(*given)
    )
    with pytest.raises(ValueError, match="The signature rank_indexed must score as its source"):
        rk.export.save(make_network(), tmp_path / "1", candidates=CANDIDATES)
    assert list(tmp_path.iterdir()) == []
