"""Which layers are computed by parts of their inputs."""

import pytest
import rankkit as rk

from rankkit.core.partial import supports_parts

L = rk.layers


def make(layer_class, **arguments):
    return layer_class(L.IdEmbedding(["x"], 4), **arguments)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (L.DenseRatingHead(), True),
        (L.OrdinalHead([1, 2]), True),
        (L.HistoryEmbedding(["u"], [["x"]], 3), True),
        (make(L.SequenceMean), True),
        (make(L.TargetAttention), True),
        (make(L.TargetTransformer), True),
        (L.IdEmbedding(["x"], 4), False),
    ],
    ids=lambda each: type(each).__name__,
)
def test_layers_with_a_method_for_parts_use_it_unless_a_subclass_changes_the_result(
    layer, expected
):
    assert supports_parts(layer) == expected
    for method in ("call", "encode", "embed"):
        kind = type(layer)
        changed = type(kind.__name__, (kind,), {method: getattr(kind, method, None)})
        layer.__class__ = changed
        assert not supports_parts(layer)
        layer.__class__ = kind
