"""How any scorer is asked for scores."""

import pytest

import rankkit as rk
from rankkit.core.chunking import chunk_rows


def network(width):
    features = {name: rk.layers.IdEmbedding(["7", "42"], width) for name in ("user", "item")}
    return rk.models.factorization_machine(features)


def test_wide_networks_score_fewer_rows_at_a_time():
    narrow, wide, widest = (chunk_rows(network(width)) for width in (17, 1700, 2_000_000))
    assert narrow == 65_536
    # The two vectors, and little beside them, in about a quarter of a gibibyte.
    assert 2**26 // 4000 < wide < 2**26 // 3400
    assert widest == 1024
    assert chunk_rows(rk.RankingModel(network(1700), label="rating")) == wide
    assert chunk_rows(lambda columns: columns) == 16_384


def test_scores_do_not_depend_on_how_many_rows_are_scored_at_a_time(monkeypatch):
    rows, _ = rk.data.synthetic_ratings(500, num_users=12, num_items=9, seed=5)
    features = {
        name: rk.layers.IdEmbedding.from_column(rows[name], 5) for name in ("user_id", "item_id")
    }
    model = rk.RankingModel(rk.models.factorization_machine(features), label="user_rating")
    model.compile("adagrad")
    ranked = {
        "query": {"user_id": rows["user_id"][0]},
        "candidates": {"item_id": sorted(set(rows["item_id"]))},
    }
    whole = rk.evaluate_ranking(model, rows, train=rows, item="item_id").metrics
    ranking = rk.rank(model, *ranked.values())
    sizes = []

    def seven(scorer):
        sizes.append(7)
        return 7

    monkeypatch.setattr("rankkit.evaluation.scored_rows.chunk_rows", seven)
    monkeypatch.setattr("rankkit.ranking.rank.chunk_rows", seven)
    parts = rk.evaluate_ranking(model, rows, train=rows, item="item_id").metrics
    for name in ("rmse", "mae", "auc"):
        assert parts[name] == pytest.approx(whole[name], rel=1e-5)
    assert [item for item, _ in rk.rank(model, *ranked.values())] == [item for item, _ in ranking]
    assert len(sizes) >= 2
