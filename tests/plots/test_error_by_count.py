import dataclasses

import numpy as np
import pytest
import rankkit as rk
from rankkit.plots.evaluation import error_by_count_figure


def heights(axes, label):
    [line] = [line for line in axes.lines if line.get_label() == label]
    return np.asarray(line.get_ydata()).tolist()


def test_users_and_items_have_columns_of_rmse_and_mean_error(diagnosis):
    user_rmse, item_rmse, user_mean, item_mean = error_by_count_figure(diagnosis).axes
    assert heights(user_rmse, "model") == pytest.approx([1.00004, 1.0001])
    assert heights(user_rmse, "biases") == [0.9, 0.9]
    assert heights(user_mean, "model") == [0.1, 0.1]
    assert heights(user_mean, "biases") == pytest.approx([-0.00004, -0.0001])
    assert heights(item_rmse, "model") == pytest.approx([1.00001, 1.00003, 1.12345])
    assert heights(item_mean, "biases") == pytest.approx([-0.00001, -0.00003, -0.12345])
    assert (user_rmse.get_ylabel(), user_mean.get_ylabel()) == (
        "RMSE", "mean error\n(predicted - true)",
    )  # fmt: skip
    assert user_rmse.get_ylim() == item_rmse.get_ylim()  # to be compared


def test_counts_and_rows_are_under_each_dot(diagnosis):
    figure = error_by_count_figure(diagnosis)
    _, _, users, items = figure.axes
    assert [label.get_text() for label in users.get_xticklabels()] == ["none\n(4)", "3–9\n(10)"]  # noqa: RUF001
    assert [label.get_text() for label in items.get_xticklabels()] == [
        "none\n(1)", "1–2\n(3)", "10k–30k\n(12.3k)",  # noqa: RUF001
    ]  # fmt: skip
    assert items.get_xlabel() == "training rows of the item id\n(rows evaluated)"
    assert figure.get_suptitle() == "Error of user rating by number of training rows"
    assert [text.get_text() for text in figure.legends[0].texts] == ["model", "biases"]


def test_queries_alone_are_one_column(diagnosis, tmp_path):
    lines = [line for line in diagnosis.errors if line["column"] == "user_id"]
    alone = dataclasses.replace(diagnosis, errors=lines)
    assert len(error_by_count_figure(alone).axes) == 2
    rk.plots.error_by_count(alone, tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
