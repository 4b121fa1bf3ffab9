"""The pages for contributors: the code of the recipes runs, and the names exist."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import rankkit as rk
import tensorflow as tf

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "contributing"


RATINGS, _ = rk.data.synthetic_ratings(60, num_users=4, num_items=9)


def tower():
    features = {"item_id": rk.layers.IdEmbedding.from_column(RATINGS["item_id"], 2)}
    return rk.models.tower(features, hidden_units=[2])


def code_of(section: str) -> dict:
    """Runs the code of a section of `adding.md` and returns its names."""
    page = (PAGES / "adding.md").read_text()
    text = re.split(r"^## ", page, flags=re.MULTILINE)
    [body] = [part for part in text if part.startswith(f"{section}\n")]
    [code] = re.findall(r"^```python\n(.*?)^```", body, re.MULTILINE | re.DOTALL)
    names: dict = {}
    exec(code, names)
    return names


def test_documented_layer_is_trained_saved_and_exported(check_exports):
    network = code_of("A layer")["network"]
    model = rk.RankingModel(network, label="rating")
    model.compile("adam")
    rows = {"price": np.array([-3.0, 0.0, 50.0], np.float32), "rating": [1.0, 2.0, 3.0]}
    model.fit(rk.data.batches(rows, 3), verbose=0)
    # sign(x) * log(1 + |x|)
    vector = network.get_layer("signed_log")(tf.constant([-3.0, 0.0, 50.0]))
    np.testing.assert_allclose(vector[:, 0], [-np.log(4), 0, np.log(51)], rtol=1e-6)
    check_exports(model, {"price": rows["price"]})


def test_documented_loss_is_trained_on_padded_lists():
    loss = code_of("A loss")["loss"]
    nan = float("nan")
    # (1 - 0)^2 + (3 - 1)^2; the other list has a single item and no order.
    np.testing.assert_allclose(loss([[1, 3], [2, nan]], [[0.0, 1.0], [0.0, 9.0]]), [5.0, 0.0])
    model = rk.RankingModel(tower(), label="user_rating")
    model.compile("adam", loss=loss)
    history = model.fit(rk.data.lists(RATINGS, 2, list_size=8), verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_documented_metric_finds_relevant_items_among_the_first_two():
    metric = type(code_of("A metric")["metric"])(k=2, relevant=1)
    for scores, expected in (([3.0, 2, 1], 1.0), ([1.0, 2, 3], 0.0), ([1.0, 1, 1], 0.0)):
        metric.reset_state()
        metric.update_state([[1.0, 0.0, 0.0]], [scores])
        assert float(metric.result()) == expected
    again = type(metric).from_config(metric.get_config())
    assert again.name == metric.name == "hit_rate_at_2"


@pytest.mark.parametrize("in_memory", [True, False])
def test_documented_callback_reads_the_loss_after_every_ten_steps(in_memory):
    model = rk.RankingModel(tower(), label="user_rating")
    model.compile("adam")
    batches = rk.data.batches(RATINGS, 2)
    callback = code_of("A callback")["callback"]
    model.fit(batches if in_memory else batches.map(dict), verbose=0, callbacks=[callback])
    assert len(callback.losses) == 3
    assert callback.losses[-1] == pytest.approx(model.history.history["loss"][0])


def test_documented_reader_gives_the_batches_of_rows_in_memory(tmp_path):
    reader = code_of("A reader")["read_arrow"]
    table = pa.table({name: RATINGS[name] for name in ("item_id", "user_rating")})
    with pa.ipc.new_file(tmp_path / "ratings.arrow", table.schema) as file:
        file.write_table(table, max_chunksize=25)
    batches = reader(tmp_path / "ratings.arrow", batch_size=16)
    expected = rk.data.batches(RATINGS, 16, columns=table.column_names)
    for found, batch in zip(batches, expected, strict=True):
        assert list(found) == list(batch)
        for name, column in batch.items():
            np.testing.assert_array_equal(found[name], column)
    [shuffled] = reader(tmp_path, ["item_id"], 60, shuffle=True, seed=1)
    assert sorted(map(bytes.decode, shuffled["item_id"].numpy())) == sorted(RATINGS["item_id"])
    (tmp_path / "ratings.arrow").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="'.*ratings.arrow' cannot be read as an Arrow IPC file"):
        reader(tmp_path)


def test_documented_export_format_gives_the_scores_of_the_model(tmp_path):
    names = code_of("An export format")
    model = tower()
    rk.export.save(model, tmp_path / "1")
    names["to_zip"](tmp_path / "1", tmp_path / "model.zip")
    scorer = names["ZipScorer"](tmp_path / "model.zip")
    assert rk.export.max_abs_difference(model, scorer, {"item_id": RATINGS["item_id"]}) < 1e-5
    (tmp_path / "model.zip").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="'.*model.zip' cannot be read as a zip file of to_zip"):
        names["ZipScorer"](tmp_path / "model.zip")


def test_map_names_every_folder():
    page = (PAGES / "map.md").read_text()
    folders = {path.parent.name for path in (ROOT / "rankkit").glob("*/__init__.py")}
    assert [folder for folder in sorted(folders) if f"`{folder}`" not in page] == []


def test_pages_name_files_that_exist():
    for page in PAGES.glob("*.md"):
        for name in re.findall(r"`((?:\w+/)+\w+\.py)`", page.read_text()):
            base = ROOT if name.startswith(("rankkit/", "tests/")) else ROOT / "rankkit"
            assert (base / name).is_file(), f"{page.name}: {name}"


def test_steps_name_definitions_of_their_files():
    page = (PAGES / "paths.md").read_text()
    for step in re.split(r"^\d+\. ", page, flags=re.MULTILINE)[1:]:
        files = re.findall(r"`((?:\w+/)+\w+\.py)`", step)
        text = "".join((ROOT / "rankkit" / name).read_text() for name in files)
        names = re.findall(r"`([\w.]+)`", step.partition("\n\n")[0])
        assert [name for name in names if name.split(".")[-1] not in text] == [], step
