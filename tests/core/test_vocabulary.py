import numpy as np
import pytest

from rankkit.core.vocabulary import check_vocabulary


def test_order_is_kept_and_ids_become_python_values():
    assert check_vocabulary("users", ["b", "a"]) == ["b", "a"]
    assert check_vocabulary("users", np.array([2, 1])) == [2, 1]
    assert set(map(type, check_vocabulary("users", [np.str_("a"), "b"]))) == {str}


@pytest.mark.parametrize(
    ("ids", "error", "text"),
    [
        (["a", "b", "c", "b", "a"], ValueError, r"users must be .*duplicates\. Got: users='b'"),
        ([b"a", "b"], TypeError, r"users must be .*Got: users=b'a'\. Decode"),
        ("abc", TypeError, r"users must be a list of ids\. Got: users='abc'"),
        (7, TypeError, r"users must be a list of ids\. Got: users=7"),
    ],
)
def test_invalid_ids(ids, error, text):
    with pytest.raises(error, match=text):
        check_vocabulary("users", ids)
