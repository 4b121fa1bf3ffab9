import numpy as np
import pytest
import tensorflow as tf
from rankkit.core.columns import to_tensor
from rankkit.core.features import as_feature
from rankkit.core.precision import check_float32, to_float32, to_int64

EXACT = 2**24
ROUNDED = r"must not have numbers beyond 2\^24 \(16,777,216\) that float32 rounds"
# float32 has 24 binary digits: odd numbers beyond 2^24 are the first that it lacks.
# float64 has rounded 2^64 - 1 to 2.0**64.
LOSSY = [EXACT + 1, -EXACT - 1, EXACT + 0.5, 1_700_000_001.25, 2**63 - 1, 1e300, 2.0**64]
LOSSY += [np.uint64(2**64 - 1), np.int32(EXACT + 1)]
FITS = [
    np.array([EXACT, -EXACT, 0]),
    np.array([2**40, EXACT + 2]),
    np.array([0.1, 1e-300, np.nan, np.inf, -np.inf]),
    np.array([True, False]),
    np.array([1e30], np.float32),
    np.array([EXACT - 1], np.uint32),
]


@pytest.mark.parametrize("number", LOSSY, ids=str)
def test_rounding_is_refused(number):
    column = np.array([number])
    with pytest.raises(ValueError, match=f"^x {ROUNDED}. Got: .*int64"):
        check_float32("x", column)
    for function in (to_float32, tf.function(to_float32)):
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"x {ROUNDED}"):
            function("x", tf.constant(column))
    spec = tf.TensorSpec((None,), tf.float32)
    with pytest.raises(ValueError, match=f"Feature 'x' {ROUNDED}"):
        to_tensor("x", column.tolist(), spec)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"Column 'x' {ROUNDED}"):
        as_feature("x", column, spec)


@pytest.mark.parametrize("column", FITS, ids=str)
def test_other_numbers_become_float32(column):
    check_float32("x", column)
    result = to_float32("x", tf.constant(column))
    np.testing.assert_array_equal(result, column.astype(np.float32))


def test_unsigned_integers_are_not_wrapped():
    assert to_int64("x", tf.constant([2**63 - 1], tf.uint64)).numpy() == [2**63 - 1]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"x must have integers below 2\^63"):
        to_int64("x", tf.constant([2**63], tf.uint64))
