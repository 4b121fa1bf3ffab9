import numpy as np
import pytest

from rankkit.core.vocabulary import check_vocabulary


def test_ids_keep_their_order_and_become_python_values():
    assert check_vocabulary("users", ["b", "a"]) == ["b", "a"]
    assert check_vocabulary("users", np.array([2, 1])) == [2, 1]
    assert set(map(type, check_vocabulary("users", [np.str_("a"), "b"]))) == {str}


@pytest.mark.parametrize(
    ("ids", "error", "text"),
    [
        (["a", "b", "c", "b", "a"], ValueError, r"users contains 'b' more than once"),
        ([b"a", "b"], TypeError, r"Each id in users must be str or int\. Got: b'a'\. Decode"),
        ([True, False], TypeError, r"Each id in users must be str or int\. Got: True\."),
        (["a", 1], TypeError, r"Ids in users must be all str or all int\. Got: \['a', 1\]"),
        ("abc", TypeError, r"users must be a list of ids\. Got: users='abc'"),
        (7, TypeError, r"users must be a list of ids\. Got: users=7"),
    ],
)
def test_unsuitable_ids_raise(ids, error, text):
    with pytest.raises(error, match=f"^{text}"):
        check_vocabulary("users", ids)
