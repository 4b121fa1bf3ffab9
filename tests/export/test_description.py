"""A loaded export describes its scores as the exported model does."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

SAVED = Path(__file__).parent.parent / "saved"
LOGITS = tf.keras.losses.BinaryCrossentropy(from_logits=True)
ROWS = {
    "user_id": np.array([*"aabbcc"]),
    "rating": np.array([5.0, 1.0, 4.0, 2.0, 3.0, 1.0]),
    "click": np.array([1.0, 0.0, 1.0, 0.0, 1.0, 0.0]),
}
PARTLY = {**ROWS, "click": np.array([1.0, 0.0, np.nan, 0.0, 1.0, np.nan])}


def features():
    return {"user_id": rk.layers.IdEmbedding([*"abc"], 4)}


def single(label, loss, rating_range=None, *, compiled=True):
    """A model whose scores are in [0, 1]: by value, they may be logits or probabilities."""
    head = rk.layers.DenseRatingHead([], rating_range=rating_range)
    model = rk.RankingModel(rk.ranking_network(features(), head=head), label=label)
    if compiled:
        model.compile("adam", loss=loss)
    kernel, bias = model.network.layers[-1].get_weights()
    model.network.layers[-1].set_weights([kernel, bias + 0.5])
    return model


def several():
    heads = {name: rk.layers.DenseRatingHead([4]) for name in ("stars", "tap", "likes")}
    network = rk.ranking_network(features(), head=heads, score=dict.fromkeys(heads, 1.0))
    labels = {"stars": "rating", "tap": "click", "likes": "rating"}
    model = rk.RankingModel(network, label=labels)
    model.compile("adam", loss={"tap": LOGITS, "likes": rk.losses.SoftmaxLoss()})
    return model


def own_loss(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


MODELS = {
    "estimate": lambda: single("rating", None),
    "logit": lambda: single("click", LOGITS),
    "probability": lambda: single("click", "binary_crossentropy", (0, 1)),
    "order": lambda: single("click", rk.losses.SoftmaxLoss()),
    "own loss": lambda: single("rating", own_loss),
    "not compiled": lambda: single("rating", None, compiled=False),
    "several heads": several,
    "a head": lambda: several().head("tap"),
}


def described(scorer):
    partly = getattr(scorer, "is_partly_labeled", False)
    return scorer.label, scorer.score_kind, partly


@pytest.mark.parametrize("name", MODELS)
def test_loaded_exports_are_evaluated_like_the_live_model(name, tmp_path):
    model, files = MODELS[name](), ["1"]
    rk.export.save(model, tmp_path / "1")
    if name in ("logit", "several heads"):  # a file has the description of its SavedModel
        rk.export.to_tflite(tmp_path / "1", tmp_path / "m.tflite")
        files.append("m.tflite")
    label = "click" if isinstance(model.label, dict) else None
    rows = PARTLY if getattr(model, "is_partly_labeled", False) else ROWS
    settings = {"train": rows, "label": label, "relevant": 1.0, "num_bootstrap": 9}
    live = rk.evaluate_ranking(model, rows, **settings)
    for file in files:
        loaded = rk.export.load(tmp_path / file)
        assert described(loaded) == described(model)
        report = rk.evaluate_ranking(loaded, rows, **settings)
        assert report.notes == live.notes
        assert report.metrics == pytest.approx(live.metrics, rel=1e-4)
        if isinstance(model.label, dict):
            for head in model.label:
                assert described(loaded.head(head)) == described(model.head(head))


def test_diagnose_takes_logits_of_a_file_for_logits(tmp_path):
    model = MODELS["logit"]()
    rk.export.save(model, tmp_path / "1")
    found = rk.evaluation.diagnose(rk.export.load(tmp_path / "1"), ROWS, train=ROWS)
    live = rk.evaluation.diagnose(model, ROWS, train=ROWS)
    for line, expected in zip(found.calibration, live.calibration, strict=True):
        assert line.pop("scorer") == expected.pop("scorer")
        assert line == pytest.approx(expected, rel=1e-5)
    assert not any("by their values" in each for each in found.unchecked)


@pytest.mark.filterwarnings("ignore:.* has no checksum:UserWarning")
def test_networks_and_files_of_older_versions_have_no_description(tmp_path):
    rk.export.save(MODELS["logit"]().network, tmp_path / "1")
    rk.export.to_tflite(tmp_path / "1", tmp_path / "m.tflite")
    assert not (tmp_path / "1" / "assets.extra" / "rankkit.json").exists()
    older = [SAVED / "saved_model" / "1", SAVED / "model.tflite"]
    for path in [tmp_path / "1", tmp_path / "m.tflite", *older]:
        assert described(rk.export.load(path)) == (None, None, False)


def test_a_damaged_description_is_named(tmp_path):
    rk.export.save(MODELS["logit"](), tmp_path / "1")
    rk.export.to_tflite(tmp_path / "1", tmp_path / "m.tflite")
    description = tmp_path / "1" / "assets.extra" / "rankkit.json"
    description.write_text(description.read_text().replace("logit", "order"))
    with pytest.raises(ValueError, match=r"rankkit\.json is damaged"):
        rk.export.load(tmp_path / "1")
    content = (tmp_path / "m.tflite").read_bytes()
    (tmp_path / "m.tflite").write_bytes(content.replace(b"logit", b"order"))
    with pytest.raises(ValueError, match="the file is damaged"):
        rk.export.load(tmp_path / "m.tflite")


def test_descriptions_of_other_versions(tmp_path):
    rk.export.save(MODELS["logit"](), tmp_path / "1")
    path = tmp_path / "1" / "assets.extra" / "rankkit.json"
    known = json.loads(path.read_text())

    def load(description):
        path.write_text(json.dumps(description))
        (tmp_path / "1" / "assets.extra" / "SHA256SUMS").write_text(
            f"{hashlib.sha256(path.read_bytes()).hexdigest()}  assets.extra/rankkit.json\n"
        )
        return rk.export.load(tmp_path / "1")

    later = {name: {**values, "later": [1]} for name, values in known.items()}
    assert described(load(later)) == described(load(known))
    for unknown in ([known], {"version": 2, "outputs": known}):
        with pytest.raises(ValueError, match="a newer version of rankkit wrote rankkit.json"):
            load(unknown)
