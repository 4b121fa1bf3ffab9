"""`rankkit tune`: the search, what it changes in the folder of a ranker, and what it refuses."""

import ast
import contextlib
import io
import json
import shutil
import signal

import pytest
import rankkit as rk

from rankkit.cli import tune
from rankkit.cli.main import main
from rankkit.cli.recipe import Model, read_recipe, write_toml


@pytest.fixture
def copied(ranker, tmp_path, monkeypatch):
    """A copy of the ranker and its data, to tune, as `ranker` in the working directory."""
    shutil.copytree(ranker.parent, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy" / "ranker"


def edit(folder, **settings):
    """Changes settings of the model in a recipe, and returns its text."""
    path = folder / "ranker.toml"
    text = path.read_text()
    for name, value in settings.items():
        [line] = [each for each in text.splitlines() if each.startswith(f"{name} = ")]
        text = text.replace(line, f"{name} = {value}")
    path.write_text(text)
    return text


def exports(folder):
    return sorted(path.name for path in (folder / "export").iterdir())


SETTINGS = {"kind": '"tower" # mine', "learning_rate": 1e-9, "max_epochs": 2}
COMMAND = ["tune", "ranker", "--trials", "2"]


@pytest.fixture(scope="module")
def tuned(ranker, tmp_path_factory):
    """A copy of the ranker after `rankkit tune`, and the output of the command."""
    folder = tmp_path_factory.mktemp("tuned") / "copy"
    shutil.copytree(ranker.parent, folder)
    edit(folder / "ranker", **SETTINGS)
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as output:
        assert main(COMMAND) == 0
    return folder / "ranker", output.getvalue()


@pytest.mark.slow
def test_the_best_trial_is_the_next_version(tuned, monkeypatch):
    folder, output = tuned
    assert "rk.tuning.search(" in output
    assert "RMSE embedding_dim            l2 learning_rate   tower_width\n" in output
    assert " lower than the ranker's settings. The next version is trained with them." in output
    assert exports(folder) == ["1", "2"]
    text, model = (folder / "ranker.toml").read_text(), read_recipe(folder / "ranker.toml").model
    assert 'kind = "tower" # mine\n' in text
    assert "# device: its values differ" in text
    assert (model.kind, model.max_epochs, model.batch_size) == ("tower", 2, 64)
    assert 3e-4 <= model.learning_rate <= 1e-2
    assert f"Adam({model.learning_rate})" in (folder / "train.py").read_text()

    # With the tuned settings, it is still the same search, which goes on.
    monkeypatch.setattr(tune, "run_program", lambda path: 1 / 0)
    monkeypatch.chdir(folder.parent)
    with pytest.raises(ZeroDivisionError):
        main(["tune", "ranker", "--trials", "3"])


@pytest.mark.slow
def test_an_interrupted_search_resumes_with_the_same_settings(tuned, copied, monkeypatch, capsys):
    edit(copied, **SETTINGS)
    fit, trials = rk.tuning.RankingHyperModel.fit, []

    def interrupt_second(*args, **kwargs):
        trials.append(args)
        if len(trials) == 2:
            signal.raise_signal(signal.SIGINT)
        return fit(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(rk.tuning.RankingHyperModel, "fit", interrupt_second)
        assert main(COMMAND) == 130
    assert exports(copied) == ["1"]
    assert main(COMMAND) == 0
    assert "resuming after 1 trials" in capsys.readouterr().out
    for name in ("ranker.toml", "train.py"):
        assert (copied / name).read_text() == (tuned[0] / name).read_text()
    metrics = [
        json.loads((folder / "evaluation.json").read_text())["metrics"]
        for folder in (copied, tuned[0])
    ]
    assert metrics[0] == metrics[1]


def test_a_better_ranker_stays(copied, capsys):
    before = edit(copied, max_epochs=1)  # of the networks, not of the Bayesian model
    assert main(["tune", "ranker", "--trials", "1"]) == 0
    output = capsys.readouterr().out
    assert "  the recipe (bayesian)\n" in output
    assert "higher than the ranker's settings. It stays as it is." in output
    assert (copied / "ranker.toml").read_text() == before
    assert exports(copied) == ["1"]


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        *(("ratings", kind) for kind in ("bayesian", "deepfm", "tower")),
        *(("clicks", kind) for kind in ("deepfm", "tower")),
    ],
)
def test_the_program_never_uses_the_test_rows(copied, monkeypatch, kind, task):
    edit(copied, kind=f'"{kind}"', task=f'"{task}"')
    monkeypatch.setattr(tune, "run_program", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["tune", "ranker"])
    tree = ast.parse((copied / "tune.py").read_text())
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    assert used >= {"train", "validation", "known", "rows"}
    assert "test" not in used


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["nope"], "'nope' does not exist. Pass a folder that `rankkit train` wrote."),
        (["."], "'.' has no ranker. Pass a folder that `rankkit train` wrote."),
        (["ranker", "--trials", "0"], "--trials must be an integer of at least 1. Got: 0."),
        (["ranker", "--seed", "-1"], "--seed must be an integer of at least 0. Got: -1."),
    ],
)
def test_mistakes_are_one_sentence(copied, capsys, options, words):
    assert main(["tune", *options]) == 1
    assert capsys.readouterr().err == f"rankkit tune: {words}\n"
    assert not (copied / "tune.py").exists()


def test_another_search_is_neither_mixed_nor_lost(copied, capsys, monkeypatch):
    programs = []

    def stop(path):
        programs.append(path.read_text())
        (copied / "tuning").mkdir(exist_ok=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(tune, "run_program", stop)
    assert main(["tune", "ranker"]) == 130
    assert "Interrupted. The same command resumes the search." in capsys.readouterr().err
    assert main(["tune", "ranker", "--trials", "30"]) == 130
    for change in (["--seed", "7"], []):
        if not change:
            edit(copied, max_epochs=7)
        assert main(["tune", "ranker", *change]) == 1
        error = capsys.readouterr().err
        assert "ranker/tuning is the search of another recipe, seed or tune.py. Undo" in error
    assert (copied / "tune.py").read_text() == programs[-1]
    assert main(["tune", "ranker", "--overwrite"]) == 130
    assert "epochs=7" in programs[-1]

    def refuse(path):
        raise ValueError("The folder holds another search. Use overwrite=True to delete it.")

    monkeypatch.setattr(tune, "run_program", refuse)
    assert main(["tune", "ranker"]) == 1
    assert capsys.readouterr().err.endswith("search. Use --overwrite to delete it.\n")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("tower_width = 256\n", ""),
        lambda text: text.replace("l2 = 0.003", "l2=3e-3  # a comment"),
        lambda text: text.replace("[features.user]", "[features]\n[features.user]"),
        lambda text: text[: text.index("[model]")] + text[text.index("[features.user]") :],
        lambda text: "model.l2 = 1.0\n" + text.replace("[model]", "[split.x]").partition("[spl")[0],
        lambda text: text[: text.index("[model]")] + "[model]\n",
    ],
)
def test_settings_are_replaced_in_any_layout(ranker, tmp_path, change):
    path = tmp_path / "ranker.toml"
    path.write_text(change(write_toml(read_recipe(ranker / "ranker.toml"), {})))
    recipe = read_recipe(path)
    model = Model(kind="deepfm", l2=0.01, tower_width=64)
    expected, text = tune._with_model(recipe, model, path)
    path.write_text(text)
    assert read_recipe(path) == expected
    assert expected.model == model
