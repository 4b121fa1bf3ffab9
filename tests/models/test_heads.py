"""Settings by head; heads of whole models are in tests/training/test_multiple_heads.py."""

import pytest
import rankkit as rk

from rankkit.models.heads import per_head

SINGLE, SEVERAL = [None], ["rating", "click"]


@pytest.mark.parametrize(
    ("value", "heads", "expected"),
    [
        (None, SINGLE, {}),
        (None, SEVERAL, {}),
        ("weight", SINGLE, {None: "weight"}),
        ("weight", SEVERAL, {"rating": "weight", "click": "weight"}),
        ({"click": "weight"}, SEVERAL, {"click": "weight"}),
    ],
)
def test_setting_is_expanded_to_heads(value, heads, expected):
    assert per_head("sample_weight", value, heads) == expected


@pytest.mark.parametrize(
    ("value", "heads", "error", "message"),
    [
        ({"rating": "mse"}, SINGLE, TypeError, "loss must not be a dict by head.*a single head"),
        ("mse", SEVERAL, TypeError, r"loss must be a dict by head.*loss=\{'rating': \.\.\.\}"),
        ({"clicks": "mse"}, SEVERAL, ValueError, "head in loss 'clicks'.*Did you mean 'click'"),
    ],
)
def test_setting_that_does_not_fit_the_heads_is_rejected(value, heads, error, message):
    with pytest.raises(error, match=message):
        per_head("loss", value, heads, can_be_shared=False)


def test_model_of_several_heads_needs_a_label():
    heads = {"rating": rk.layers.DenseRatingHead([2])}
    features = {"user_id": rk.layers.IdEmbedding(["a"], 2)}
    network = rk.ranking_network(features, head=heads, score={"rating": 1.0})
    with pytest.raises(ValueError, match="label must be .* a dict with at least one head"):
        rk.RankingModel(network, label={})
