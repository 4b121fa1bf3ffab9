import pytest
import tensorflow as tf
from rankkit.core.features import check_utf8


@pytest.mark.parametrize("rows", [1, 5_000])  # by Python, and by TensorFlow
def test_each_string_must_be_utf8_by_itself(rows):
    check_utf8("id", tf.constant(["ü"] * rows))
    check_utf8("id", tf.ragged.constant([["ü"], []] * rows))
    for texts in ([b"a"] * rows + [b"\xc3"], [[b"\xc3", b"\xbc"]] * rows):  # together, "ü"
        with pytest.raises(ValueError, match=r"Each string in column 'id' must .*Got: b'\\xc3'"):
            check_utf8("id", tf.constant(texts))
