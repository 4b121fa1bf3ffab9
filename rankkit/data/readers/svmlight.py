"""Reader of files of labels, query ids and numbered features, for learning to rank."""

import codecs
import io
import math
import reprlib
from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from rankkit.data.readers.csv import FILE_START, check_start
from rankkit.data.readers.paths import file_paths
from rankkit.utils.errors import check_boolean, check_integer, invalid, is_number, unreadable
from rankkit.utils.system import available_memory

_BLOCK_BYTES = 1 << 20  # of text that is parsed at once
_KIND = "a file of lines label qid:query index:value"
_QUERY = b"qid:"
_MAX_LABEL = 2**24  # float32 holds all integers up to this one
_READ = pc.ReadOptions(column_names=["index", "value"], use_threads=False)
_PARSE = pc.ParseOptions(delimiter=":", quote_char=False)
_CONVERT = pc.ConvertOptions(
    column_types={"index": pa.int64(), "value": pa.float32()},
    null_values=["", "NA", "NaN", "nan"],
)


def read_svmlight(
    paths: str | PathLike[str] | Iterable[str | PathLike[str]],
    *,
    num_features: int | None = None,
    zero_based: bool | str = "auto",
    absent: float = 0.0,
    comments: bool = False,
) -> dict[str, np.ndarray]:
    r"""Reads labels, query ids and a matrix of numeric features, for learning to rank.

    Each line is `label qid:query index:value ... # comment`, as in LETOR and MSLR-WEB, and in the
    files of LightGBM, XGBoost and scikit-learn. Values are rounded to `float32`; `nan`, `NaN`, `NA`
    and an empty value are missing and become NaN. Files ending in `.gz`, `.bz2` or `.zst` are
    decompressed. Reading takes about twice the memory of the features.

    The lines say neither how many features there are nor whether they count from 0 or 1. Pass
    `num_features` and `zero_based` where two calls must give the same columns, as for training and
    test files: otherwise an index that only one of them has shifts or widens its matrix. If indices
    count from 1, feature 1 is column 0 of the matrix, which is its number in warnings and plots.

    Rows with the same query id belong to one query, wherever they are. Queries of one document or
    of equal labels are kept. Labels may be negative or fractional: losses and metrics say which
    they take.

    Args:
        paths: A file, a folder, a pattern such as `"Fold1/*.txt"`, or a list of these, which are
            read in this order.
        num_features: Number of features. Defaults to `None`: as many as the largest index needs.
        zero_based: Whether the first feature has the index 0. Defaults to `"auto"`: it has if any
            of the files has an index 0.
        absent: Value of features that a line leaves out. They are 0 by the convention of the
            format; XGBoost treats them as missing, as `float("nan")` does. Defaults to `0.0`.
        comments: Whether to add the text after `#` as a column `comment`; in LETOR, it has the id
            of the document. Defaults to `False`.

    Returns:
        A dict of columns: `query_id`, `int64` of shape `(rows,)`, if the lines have one; `label`,
        `float32` of shape `(rows,)`; `features`, `float32` of shape `(rows, features)`; with
        `comments`, `comment`, an object array of `str`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line cannot be parsed, has an infinite number, the same index twice or one
            that is out of range, or differs from the first line in whether it has a query id: the
            message has the file and the number of the line. If there are no rows or no features,
            the features do not fit in memory, or both 0 and 1 can be the first index.

    Example:
        >>> import pathlib, tempfile
        >>> import rankkit as rk
        >>> file = pathlib.Path(tempfile.mkdtemp(), "train.txt")
        >>> _ = file.write_text("2 qid:7 1:0.5 3:4 # a\n0 qid:7 1:NA\n1 qid:8 2:1\n")
        >>> rows = rk.data.read_svmlight(file)
        >>> rows["query_id"].tolist(), rows["label"].tolist()
        ([7, 7, 8], [2.0, 0.0, 1.0])
        >>> rows["features"].tolist()
        [[0.5, 0.0, 4.0], [nan, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    if num_features is not None:
        num_features = check_integer("num_features", num_features)
    is_auto = isinstance(zero_based, str) and zero_based == "auto"
    base = None if is_auto else check_boolean("zero_based", zero_based, "True, False or 'auto'")
    if not is_number(absent) or math.isinf(absent):
        raise invalid("absent", absent, "a finite number or NaN")
    comments = check_boolean("comments", comments)
    files = file_paths(paths)
    parser = _Parser(num_features, base, comments)
    labels, queries, texts, matrices = [], [], [], []
    for path in files:
        for rows in parser.read(path):
            labels.append(rows.labels)
            queries.append(rows.queries)
            texts += rows.comments
            matrices.append(rows.matrix(absent))
    if not labels:
        raise invalid("paths", files, "files with at least one row")
    first, width = parser.columns()
    features = np.empty((sum(map(len, labels)), width), np.float32)
    stop = len(features)
    while matrices:  # frees each once it is copied
        matrix = matrices.pop()[:, first:]
        part = features[stop - len(matrix) : stop]
        part[:, : matrix.shape[1]] = matrix
        part[:, matrix.shape[1] :] = absent
        stop -= len(matrix)
    columns = {"query_id": np.concatenate(queries), "label": np.concatenate(labels)}
    columns |= {"features": features, "comment": np.array(texts, object)}
    return {name: column for name, column in columns.items() if len(column)}


class _Rows(NamedTuple):
    """The rows of consecutive lines, and their features as pairs of an index and a value."""

    lines: list[int]  # the position of each row among the lines
    queries: np.ndarray  # empty if the rows have none
    labels: np.ndarray
    comments: list[str]
    row: np.ndarray  # of each pair
    indices: np.ndarray
    values: np.ndarray

    def matrix(self, absent: float) -> np.ndarray:
        """Returns the features as a matrix whose first column has the index 0."""
        matrix = np.full((len(self.lines), self.indices.max(initial=-1) + 1), absent, np.float32)
        matrix[self.row, self.indices] = self.values
        return matrix


class _Parser:
    """Reads files with the same features, of which all rows or none have query ids."""

    def __init__(self, num_features: int | None, zero_based: bool | None, comments: bool):
        self._num_features = num_features
        self._zero_based = zero_based
        self._comments = comments
        self._has_queries: bool | None = None  # unknown before the first row
        self._num_rows = 0
        self._smallest, self._largest = math.inf, -1

    def read(self, path: str) -> Iterator[_Rows]:
        """Reads the rows of a file, some lines at a time."""
        first_line = 1
        try:
            with io.BufferedReader(pa.input_stream(path)) as file:
                check_start(path, file.peek(FILE_START)[:FILE_START], _KIND)
                while lines := file.readlines(_BLOCK_BYTES):
                    if first_line == 1:
                        lines[0] = lines[0].removeprefix(codecs.BOM_UTF8)
                    rows = self._parse_or_locate(lines, path, first_line)
                    if rows.lines:
                        self._update(rows, path, first_line)
                        yield rows
                    first_line += len(lines)
        except OSError as error:
            raise unreadable(path, _KIND, error) from error

    def columns(self) -> tuple[int, int]:
        """Returns the index of the first feature, and the number of features."""
        given, num_indices = self._num_features, self._largest + 1
        first = int(self._smallest > 0) if self._zero_based is None else int(not self._zero_based)
        if given is None and num_indices <= first:
            fix = "Pass num_features for rows that leave all of them out."
            raise ValueError(f"The files must have at least one feature. Got: none. {fix}")
        if given is not None and num_indices - first > given:
            expected = f"{num_indices} for indices from 0 to {self._largest}"
            raise invalid("num_features", given, expected)
        if given is not None and self._zero_based is None and 0 < num_indices <= given and first:
            expected = f"True or False, since no index is 0 or {given}, so that both are possible"
            raise invalid("zero_based", "auto", expected, "Pass what the training files have.")
        return first, given or num_indices - first

    def _update(self, rows: _Rows, path: str, first_line: int) -> None:
        """Counts rows and indices; raises if the features do not fit in memory."""
        self._num_rows += len(rows.lines)
        if not len(rows.indices):
            return
        largest = rows.indices.argmax()
        self._smallest = min(self._smallest, int(rows.indices.min()))
        self._largest = max(self._largest, int(rows.indices[largest]))
        needed = 4 * self._num_rows * (self._largest + 1)
        if needed > available_memory():
            line = first_line + rows.lines[rows.row[largest]]
            raise ValueError(
                f"{path}, line {line}: the features must fit in memory. Got: {self._num_rows:,} "
                f"rows so far with indices up to {self._largest:,}, which take "
                f"{needed / 2**30:,.1f} GiB. Check that index, or read fewer rows or features."
            )

    def _parse_or_locate(self, lines: list[bytes], path: str, first_line: int) -> _Rows:
        """Parses lines; an error names the first that is malformed."""
        try:
            return self._parse(lines)
        except ValueError:
            wrong = _first_malformed(self._parse, lines)
        try:
            return self._parse([lines[wrong]])
        except ValueError as error:
            raise ValueError(f"{path}, line {first_line + wrong}: {error}") from None

    def _parse(self, lines: list[bytes]) -> _Rows:
        """Parses lines; raises a `ValueError` if any is malformed."""
        positions, queries, labels, comments, counts = [], [], [], [], []
        pairs: list[bytes] = []
        for position, line in enumerate(lines):
            text, _, comment = line.partition(b"#")
            cells = text.split()
            if not cells:
                continue
            has_query = len(cells) > 1 and cells[1].startswith(_QUERY)
            if self._has_queries is None:
                self._has_queries = has_query
            if has_query != self._has_queries:
                known = "a" if self._has_queries else "no"
                got = "none" if self._has_queries else _shown(cells[1])
                raise ValueError(f"the row must have {known} qid, as the first has. Got: {got}.")
            positions.append(position)
            labels.append(_parse_label(cells[0]))
            if has_query:
                queries.append(_parse_query(cells[1]))
            if self._comments:
                comments.append(comment.strip().decode())
            pairs += cells[1 + has_query :]
            counts.append(len(cells) - 1 - has_query)
        try:
            index, value = self._parse_pairs(pairs)
        except ValueError:
            wrong = _shown(pairs[_first_malformed(self._parse_pairs, pairs)])
            fix = ""
            if self._num_features is not None:
                fix = " To drop features, read without num_features and select columns."
            raise ValueError(f"{self._expected_pair()} Got: {wrong}.{fix}") from None
        row = np.repeat(np.arange(len(counts)), counts)
        repeated = _repeated(row, index)
        if len(repeated):
            raise ValueError(f"a row must not repeat an index. Got: {repeated[0]} several times.")
        return _Rows(
            positions,
            np.array(queries, np.int64),
            np.array(labels, np.float32),
            comments,
            row,
            index,
            value,
        )

    def _bounds(self) -> tuple[int, float]:
        """Returns the smallest and the largest index that a line may have."""
        most = math.inf if self._num_features is None else self._num_features
        return int(self._zero_based is False), most - (self._zero_based is True)

    def _expected_pair(self) -> str:
        least, most = self._bounds()
        within = f"of at least {least}"
        if self._num_features is not None:
            within = f"from {least} to {most} for num_features={self._num_features}"
        return f"a feature must be index:value, an integer {within} and a finite number."

    def _parse_pairs(self, pairs: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Parses pairs of an index and a value; raises a `ValueError` if any is malformed."""
        if not pairs:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        table = pc.read_csv(pa.BufferReader(b"\n".join(pairs)), _READ, _PARSE, _CONVERT)
        index, value = (column.to_numpy() for column in table.columns)
        least, most = self._bounds()
        if table["index"].null_count or index.min() < least or index.max() > most:
            raise ValueError("An index is out of range.")
        if np.isinf(value).any():
            raise ValueError("A value is infinite.")
        return index, value


def _first_malformed(parse: Callable[[list[bytes]], Any], items: list[bytes]) -> int:
    """Returns the position of the first of several items that `parse` raises for."""
    start, stop = 0, len(items)
    while stop - start > 1:
        middle = (start + stop) // 2
        try:
            parse(items[start:middle])
        except ValueError:
            stop = middle
        else:
            start = middle
    return start


def _repeated(row: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Returns indices that a row has several times."""
    if (np.diff(index)[np.diff(row) == 0] > 0).all():  # the usual case
        return index[:0]
    order = np.lexsort((index, row))
    index = index[order]
    return index[1:][(np.diff(index) == 0) & (np.diff(row[order]) == 0)]


def _parse_label(cell: bytes) -> float:
    label = _parse_or_none(float, cell)
    if label is None or not abs(label) <= _MAX_LABEL:  # NaN
        expected = "a number from -2^24 to 2^24, which float32 holds"
        fix = " Read CSV files with rankkit.data.read_csv." if b"," in cell else ""
        raise ValueError(f"the label must be {expected}. Got: {_shown(cell)}.{fix}")
    return label


def _parse_query(cell: bytes) -> int:
    query = _parse_or_none(int, cell[len(_QUERY) :])
    if query is None or not -(2**63) <= query < 2**63:
        raise ValueError(f"the query must be qid: and an integer below 2^63. Got: {_shown(cell)}.")
    return query


def _parse_or_none(kind: Callable[[bytes], Any], text: bytes) -> Any:
    try:
        return None if b"_" in text else kind(text)  # Python's numbers may have underscores
    except ValueError:
        return None


def _shown(cell: bytes) -> str:
    return reprlib.repr(cell.decode(errors="backslashreplace"))
