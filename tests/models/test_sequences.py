"""Named architectures of ordered histories."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

L = rk.layers
ITEMS = [f"i{n}" for n in range(12)]
both = pytest.mark.parametrize("build", [rk.models.din, rk.models.bst])


def make_features():
    return {
        "user_id": L.IdEmbedding(["u", "v"], 3),
        "history_gap": L.BucketEmbedding([3], 4),
        "item_id": L.IdEmbedding(ITEMS, 4),
    }


@pytest.fixture(scope="module")
def rows():
    """Clicks on items that are next to one of the history on a circle of all items."""
    rng = np.random.default_rng(0)
    histories = [rng.choice(12, 1 + n % 4, replace=False) for n in range(1500)]
    items = rng.integers(12, size=1500)
    label = [float((item - 1) % 12 in each) for each, item in zip(histories, items, strict=True)]
    histories[0] = np.array([], int)
    return {
        "item_id": [ITEMS[item] for item in items],
        "history_item_id": [[ITEMS[each] for each in history] for history in histories],
        "label": label,
    }


@both
def test_history_tells_which_items_are_clicked(build, rows):
    tf.keras.utils.set_random_seed(1)
    model = rk.RankingModel(
        build({"item_id": L.IdEmbedding(ITEMS, 8)}, hidden_units=[16]), label="label"
    )
    loss = tf.keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(tf.keras.optimizers.Adam(0.01), loss=loss)
    batches = rk.data.batches(rows, 64, shuffle=True, seed=1)
    auc = model.fit(batches, epochs=15, verbose=0).history["auc"]
    assert auc[-1] > 0.9  # without the history, all items are clicked equally often
    ranking = rk.rank(model, {"history_item_id": ["i3", "i7"]}, {"item_id": ITEMS}, k=1)
    assert ranking[0][0] in {"i4", "i8"}


@both
def test_item_and_history_are_found_by_their_names(build):
    made = build(make_features(), event_features=["history_gap"], max_length=7)
    assert list(made.input) == ["user_id", "history_item_id", "history_gap", "item_id"]
    kinds = (L.TargetAttention, L.TargetTransformer)
    [layer] = [each for each in made.layers if isinstance(each, kinds)]
    assert (layer.max_length, len(layer.side_layers)) == (7, 1)
    features = {"item": ("seen", L.IdEmbedding(ITEMS, 4)), "user_id": L.IdEmbedding(["u"], 3)}
    assert list(build(features, item="item").input) == ["history_seen", "seen", "user_id"]
    assert list(build(features, item="item", history="h").input) == ["h", "seen", "user_id"]


def test_arguments_are_passed_on():
    made = rk.models.din(make_features(), item="item_id", event_features=["history_gap"],
                         attention_units=[5, 2], hidden_units=[6], activation="tanh")  # fmt: skip
    layers = {type(each): each for each in made.layers}
    assert layers[L.TargetAttention].hidden_units == (5, 2)
    assert layers[L.DenseRatingHead].hidden_units == (6,)
    made = rk.models.bst(make_features(), event_features=["history_gap"], num_blocks=2,
                         num_heads=1, dropout_rate=0.3)  # fmt: skip
    layers = {type(each): each for each in made.layers}
    transformer = layers[L.TargetTransformer]
    assert (transformer.num_blocks, transformer.num_heads) == (2, 1)
    assert transformer.dropout_rate == layers[L.DenseRatingHead].dropout_rate == 0.3


@both
def test_features_that_make_no_history_are_named(build):
    features = make_features()
    with pytest.raises(ValueError, match="Unknown feature in event_features 'gap'"):
        build(features, event_features=["gap"])
    with pytest.raises(ValueError, match="Unknown item 'history_gap'. Known: 'user_id', 'item_id'"):
        build(features, event_features=["history_gap"], item="history_gap")
    with pytest.raises(ValueError, match="event_features must be a list that leaves out the feat"):
        build(features, event_features=list(features))
    with pytest.raises(ValueError, match="history must be a column that no feature reads.*user_id"):
        build(features, history="user_id")
    with pytest.raises(ValueError, match=r"The embedding_dim of side_layers\[0\] must be 4"):
        build(features, event_features=["user_id"])
    with pytest.raises(TypeError, match="item_layer must be a layer that embeds a single value"):
        build({"item_id": L.NormalizedNumber(0.0, 1.0)})
    layer = L.SequenceMean(features["item_id"])
    with pytest.raises(TypeError, match="item_layer must be a layer that embeds.*SequenceMean"):
        build({"next": (("history_item_id", "item_id"), layer)})


def test_sasrec_reads_the_candidate_and_its_history_alone():
    text = r"Features other than event_features must be one, .* Got: .*'user_id', 'item_id'.*bst"
    with pytest.raises(ValueError, match=text):
        rk.models.sasrec(make_features(), event_features=["history_gap"])


@both
def test_network_is_cloned_and_loaded_with_one_table(build, tmp_path):
    made = build(make_features(), event_features=["history_gap"])
    for weight in made.weights:  # zero weights would hide errors
        weight.assign(tf.random.normal(weight.shape))
    columns = {
        "user_id": tf.constant(["u", "w"]),
        "history_item_id": tf.constant([["i1", "i2"], ["i3", ""]]),
        "history_gap": tf.constant([[1, 9], [5, -1]], tf.int64),
        "item_id": tf.constant(["i2", "i1"]),
    }
    clone = tf.keras.models.clone_model(made)
    clone.set_weights(made.get_weights())
    made.save(tmp_path / "m.keras")
    loaded = tf.keras.models.load_model(tmp_path / "m.keras")
    for other in (clone, loaded):
        assert [each.shape for each in other.weights] == [each.shape for each in made.weights]
        np.testing.assert_allclose(other(columns), made(columns), atol=1e-6)


@pytest.mark.parametrize("nested", ["item", "attribute"])
def test_layer_inside_another_is_not_a_feature_as_well(nested):
    """A loaded network would have a copy of it for each."""
    items = L.IdEmbedding(ITEMS, 4, name="items")
    inside = (("h", "item_id"), L.SequenceMean(items))
    if nested == "attribute":
        inside = ("item_id", L.Attribute(["a"], ["i1"], items))
    for others in ({"item_id": items}, {"seen": (("g", "item_id"), L.SequenceMean(items))}):
        for features in ({**others, "x": inside}, {"x": inside, **others}):
            names = " and ".join(map(repr, features))
            with pytest.raises(ValueError, match=f"inside.*'items' in features {names}. Make a"):
                rk.models.tower(features)
    with pytest.raises(ValueError, match="side_layers must be layers of their own.*several copies"):
        L.SequenceMean(items, side_layers=[items])


@pytest.mark.parametrize("build", [rk.models.din, rk.models.bst])
def test_clicks_train_with_negatives_in_rows_and_in_lists(build):
    """A negative has the history of the click."""
    rng = np.random.default_rng(0)
    clicks = {
        "user_id": rng.integers(0, 20, 200),
        "item_id": rng.choice([*"abcdefgh"], 200),
        "timestamp": rng.permutation(200),
    }
    rows = rk.data.InteractionLog(clicks).add_histories(clicks, max_length=5)
    for lists in (False, True):
        features = {"item_id": rk.layers.IdEmbedding([*"abcdefgh"], 4)}
        model = rk.RankingModel(build(features, max_length=5, hidden_units=[4]), label="click")
        clicked = tf.keras.losses.BinaryCrossentropy(from_logits=True)
        model.compile("adam", loss=rk.losses.SoftmaxLoss() if lists else clicked)
        batches = rk.data.with_negatives(rows, 16, item="item_id", lists=lists, seed=1)
        batch = next(iter(batches))
        histories = batch["history_item_id"].to_list()
        if not lists:
            histories = [histories[row : row + 5] for row in range(0, len(histories), 5)]
        assert all(each == members[0] for members in histories for each in members)
        losses = model.fit(batches, epochs=2, verbose=0).history["loss"]
        assert losses[1] < losses[0]
