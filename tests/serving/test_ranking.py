import numpy as np
import pytest
from starlette.testclient import TestClient

import rankkit as rk
from rankkit.serving import Limits, create_app

TITLES = ["a", "b", "c", "d", "é"]


def ranked(answer):
    """The candidates and scores of an answer."""
    return [(each["candidate"], each["score"]) for each in answer["ranking"]]


def expected(network, query, candidates, **options):
    """The same from `rankkit.rank`."""
    best = rk.rank(network, query, candidates, **options)
    name = next(iter(candidates))
    return [(each if isinstance(each, dict) else {name: each}, score) for each, score in best]


def check(answer, best):
    assert [candidate for candidate, _ in answer] == [candidate for candidate, _ in best]
    np.testing.assert_allclose([s for _, s in answer], [s for _, s in best], atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, {"k": 10}),
        ({"k": 2}, {"k": 2}),
        ({"exclude": ["b", "unknown"]}, {"exclude": ["b", "unknown"]}),
        (
            {"k": 1, "exclude": {"movie_title": ["a", "b", "c"]}},
            {"k": 1, "exclude": ["a", "b", "c"]},
        ),
        ({"exclude": TITLES}, {"exclude": TITLES}),
        ({"k": None, "exclude": None, "version": None}, {}),
    ],
)
def test_ranking_is_that_of_the_library(client, networks, post, fields, options):
    request = {"query": {"user_id": "42"}, "candidates": {"movie_title": TITLES}, **fields}
    status, answer = post(client, "/rank", request)
    assert status == 200, answer
    assert (answer["model"], answer["version"]) == ("ranker", 1)
    query = {"user_id": "42"}
    check(ranked(answer), expected(networks["ids"], query, {"movie_title": TITLES}, **options))


@pytest.mark.parametrize("name", ["kinds", "kinds.tflite"])
def test_features_of_all_kinds(make_client, networks, post, name):
    query = {"user_id": "7", "year": 1984.5}
    candidates = {
        "item": [10**12, 5, -3],
        "tags": [["y"], [], ["x", "z", "y"]],
        "vector": [[1, 2.5, 3], [0, 0, 0], [-1, 5, 9]],
        "note": ["first", None, "third"],
    }
    status, answer = post(make_client(name), "/rank", {"query": query, "candidates": candidates})
    assert status == 200, answer
    note = candidates.pop("note")
    best = rk.rank(networks["kinds"], query, {**candidates, "row": [0, 1, 2]})
    rows = [candidate["row"] for candidate, _ in best]
    features = [{**{n: candidates[n][row] for n in candidates}, "note": note[row]} for row in rows]
    check(ranked(answer), list(zip(features, [score for _, score in best], strict=True)))


def test_candidates_of_equal_score_keep_their_order(client, post):
    candidates = {"movie_title": ["x", "y", "z"], "place": [3, 1, 2]}  # all out of the vocabulary
    request = {"query": {"user_id": "42"}, "candidates": candidates}
    _, answer = post(client, "/rank", request)
    assert [each["candidate"]["place"] for each in answer["ranking"]] == [3, 1, 2]


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, {}),
        ({"k": 2, "exclude": {"movie_title": ["a"]}}, {"k": 2, "exclude": {"movie_title": ["a"]}}),
        # Three candidates have the excluded value: more are needed than k and one.
        ({"k": 2, "exclude": {"genre": ["x"]}}, {"k": 2, "exclude": {"genre": ["x"]}}),
        ({"k": 5, "exclude": {"genre": ["x", "y"]}}, {"exclude": {"genre": ["x", "y"]}}),
    ],
)
def test_candidates_of_the_export_are_ranked(make_client, networks, post, fields, options):
    request = {"query": {"user_id": "42"}, **fields}
    status, answer = post(make_client("indexed"), "/rank", request)
    assert status == 200, answer
    index = {"movie_title": TITLES, "genre": ["x", "y", "x", "y", "x"]}
    check(ranked(answer), expected(networks["ids"], {"user_id": "42"}, index, **options))


USER, ITEMS = {"user_id": "42"}, {"movie_title": ["a", "b"]}


@pytest.mark.parametrize(
    ("request_body", "words"),
    [
        (b"", "JSON object"),
        (b"{", "JSON object"),
        (b"[]", "JSON object. Got: a list"),
        (b'{"k": NaN}', "NaN"),
        (b'{"k": 1e400}', "too large"),
        ('{"k": 1}'.encode("utf-16"), "UTF-8"),
        (b'{"\\ud800": 1}', "Unknown field"),
        ({"query": {**USER, "movie_title": "a"}, "candidates": {"extra": [1]}}, "is a feature of"),
        (b'{"k": Infinity}', "Infinity"),
        (b'{"k": 1, "k": 2}', "Got: the field 'k' twice in an object"),
        (b'{"query": {"user_id": "7", "user_id": "42"}}', "the field 'user_id' twice"),
        (b"\xff{}", "UTF-8"),
        (b"[" * 100_000, "nested"),
        (b'{"query": {"user_id": "\\ud800"}, "candidates": {"movie_title": ["a"]}}', "Unicode"),
        ({}, "candidates"),
        ({"query": USER}, "candidates"),
        ({"user": USER}, "Unknown field 'user'"),
        ({"query": "42", "candidates": ITEMS}, "'query' must be an object"),
        ({"query": {"user_id": 42}, "candidates": ITEMS}, "'user_id' must be a string. Got: 42"),
        ({"query": {"user_id": None}, "candidates": ITEMS}, "'user_id' must be a string"),
        ({"query": {"user_id": ["42"]}, "candidates": ITEMS}, "'user_id' must be a string"),
        ({"query": {"age": 3}, "candidates": ITEMS}, "Unknown feature in 'query' 'age'"),
        ({"query": {}, "candidates": ITEMS}, "'user_id' is missing"),
        ({"query": USER, "candidates": {}}, "'candidates' must be an object"),
        ({"query": USER, "candidates": ["a"]}, "'candidates' must be an object"),
        ({"query": USER, "candidates": {"movie_title": "a"}}, "must be a list"),
        ({"query": USER, "candidates": {"movie_title": ["a", 3]}}, "must be a string. Got: 3"),
        ({"query": USER, "candidates": {**ITEMS, "year": [1]}}, "equal lengths"),
        ({"query": USER, "candidates": {**ITEMS, "user_id": ["7", "7"]}}, "both"),
        ({"query": USER, "candidates": {"year": [1]}}, "'movie_title' is missing"),
        ({"query": USER, "candidates": ITEMS, "k": 0}, "'k' must be"),
        (
            {"query": USER, "candidates": ITEMS, "k": True},
            "'k' must be an integer of at least 1. Got: true.",
        ),
        ({"query": USER, "candidates": ITEMS, "k": 2.0}, "'k' must be"),
        ({"query": USER, "candidates": ITEMS, "k": 2**31}, "'k' must be"),
        ({"query": USER, "candidates": ITEMS, "exclude": "a"}, "'exclude' must be"),
        (
            {"query": USER, "candidates": ITEMS, "exclude": {"id": ["a"]}},
            "Unknown column in 'exclude' 'id'",
        ),
        ({"query": USER, "candidates": ITEMS, "exclude": [["a"]]}, "single values"),
        ({"query": USER, "candidates": ITEMS, "exclude": [3]}, "such as 'a'. Got: 3"),
        ({"query": {"user_id": 3}, "candidates": {"movie_title": []}}, "must be a string"),
        (
            {"query": USER, "candidates": {"movie_title": ["a", ["b"]]}, "exclude": ["a"]},
            "cannot be excluded by 'movie_title'",
        ),
        ({"query": USER, "candidates": ITEMS, "version": "1"}, "'version' must be"),
    ],
)
def test_invalid_requests_are_refused(client, post, request_body, words):
    status, answer = post(client, "/rank", request_body)
    assert status == 400
    assert words in answer["error"]


@pytest.mark.parametrize("name", ["indexed", "users.tflite"])
def test_mistakes_in_the_query_name_a_feature_of_the_query(make_client, post, name):
    known, other = ("user_id", "movie_title")[:: 1 if name == "indexed" else -1]
    _, answer = post(make_client(name), "/rank", {"query": {f"{other}_": "a"}})
    assert answer["error"] == (f"Unknown feature in 'query' '{other}_'. Known: {known!r}.")
    request = {"query": {known: 42}, "candidates": {other: ["a"]}}
    _, answer = post(make_client(name), "/rank", request)
    assert answer["error"].endswith('must be a string. Got: 42. It is text: write "42".')


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("year", "1999", "a number"),
        ("year", True, "a number"),
        ("year", 1e39, "finite"),
        ("year", 2**24 + 1, "beyond 16777216 must be exact in float32"),
        ("year", 2.0**24 + 1, "beyond 16777216 must be exact in float32"),
        ("item", 2.0, "an integer"),
        ("item", 2**63, "int64"),
        ("tags", "x", "a list per row"),
        ("tags", [1], "a string"),
        ("vector", [1, 2], "3 values"),
        ("vector", [[1], [2], [3]], "a number"),
    ],
)
@pytest.mark.parametrize("export", ["kinds", "kinds.tflite"])
def test_values_of_the_wrong_kind_are_refused(make_client, post, export, name, value, words):
    columns = {"item": 5, "tags": [], "year": 1.0, "vector": [1, 2, 3], name: value}
    candidates = {each: [value] for each, value in columns.items()}
    request = {"query": {"user_id": "7"}, "candidates": candidates}
    status, answer = post(make_client(export), "/rank", request)
    assert status == 400
    assert repr(name) in answer["error"]
    assert words in answer["error"]


@pytest.mark.parametrize("name", ["heads", "heads.tflite"])
def test_candidates_are_ordered_by_the_score_not_by_a_head_named_rating(
    make_client, networks, post, name
):
    request = {"query": {"user_id": "42"}, "candidates": {"movie_title": TITLES}}
    status, answer = post(make_client(name), "/rank", request)
    assert status == 200, answer
    query = {"user_id": "42"}
    check(ranked(answer), expected(networks["heads"], query, {"movie_title": TITLES}))


@pytest.mark.parametrize("where", ["query", "candidates"])
def test_padding_is_limited(make_client, post, where):
    tags = {"query": ["x"] * 3000, "candidates": [["x"] * 3000] + [[]] * 2999}
    columns = {"item": [5] * 3000, "year": [1.0] * 3000, "vector": [[1, 2, 3]] * 3000}
    request = {"query": {"user_id": "7"}, "candidates": columns}
    request[where]["tags"] = tags[where]
    status, answer = post(make_client("kinds"), "/rank", request)
    assert status == 413, answer


def test_columns_of_the_index_are_returned_as_they_were(networks, post, tmp_path):
    index = {"movie_title": TITLES, "price": [1.0, np.nan, 2.0, 3.0, 4.0]}
    rk.export.save(networks["ids"], tmp_path / "1", candidates=index)
    with TestClient(create_app(tmp_path)) as client:
        status, answer = post(client, "/rank", {"query": {"user_id": "42"}})
    assert status == 200, answer
    found = {row["movie_title"]: row["price"] for row, _ in ranked(answer)}
    assert found == dict(zip(TITLES, [1.0, None, 2.0, 3.0, 4.0], strict=True))


def test_number_of_candidates_and_rows_is_limited(make_client, post):
    client = make_client("ids", limits=Limits(max_candidates=3))
    for count, expected_status in [(3, 200), (4, 413)]:
        titles = {"movie_title": ["a"] * count}
        rows = {**titles, "user_id": ["7"] * count}
        tensors = [
            {"name": name, "shape": [count], "datatype": "BYTES", "data": values}
            for name, values in rows.items()
        ]
        for path, request in (
            ("/rank", {"query": USER, "candidates": titles}),
            ("/v1/models/ranker:predict", {"inputs": rows}),
            (
                "/v1/models/ranker:predict",
                {"signature_name": "rank", "inputs": {**titles, "user_id": ["7"], "k": 1}},
            ),
            ("/v2/models/ranker/infer", {"inputs": tensors}),
        ):
            status, answer = post(client, path, request)
            assert status == expected_status, answer
            if status == 413:
                assert "at most 3 " in answer["error"]
