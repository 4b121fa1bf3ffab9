import gzip
import io
import itertools
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_svmlight_file

from rankkit.data import read_svmlight
from rankkit.data.readers import svmlight

NAN = np.nan
ROWS = "2 qid:7 1:0.5 3:4 # docid = a\n0 qid:7 2:-1e-3\n1 qid:8 \n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="rows.txt"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_columns_have_documented_names_shapes_and_types(write):
    columns = read_svmlight(write(ROWS))
    assert {name: column.dtype for name, column in columns.items()} == {
        "query_id": np.int64,
        "label": np.float32,
        "features": np.float32,
    }
    assert columns["query_id"].tolist() == [7, 7, 8]
    assert columns["label"].tolist() == [2, 0, 1]
    expected = np.array([[0.5, 0, 4], [0, -1e-3, 0], [0, 0, 0]], np.float32)
    np.testing.assert_array_equal(columns["features"], expected)


def test_comments_are_a_column_on_request(write):
    path = write("# header\n\n" + ROWS + "   # only a comment\n")
    assert "comment" not in read_svmlight(path)
    columns = read_svmlight(path, comments=True)
    assert columns["comment"].tolist() == ["docid = a", "", ""]
    assert len(columns["label"]) == 3


def test_missing_values_are_nan_and_absent_ones_zero_by_default(write):
    path = write("1 1:nan 2:NaN 3:NA 4: 6:5\n0 5:0\n")
    expected = [[NAN, NAN, NAN, NAN, 0, 5], [0, 0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(read_svmlight(path)["features"], expected)
    expected = [[NAN, NAN, NAN, NAN, NAN, 5], [NAN, NAN, NAN, NAN, 0, NAN]]
    np.testing.assert_array_equal(read_svmlight(path, absent=NAN)["features"], expected)
    assert read_svmlight(path, absent=-1)["features"][1].tolist() == [-1, -1, -1, -1, 0, -1]


def test_signs_tabs_windows_line_ends_and_any_order_of_indices(write):
    columns = read_svmlight(write("+1 1:+2\t3:.5\r\n-0.5 3:1 1:2.\r\n"))
    assert columns["label"].tolist() == [1, -0.5]
    assert columns["features"].tolist() == [[2, 0, 0.5], [2, 0, 1]]
    assert "query_id" not in columns


def test_values_are_rounded_once(write):
    # As a double, this is the tie 1 + 2**-24, which would be rounded to 1.
    text = "1.0000000596046448"
    [[value]] = read_svmlight(write(f"0 1:{text}\n"))["features"]
    assert value == np.float32(1 + 2**-23)


@pytest.mark.parametrize(
    ("texts", "arguments", "expected"),
    [
        (["0 1:1\n", "0 3:1\n"], {}, [[1, 0, 0], [0, 0, 1]]),
        (["0 1:1\n", "0 0:1\n"], {}, [[0, 1], [1, 0]]),
        (["0 1:1\n"], {"zero_based": True}, [[0, 1]]),
        (["0 1:1\n"], {"zero_based": True, "num_features": 3}, [[0, 1, 0]]),
        (["0 1:1\n"], {"zero_based": False, "num_features": 3}, [[1, 0, 0]]),
        (["0 3:1\n"], {"num_features": 3}, [[0, 0, 1]]),
        (["0 0:1\n"], {"num_features": 3}, [[1, 0, 0]]),
        (["0\n"], {"num_features": 2}, [[0, 0]]),
    ],
)
def test_all_files_have_one_width_and_one_first_index(write, texts, arguments, expected):
    paths = [write(text, f"{number}.txt") for number, text in enumerate(texts)]
    features = read_svmlight(paths, **arguments)["features"]
    np.testing.assert_array_equal(features, expected)
    blank = write("\n", "9.txt")  # is no file of another width
    np.testing.assert_array_equal(read_svmlight([*paths, blank], **arguments)["features"], features)


def test_several_files_are_read_in_order(write, tmp_path):
    for number in (2, 1):
        write(gzip.compress(f"{number} qid:{number} 1:{number}\n".encode()), f"{number}.txt.gz")
    for paths in (str(tmp_path / "*.gz"), tmp_path):
        assert read_svmlight(paths)["query_id"].tolist() == [1, 2]
    given = [tmp_path / "2.txt.gz", str(tmp_path / "1.txt.gz")]
    assert read_svmlight(given)["query_id"].tolist() == [2, 1]


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_rows_that_are_written_are_read_as_by_scikit_learn(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("svmlight")
    width, first = data.draw(st.integers(1, 6)), data.draw(st.integers(0, 1))
    number = st.one_of(st.just(0.0), st.floats(width=32, allow_infinity=False))
    row = st.tuples(
        st.lists(number, min_size=width, max_size=width),
        st.floats(-4, 4, width=32),
        st.integers(-(2**63), 2**63 - 1),
    )
    files = data.draw(st.lists(st.lists(row, min_size=1, max_size=12), min_size=1, max_size=3))
    paths = [folder / f"{name}.txt" for name in range(len(files))]
    for path, rows in zip(paths, files, strict=True):
        lines = []
        for values, label, query in rows:
            pairs = (f"{index}:{value!r}" for index, value in enumerate(values, first) if value)
            lines.append(" ".join([repr(label), f"qid:{query}", *pairs]))
        path.write_text("\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(svmlight, "_BLOCK_BYTES", data.draw(st.sampled_from([1, 99, 1 << 20])))
        columns = read_svmlight(paths, num_features=width, zero_based=not first)
    written = [np.array(each) for each in zip(*itertools.chain(*files), strict=True)]
    same_settings: Any = {"n_features": width, "zero_based": not first, "query_id": True}
    same_settings["dtype"] = np.float32
    read = [load_svmlight_file(path, **same_settings) for path in paths]
    theirs = [
        np.concatenate(parts) for parts in zip(*((x.toarray(), *y) for x, *y in read), strict=True)
    ]
    for number, name in enumerate(("features", "label", "query_id")):
        np.testing.assert_array_equal(columns[name], written[number])
        np.testing.assert_array_equal(columns[name], theirs[number])


# --- Malformed files and arguments ---

PAIR = "a feature must be index:value, an integer of at least 0 and a finite number. Got: "
LABEL = r"the label must be a number from -2\^24 to 2\^24, which float32 holds\. Got: "
QUERY = r"the query must be qid: and an integer below 2\^63\. Got: "
MALFORMED = [
    ("x qid:1 1:2", LABEL + "'x'"),
    ("nan qid:1 1:2", LABEL + "'nan'"),
    ("inf qid:1 1:2", LABEL + "'inf'"),
    ("1,2 qid:1 1:2", LABEL + r"'1,2'\. Read CSV files with rankkit\.data\.read_csv"),
    ("1_0 qid:1 1:2", LABEL + "'1_0'"),
    ("16777217 qid:1 1:2", LABEL + "'16777217'"),
    ("1:0.5 qid:1 1:2", LABEL + "'1:0.5'"),
    ("1 qid:a 1:2", QUERY + "'qid:a'"),
    ("1 qid:1.5 1:2", QUERY + r"'qid:1\.5'"),
    ("1 qid: 1:2", QUERY + "'qid:'"),
    ("1 qid:9223372036854775808 1:2", QUERY + "'qid:9223372036854775808'"),
    ("1 1:2", r"the row must have a qid, as the first has\. Got: none"),
    ("1", r"the row must have a qid, as the first has\. Got: none"),
    ("1 qid:1 qid:2 1:2", PAIR + "'qid:2'"),
    ("1 qid:1 1:2:3 4", PAIR + "'1:2:3'"),
    ("1 qid:1 1 2", PAIR + "'1'"),
    ("1 qid:1 1: 2", PAIR + "'2'"),
    ("1 qid:1 :2", PAIR + "':2'"),
    ("1 qid:1 1:2 a:2", PAIR + "'a:2'"),
    ("1 qid:1 -1:2", PAIR + "'-1:2'"),
    ("1 qid:1 1.5:2", PAIR + r"'1\.5:2'"),
    ("1 qid:1 9223372036854775808:2", PAIR),
    ("1 qid:1 1:x", PAIR + "'1:x'"),
    ("1 qid:1 1:1_0", PAIR + "'1:1_0'"),
    ("1 qid:1 1:-inf", PAIR + "'1:-inf'"),
    ("1 qid:1 1:1e39", PAIR + "'1:1e39'"),
    ('1 qid:1 1:"2"', PAIR),
    ("1 qid:1 1:2 3:1 1:4", r"a row must not repeat an index\. Got: 1 several times"),
    ("1 qid:1 1:2 1:2", r"a row must not repeat an index\. Got: 1 several times"),
]


@pytest.mark.parametrize(("line", "text"), MALFORMED)
@pytest.mark.parametrize("block", [1, 1 << 20])
def test_malformed_line_is_named(write, monkeypatch, line, text, block):
    monkeypatch.setattr(svmlight, "_BLOCK_BYTES", block)
    good = write("0 qid:1 1:2 3:4\n", "0.txt")
    path = write("# header\n\n" + "0 qid:1 2:3\n" * 5 + line + "\n0 qid:2 1:1\n0\n", "1.txt")
    with pytest.raises(ValueError, match=rf"1\.txt, line 8: {text}.*\.$"):
        read_svmlight([good, path])


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_changed_byte_gives_rows_or_an_error_with_the_line(tmp_path_factory, data):
    """Whatever is in a line, it is read as scikit-learn reads it, or refused by its number."""
    lines = [
        bytearray(b"2 qid:7 1:0.5 9:4 # a"),
        bytearray(b"0 qid:7 2:-1e-3"),
        bytearray(b"1 qid:8 3:7"),
    ]
    number = data.draw(st.integers(0, 2))
    position = data.draw(st.integers(0, len(lines[number]) - 1))
    lines[number][position] = data.draw(st.sampled_from(b"159:.-+ #\tqidnae,_\0\xff\"'\\"))
    text = b"\n".join(lines) + b"\n"
    path = tmp_path_factory.mktemp("svmlight") / "rows.txt"
    path.write_bytes(text)
    refused, columns = "", {}
    try:
        columns = read_svmlight(path, zero_based=True, num_features=10, comments=True)
    except ValueError as error:
        refused = str(error)
    if refused:
        assert f"{path}, line " in refused
        return
    text = re.sub(rb":(?=[ \t#\n])", b":nan", text)  # an empty value is missing
    settings: Any = {"n_features": 10, "zero_based": True, "query_id": True, "dtype": np.float32}
    features, labels, queries = load_svmlight_file(io.BytesIO(text), **settings)
    np.testing.assert_array_equal(columns["features"], features.toarray())
    np.testing.assert_array_equal(columns["label"], labels.astype(np.float32))
    np.testing.assert_array_equal(columns.get("query_id", []), queries)


def test_index_that_needs_too_much_memory_is_named(write):
    path = write("0 1:2\n\n0 1:1 99999999999999:1\n0 5:1\n")
    message = r"line 3: the features must fit in memory\. Got: 3 rows .* up to 99,999,999,999,999,"
    with pytest.raises(ValueError, match=message):
        read_svmlight(path)


def test_query_id_in_later_rows_only(write):
    path = write("0 1:1\n0 qid:3 1:1\n")
    with pytest.raises(ValueError, match=r"line 2: the row must have no qid, .* Got: 'qid:3'\.$"):
        read_svmlight(path)
    other = write("0 qid:3 1:1\n", "s.txt")
    with pytest.raises(ValueError, match=r"s\.txt, line 1: the row must have no qid"):
        read_svmlight([write("0 1:1\n"), other])


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (
            "0 4:1\n",
            {"num_features": 2},
            r"line 1: a .* from 0 to 2 for num_features=2 .*'4:1'\. To",
        ),
        ("0 0:1\n", {"zero_based": False}, "line 1: a .* an integer of at least 1 .*'0:1'"),
        (
            "0 2:1\n",
            {"zero_based": True, "num_features": 2},
            "line 1: a .* from 0 to 1 for .*'2:1'",
        ),
        ("0 0:1 2:1\n", {"num_features": 2}, r"num_features must be 3 for .*0 to 2\. Got: .*=2"),
        ("0 1:1\n", {"num_features": 2}, r"zero_based must be .* no index is 0 or 2.* training"),
        ("0 1:1\n", {"num_features": 0}, "num_features must be an integer of at least 1"),
        ("0 1:1\n", {"zero_based": "no"}, "zero_based must be True, False or 'auto'. Got"),
        ("0 1:1\n", {"zero_based": 1}, "zero_based must be True, False or 'auto'. Got"),
        ("", {}, "paths must be files with at least one row"),
        ("# a\n", {}, "paths must be files with at least one row"),
        ("0\n", {}, "files must have at least one feature.*Pass num_features"),
        (gzip.compress(b"0 1:1\n", mtime=0), {}, "rows.txt must be a file of lines label .* gzip"),
        ("0 1:1\n".encode("utf-16"), {}, "rows.txt must be text in UTF-8. Got: UTF-16"),
    ],
)
def test_file_or_argument_is_refused(write, text, arguments, message):
    with pytest.raises(ValueError, match=message):
        read_svmlight(write(text), **arguments)


@pytest.mark.parametrize("absent", [True, "0.3", None, [0.3], -np.inf])
def test_absent_must_be_a_number(write, absent):
    with pytest.raises(ValueError, match=r"absent must be a finite number or NaN\. Got: absent="):
        read_svmlight(write(ROWS), absent=absent)


def test_damaged_archive_is_refused(write):
    path = write(gzip.compress(b"0 1:1\n" * 1000)[:-12], "rows.gz")
    with pytest.raises(ValueError, match=r"rows.gz' cannot be read as a file of lines .*Truncated"):
        read_svmlight(path)


def test_comment_in_another_encoding_is_named_if_it_is_read(write):
    path = write("0 1:1\n0 1:1 # é\n".encode("latin-1"))
    assert len(read_svmlight(path)["label"]) == 2
    with pytest.raises(ValueError, match=r"rows\.txt, line 2: 'utf-8' codec"):
        read_svmlight(path, comments=True)


def test_byte_order_mark_is_skipped(write):
    assert read_svmlight(write("\ufeff1 qid:2 1:3\n"))["label"].tolist() == [1]


def test_file_of_one_kind_of_query_is_read_as_it_is(write):
    """Rows of a query may be apart, or be a single one, and labels may be equal or negative."""
    text = "-1 qid:5 1:1\n0.25 qid:3 1:2\n-1 qid:5 1:3\n"
    columns = read_svmlight([write(text), write("3 qid:5 1:4\n", "s.txt")])
    assert columns["query_id"].tolist() == [5, 3, 5, 5]
    assert columns["label"].tolist() == [-1, 0.25, -1, 3]
    assert list(itertools.chain(*columns["features"].tolist())) == [1, 2, 3, 4]
