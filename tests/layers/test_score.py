import math

import pytest
import rankkit as rk


@pytest.mark.parametrize("weights", [{}, {"a": 0.0}, {"a": math.nan}, {"a": True}, {"a": "1"}, "a"])
def test_weights_that_are_not_finite_numbers_raise(weights):
    with pytest.raises(ValueError, match="weights must be a finite number for each head"):
        rk.layers.WeightedScore(weights)
