"""Contract of the HTML report: over kinds of models and data, the page is valid and says so."""

import base64
import functools
import html.parser
import re
import sys

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

VOID = {"meta", "link", "img"}


class Page(html.parser.HTMLParser):
    """A page whose elements are closed in order, with the text of each section."""

    def __init__(self, source):
        super().__init__()
        self.source, self.open, self.ids, self.links, self.images = source, [], [], [], []
        self.section, self.texts, self.headings = "top", {"top": ""}, []
        self.feed(source)
        self.close()
        assert self.open == []
        self.texts = {name: " ".join(text.split()) for name, text in self.texts.items()}

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        assert len(given) == len(attrs)
        assert tag != "script"
        assert not any(name.startswith("on") for name in given)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[name] for name in ("href", "src") if name in given]
        if tag == "section":
            self.section = given["id"]
            self.texts[self.section] = ""
        if tag == "img":
            self.images.append(given)
        if tag == "th":
            assert given["scope"] in ("row", "col")
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.texts[self.section] += " "

    def handle_data(self, data):
        if not {"style", "title"} & set(self.open):
            self.texts[self.section] += data


def report(path, scorer, rows, **kwargs):
    """Writes a report and reads it, and checks what holds for each page."""
    rk.evaluation.html_report(path, scorer, rows, **kwargs)
    source = path.read_text(encoding="utf-8")
    assert source.startswith("<!doctype html>\n<html lang=")
    page = Page(source)
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        is_inside = link.startswith("#") and link[1:] in page.ids
        assert is_inside or link.startswith("data:"), link
    assert "@import" not in source
    assert "url(" not in source
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    steps = np.diff(page.headings)
    assert steps.max() <= 1, page.headings  # no level is left out
    for image in page.images:
        assert image["alt"]
        svg = base64.b64decode(image["src"].removeprefix("data:image/svg+xml;base64,")).decode()
        assert svg.startswith("<svg")
        assert "<script" not in svg
        assert len(svg) < 100_000
    assert not re.search(r"\bnan\b|\binf\b|(?<!=)None", " ".join(page.texts.values()))
    return page


def rows_of(num_rows=300, seed=0, users=12, items=100):
    """Ratings of random pairs, with features of the user, the item and the time."""
    rng = np.random.default_rng(seed)
    user, item = rng.integers(0, users, num_rows), rng.integers(0, items, num_rows)
    rating = np.clip(
        np.round(3 + np.sin(user) + np.cos(item * 2.0) + rng.normal(0, 0.4, num_rows)), 1, 5
    )
    tags = [["a", "b"], ["b"], []]
    return {
        "user_id": np.array([f"u{each}" for each in user], object),
        "item_id": np.array([f"i{each}" for each in item], object),
        "age": (user % 5 + 20).astype(float),
        "tags": np.array([tags[each % 3] for each in item] + [None], object)[:-1],
        "vector": np.stack([np.sin(item), np.cos(item)], 1).astype(np.float32),
        "time": 10**9 + np.arange(num_rows) * 1000,
        "price": rng.normal(size=num_rows),
        "rating": rating,
        "click": (rating >= 4).astype(float),
    }


TRAIN, TEST = rows_of(600, 1), rows_of(300, 2)
FEATURES = {
    "user_id": lambda: rk.layers.IdEmbedding.from_column(TRAIN["user_id"], 4),
    "item_id": lambda: rk.layers.IdEmbedding.from_column(TRAIN["item_id"], 4),
    "age": lambda: rk.layers.NormalizedNumber.from_column(TRAIN["age"]),
    "tags": lambda: rk.layers.TagsEmbedding(["a", "b"], 3),
    "time": lambda: rk.layers.CalendarEmbedding("hour_of_day", 2),
    "price": lambda: rk.layers.NormalizedNumber.from_column(TRAIN["price"]),
}


LOSSES = {
    "rating": None,
    "click": tf.keras.losses.BinaryCrossentropy(from_logits=True),
    "order": rk.losses.SoftmaxLoss(),
}


@functools.cache
def train_model(kind, features=("user_id", "item_id")):
    """A trained model and its history; tests share them."""
    tf.keras.utils.set_random_seed(1)
    label = "click" if kind == "click" else "rating"
    model = rk.RankingModel(
        rk.models.tower({name: FEATURES[name]() for name in features}, hidden_units=[4]),
        label=label,
    )
    model.compile(tf.keras.optimizers.Adam(0.05), loss=LOSSES[kind])
    batches = rk.data.lists(TRAIN, 8) if kind == "order" else rk.data.batches(TRAIN, 64)
    history = model.fit(batches, epochs=2, verbose=0).history
    return model, history


IDS = {"train": TRAIN, "item": "item_id"}


def test_report_of_ratings_has_every_section(tmp_path):
    model, history = train_model("rating")
    page = report(
        tmp_path / "report.html", model, TEST, **IDS, validation=rows_of(50, 3), history=history,
        timestamp="time", code="import rankkit as rk\nif 1 < 2: pass", title="Ratings & more",
    )  # fmt: skip
    sections = ["results", "groups", "errors", "examples", "data", "training", "reproduce"]
    assert [name for name in page.texts if name not in ("top", "notes")] == sections
    assert "learning curve" not in page.texts.get("notes", "")
    assert "RMSE is 0." in page.texts["top"]
    assert "Ratings & more" in page.texts["top"]
    metrics = rk.evaluate_ranking(model, TEST, **IDS).metrics
    for name in ("rmse", "mae", "ndcg_at_10", "auc"):
        assert f"{metrics[name]:.4f}" in page.texts["results"]
    assert len(page.images) == 5
    assert "import rankkit as rk\nif 1 &lt; 2: pass" in page.source
    assert "Rows 600 63.2 % 50 5.3 % 300 31.6 %" in page.texts["data"]
    assert "2001-09-09" in page.texts["data"]
    pairs = [[*zip(rows["user_id"], rows["item_id"], strict=True)] for rows in (TRAIN, TEST)]
    repeated = sum(pair in pairs[0] for pair in pairs[1])  # rows, not distinct pairs
    assert repeated > len({*pairs[0]} & {*pairs[1]})
    assert re.search(rf"training rows . \d+ {repeated} Mean rating", page.texts["data"])


def test_several_cutoffs_have_a_line_each_and_the_highest_is_in_the_summary(tmp_path):
    model, _ = train_model("rating")
    settings = {"k": (10, 3), "gain": "linear", "no_relevant": "one", "relevant": 5}
    rows = {**TEST, "rating": np.where(TEST["user_id"] == "u1", 0.0, TEST["rating"])}
    page = report(tmp_path / "report.html", model, rows, **IDS, **settings)
    metrics = rk.evaluate_ranking(model, rows, **IDS, **settings, num_bootstrap=1).metrics
    for name, title in (("ndcg", "NDCG"), ("map", "MAP"), ("hit_rate", "Hit rate")):
        for k in settings["k"]:
            value = f"{metrics[f'{name}_at_{k}']:.4f}".rstrip("0")
            assert re.search(f"{title}@{k} higher .*?{value}", page.texts["results"])
    assert "NDCG@10 is" in page.texts["top"]
    assert "NDCG@3" not in page.texts["top"]
    assert "The gains of NDCG are linear." in page.texts["notes"]
    assert "NDCG counts 1 of 12 user_id with no label above 0 as one" in page.texts["notes"]
    assert re.search(r"Ranked highest of \d+ (i\d+ .*?){10}", page.texts["examples"])


def test_difference_from_the_baseline_is_that_of_compare_rankings(tmp_path):
    model, _ = train_model("rating")
    biases = rk.evaluation.BiasBaseline(TRAIN, ["user_id", "item_id"], label="rating")
    scorers = {"biases": biases(TEST), "model": model}
    [line] = rk.evaluation.compare_rankings(scorers, TEST, label="rating").lines
    page = report(tmp_path / "report.html", model, TEST, **IDS)
    assert "There is no learning curve" in page.texts["notes"]
    found = re.search(
        r"RMSE is [\d.]+ , ([\d.]+) (\w+) .*?interval (\S+) to (\S+)\)", page.texts["top"]
    )
    assert found is not None
    bounds = sorted(abs(line[f"rmse_{end}"]) for end in ("low", "high"))
    decimals = len(found[1].split(".")[1])
    assert found[1] == f"{abs(line['rmse']):.{decimals}f}"
    assert found[2] == ("lower" if line["rmse"] < 0 else "higher")
    if line["rmse_low"] * line["rmse_high"] > 0:
        assert [found[3], found[4]] == [f"{each:.{decimals}f}" for each in bounds]


def test_scores_of_clicks_are_probabilities(tmp_path):
    model, history = train_model("click")
    page = report(tmp_path / "report.html", model, TEST, **IDS, history=history)
    for text in ("Log loss", "Calibration", "AUC over all rows", "MRR", "click of 1"):
        assert text in page.texts["results"]
    assert "RMSE" not in page.texts["results"]
    scores = [float(each) for each in re.findall(r"([\d.]+) %", page.texts["examples"])]
    assert scores
    assert max(scores) <= 100
    assert "log loss of 'biases' is undefined" in page.texts["notes"]
    assert "baselines by Log loss" not in page.texts["top"]  # one of them has none


def test_scores_that_are_an_order_have_no_errors_and_no_calibration(tmp_path):
    model, history = train_model("order")
    page = report(tmp_path / "report.html", model, TEST, **IDS, history=history)
    assert "RMSE" not in page.texts["top"] + page.texts["results"]
    assert "only an order" in page.texts["errors"]
    assert len(page.images) == 1  # the learning curve
    assert "NDCG@10 is" in page.texts["top"]


def test_each_head_has_a_report_and_the_model_of_all_is_refused(tmp_path):
    heads = {name: rk.layers.DenseRatingHead([2]) for name in ("stars", "clicked")}
    features = {name: FEATURES[name]() for name in ("user_id", "item_id")}
    network = rk.ranking_network(features, head=heads, score={"stars": 1.0})
    model = rk.RankingModel(network, label={"stars": "rating", "clicked": "click"})
    model.compile("adam")
    with pytest.raises(
        TypeError, match=r"label must be the name of one column.*model.head\('stars'\)"
    ):
        rk.evaluation.html_report(tmp_path / "report.html", model, TEST, **IDS)
    assert not list(tmp_path.iterdir())
    rows = {**TEST, "rating": np.where(np.arange(300) % 2, TEST["rating"], np.nan)}
    page = report(tmp_path / "report.html", model.head("stars"), rows, **IDS)
    assert "On 150 test rows of 12 users" in page.texts["top"]


@pytest.mark.parametrize("item", ["item_id", None])
def test_rows_without_queries_have_no_rankings(tmp_path, item):
    model, _ = train_model("click", features=("age", "item_id"))
    page = report(tmp_path / "report.html", model, TEST, train=TRAIN, query=None, item=item)
    assert "examples" not in page.texts
    assert "NDCG" not in page.texts["results"]
    assert "Log loss is" in page.texts["top"]


# --- Example rankings ---


def candidates(page):
    return [
        int(each.replace(",", ""))
        for each in re.findall(r"Ranked highest of ([\d,]+)", page.texts["examples"])
    ]


@pytest.mark.parametrize(
    "features", [("user_id", "item_id"), ("age", "tags", "item_id"), ("user_id", "item_id", "time")]
)
def test_items_without_training_rows_of_the_user_are_ranked(tmp_path, features):
    model, _ = train_model("rating", features=features)
    page = report(tmp_path / "report.html", model, TEST, **IDS, timestamp="time")
    items = {*TRAIN["item_id"], *TEST["item_id"]}
    users = re.findall(r"User (u\d+)", page.texts["examples"])
    expected = [len(items - {*TRAIN["item_id"][TRAIN["user_id"] == user]}) for user in users]
    assert candidates(page) == expected
    assert len(users) == 3


@pytest.mark.parametrize("item", ["item_id", None])
def test_test_rows_are_ranked_if_a_feature_belongs_to_the_pair(tmp_path, item):
    features = ("user_id", "item_id", "price")
    model, _ = train_model("rating", features=features)
    page = report(tmp_path / "report.html", model, TEST, train=TRAIN, item=item)
    users = re.findall(r"User (u\d+)", page.texts["examples"])
    assert candidates(page) == [int((TEST["user_id"] == user).sum()) for user in users]
    reason = "price belong to neither item_id nor user_id" if item else "no item column"
    assert reason in page.texts["examples"]


def test_ranking_is_that_of_rank(tmp_path):
    model, _ = train_model("rating")
    page = report(tmp_path / "report.html", model, TEST, **IDS, k=3)
    user, *_ = re.findall(r"User (u\d+)", page.texts["examples"])
    seen = TRAIN["item_id"][TRAIN["user_id"] == user]
    items = {"item_id": sorted({*TRAIN["item_id"], *TEST["item_id"]})}
    best = rk.rank(model, {"user_id": user}, items, k=3, exclude=seen)
    text = page.texts["examples"].split("Ranked highest")[1]
    for item, score in best:
        assert item in text
        assert f"{score:.2f}" in text


def test_items_without_a_title_are_named_by_id_and_scores_above_the_labels_differ(tmp_path):
    model, _ = train_model("rating")
    rows = [{**each, "title": np.full(len(each["rating"]), "", object)} for each in (TRAIN, TEST)]
    settings = {**IDS, "train": rows[0], "item_columns": ["title"], "k": 3}
    page = report(tmp_path / "1.html", model, rows[1], **settings, rating_range=(1, 2))
    text = page.texts["examples"].split("Ranked highest")[1]
    assert (
        text
        == report(tmp_path / "2.html", model, TEST, **IDS, k=3)
        .texts["examples"]
        .split("Ranked highest")[1]
    )


def test_many_items_are_sampled_and_the_page_stays_small(tmp_path):
    num_items = 30_000
    rng = np.random.default_rng(0)

    def rows(num_rows):
        return {
            "user_id": rng.integers(0, 50, num_rows),
            "item_id": rng.integers(0, num_items, num_rows),
            "rating": rng.integers(1, 6, num_rows),
        }

    def scorer(columns):
        return 1 + 4 * tf.cast(columns["item_id"], tf.float32) / num_items

    train, test = rows(40_000), rows(10_000)
    page = report(
        tmp_path / "report.html", scorer, test, train=train, item="item_id", label="rating"
    )
    assert len(page.source) < 500_000
    for size in candidates(page):
        assert 10_000 <= size < 10_500
    assert "drawn at random from 2" in page.texts["examples"]


# --- Names, values and sizes ---

WEIRD = [
    "<script>alert(1)</script>",
    'a "quote" & more',
    "שלום עולם",
    "\U0001f3ac film",
    "x" * 5000,
    "\x00\x1f",
    "a$b$c",
]


def test_any_text_is_escaped_and_shortened(tmp_path):
    rng = np.random.default_rng(0)

    def rows(num_rows):
        return {
            "user <b>": np.array(WEIRD, object)[rng.integers(0, 7, num_rows)],
            "item $x$": np.array(WEIRD, object)[rng.integers(0, 7, num_rows)],
            "l" * 3000: rng.integers(1, 6, num_rows),
        }

    def scorer(columns):
        return 3.0 + rng.normal(size=len(columns["user <b>"]))

    history = {"<i>\U0001f3ac$a$": [2.0, 1.0], "val_<i>\U0001f3ac$a$": [2.0, 1.5]}
    page = report(
        tmp_path / "report.html", scorer, rows(200), train=rows(200), query="user <b>",
        item="item $x$", label="l" * 3000, history=history, groups=["user <b>"],
        title="<script>" + "\U0001f600" * 10_000, code="</pre><script>",
    )  # fmt: skip
    assert len(page.source) < 400_000
    text = " ".join(page.texts.values())
    assert "<script>alert(1)</script>" in text
    assert "</pre><script>" in page.texts["reproduce"]
    assert "x" * 200 not in text


def test_integer_ids_one_user_and_unknown_ids(tmp_path):
    train = {
        "user_id": np.array([1, 1, 1, 2]),
        "item_id": np.array([1, 2, 3, 1]),
        "rating": [5, 1, 3, 2],
    }
    test = {
        "user_id": np.array([1, 1, 1]),
        "item_id": np.array([4, 5, 9]),
        "rating": [4, 2, 5],
        "score": [4.0, 2, 3],
    }
    arguments = {"train": train, "item": "item_id", "label": "rating"}
    page = report(tmp_path / "report.html", lambda rows: rows["score"], test, **arguments)
    assert "a single user has this metric" in page.texts["top"]
    assert "1 user drawn at random" in page.texts["examples"]
    assert "none (new items)" in page.texts["groups"]
    page = report(tmp_path / "report.html", np.array([4.0, 2, 3]), test, **arguments)
    assert "Scores were given as an array" in page.texts["examples"]


def test_user_without_liked_rows_is_shown_without_them(tmp_path):
    train = {"user_id": ["a", "a"], "item_id": ["x", "y"], "rating": [1, 2]}
    test = {"user_id": ["b", "b", "a"], "item_id": ["x", "y", "z"], "rating": [1, 5, 3]}
    model = rk.RankingModel(
        rk.models.tower({"item_id": rk.layers.IdEmbedding(["x", "y"], 2)}), label="rating"
    )
    page = report(tmp_path / "report.html", model, test, train=train, item="item_id")
    assert page.texts["examples"].count("No liked training rows") == 2


def test_item_that_was_liked_repeatedly_is_shown_once(tmp_path):
    train = {"user_id": ["a"] * 4, "item_id": ["x", "y", "x", "y"], "rating": [4, 4, 5, 4]}
    test = {"user_id": ["a", "a"], "item_id": ["z", "y"], "rating": [1, 5]}
    model = rk.RankingModel(
        rk.models.tower({"item_id": rk.layers.IdEmbedding(["x", "y"], 2)}), label="rating"
    )
    page = report(tmp_path / "report.html", model, test, train=train, item="item_id")
    assert "Liked before 4 training rows x rating 5 y rating 4 Ranked" in page.texts["examples"]


def test_groups_are_the_most_frequent_values(tmp_path):
    model, _ = train_model("rating")
    rows = {
        **TEST,
        "country": np.array(["de"] * 200 + ["fr"] * 50 + [f"c{i}" for i in range(50)], object),
    }
    page = report(tmp_path / "report.html", model, rows, **IDS, groups=["country"])
    text = page.texts["groups"].partition("By country")[2]
    assert text.index("de 200 rows") < text.index("fr 50 rows")
    assert "all other values 44 rows" in text


# --- The file ---


def test_same_input_gives_the_same_file_and_no_other_files(tmp_path):
    model, history = train_model("rating")
    pages = [
        report(tmp_path / "report.html", model, TEST, **IDS, history=history) for _ in range(2)
    ]
    assert pages[0].source == pages[1].source
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (
            {"columns": {name: values[:0] for name, values in TEST.items()}},
            ValueError,
            "columns must have at least one row",
        ),
        (
            {"columns": {**TEST, "rating": np.full(300, np.nan)}},
            ValueError,
            "Labels must be finite",
        ),
        (
            {"columns": {**TEST, "rating": np.full(300, 3.0)}},
            ValueError,
            "Labels must have at least two values",
        ),
        ({"train": None}, TypeError, "train must be a dict of arrays"),
        ({"item_columns": ["titel"]}, ValueError, "Unknown column 'titel'"),
        ({"groups": ["tags"]}, TypeError, "Column 'tags' must have a single value in each row"),
        ({"history": [1.0]}, TypeError, "history must be a dict of lists"),
        ({"history": {"loss": 3}}, TypeError, "history\\['loss'\\] must be a list of numbers"),
        ({"title": None}, TypeError, "title must be a string"),
    ],
)
def test_wrong_input_is_refused_and_the_old_report_stays(tmp_path, arguments, error, text):
    path = tmp_path / "report.html"
    path.write_text("old")
    given = {"columns": TEST, **IDS, **arguments}
    with pytest.raises(error, match=text):
        rk.evaluation.html_report(
            path, lambda rows: rows["price"], given.pop("columns"), label="rating", **given
        )
    assert path.read_text() == "old"


def test_missing_matplotlib_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="html_report needs matplotlib.*plots"):
        rk.evaluation.html_report(tmp_path / "report.html", None, None, train=None)
