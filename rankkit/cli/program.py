"""The Python programs that the subcommands print and run."""

import importlib.util
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rankkit.cli.literals import MAX_WIDTH, Code, any_of, assign, call, literal, text
from rankkit.cli.recipe import Column, Model, Recipe
from rankkit.cli.special import look_at
from rankkit.cli.table import MOVIELENS, is_movielens, is_parquet

_RESERVED = ("index", "k", "rating", "score", "self")  # in signatures of an export
_PLAIN = re.compile("[A-Za-z][A-Za-z0-9_]*")
_LAYERS = {
    "category": "layers.IdEmbedding.from_column({column}, **embedding)",
    "number": 'layers.BucketEmbedding.from_column({column}, missing="learn", **embedding)',
    "tags": "layers.TagsEmbedding.from_column({column}, **embedding)",
    "text": "layers.TextEmbedding.from_column({column}, min_count=2, **embedding)",
}
_BAYESIAN_DIM = 64  # of the exported vectors


class Names:
    """Names that columns have in a program: those of features must be plain words.

    Attributes:
        of: Column of the file to its name.
        user: Name of the column of users.
        item: Name of the column of items.
        title: Name of the column of titles, `""` without one.
        members: Names of two features: the items that a user rated, and the users of an item.
    """

    def __init__(self, recipe: Recipe):
        data = recipe.data
        self.of: dict[str, str] = {}
        self._taken = {data.label.lower(), data.time.lower(), *_RESERVED}
        # Those that stay as they are first: no other column takes their place.
        for name in sorted(_read_names(recipe), key=lambda name: not _PLAIN.fullmatch(name)):
            self.of[name] = self._free(name)
        self.of = {name: self.of[name] for name in _read_names(recipe)}
        self.user, self.item = self.of[data.user], self.of[data.item]
        self.title = self.of[data.title] if data.title else ""
        self.members = self._free("items_of_user"), self._free("users_of_item")

    def _free(self, name: str) -> str:
        plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
        if not re.match("[A-Za-z]", plain):
            plain = f"column_{plain}".rstrip("_")
        while plain.lower() in self._taken:
            plain += "_"
        self._taken.add(plain.lower())
        return plain


def _read_names(recipe: Recipe) -> list[str]:
    data = recipe.data
    features = [data.user, data.item, *recipe.user_features, *recipe.item_features]
    return list(dict.fromkeys([*features, *filter(None, [data.title])]))


def known_rows(recipe: Recipe) -> str:
    """Returns the variable of all rows but the test rows."""
    return "train" if recipe.model.kind == "bayesian" else "known"


def start_lines(recipe: Recipe, verb: str, command: str, *imports: str) -> list[str]:
    """Returns the docstring of a program of a command, its imports, and its folder."""
    path = repr(recipe.data.path)[1:-1].replace('"', "'").replace("\\", "/")
    return [
        f'"""{verb} {path}; written by `rankkit {command}`."""',
        "",
        *imports,
        "from pathlib import Path",
        "",
        "import rankkit as rk",
        "import tensorflow as tf",
        "",
        "folder = Path(__file__).parent",
    ]


def training_program(recipe: Recipe) -> str:
    """Returns the program that trains, evaluates and exports a ranker into its own folder."""
    lines = [
        *start_lines(recipe, "Trains a ranker with", "train", "import json"),
        f"tf.keras.utils.set_random_seed({recipe.model.seed})",
        "",
        f"# Rows to train on, and {'later ' * (recipe.split.by == 'time')}rows to test on.",
        *read_lines(recipe),
        *split_lines(recipe),
    ]
    lines += [
        "",
        *feature_lines(recipe),
        "",
        *model_lines(recipe),
        "",
        "# How good it is, beside a bias for each user and item, and beside the mean.",
        *evaluation_lines(recipe, "model"),
        '(folder / "evaluation.txt").write_text(f"{report}\\n\\n{differences}\\n")',
        "evaluation = {",
        '    "metrics": report.lines,',
        '    "differences": differences.lines,',
        '    "history": history,',
        "}",
        '(folder / "evaluation.json").write_text(json.dumps(evaluation, indent=1) + "\\n")',
        *_report_if_possible(recipe),
        "",
        "# The model, and an export that ranks all items for a user.",
        'model.save(folder / "model.keras")',
        *_candidate_lines(recipe),
        'versions = [int(path.name) for path in (folder / "export").glob("[0-9]*")]',
        "version = str(1 + max(versions, default=0))",
        'rk.export.save(model, folder / "export" / version, candidates=candidates)',
    ]
    return "\n".join(lines) + "\n"


def read_lines(
    recipe: Recipe, *, path: str = "", rows: str = "rows", only: Iterable[str] = ()
) -> list[str]:
    """Returns the lines that read columns of a file into memory.

    Args:
        recipe: The recipe of the ranker.
        path: File to read in place of that of the recipe.
        rows: Variable to assign.
        only: Columns to read. Defaults to those that training needs.
    """
    data, names = recipe.data, Names(recipe).of
    path = path or data.path
    columns = list(only) or [*names, data.label, *filter(None, [data.time])]
    features = recipe.user_features | recipe.item_features
    kinds = {name: features.get(name, Column("text")).kind for name in columns}
    numbers = [name for name in columns if kinds[name] == "number"]
    has_commas = data.decimal == ","
    special = look_at(data, path, columns)
    labels = [data.label] * (data.label in columns and not special.is_boolean)
    keywords: dict[str, Any] = {}
    if is_movielens(path):
        version = path.removeprefix(MOVIELENS)
        lines = call(f"{rows} = rk.data.movielens(", [version], {"columns": columns})
    else:
        filled: dict[str, Any] = {}
        if not is_parquet(path):
            filled = {} if has_commas else dict.fromkeys(numbers, float("nan"))
            floats = [] if has_commas else [*numbers, *labels]
            types = {name: Code("float" if name in floats else "str") for name in columns}
            is_read = {data.time: data.time in special.float_ids}  # or its type is found
            keywords["types"] = {n: types[n] for n in columns if is_read.get(n, True)}
            keywords["delimiter"] = "" if data.delimiter == "," else data.delimiter
        keywords["fill"] = filled | {
            name: values[0]
            for name, values in special.missing.items()
            if is_parquet(path) or not isinstance(values[0], str)
        }
        keywords = {name: value for name, value in keywords.items() if value}
        reader = "read_parquet" if is_parquet(path) else "read_csv"
        lines = call(f"batches = rk.data.{reader}(", [path, columns], keywords)
        lines.append(f"{rows} = rk.data.collect(batches)")
    required = (data.user, data.item, data.label, data.time)
    lines += _complete_lines(
        rows, {n: each for n, each in special.missing.items() if n in required}
    )
    for name, (value, *_) in special.missing.items():
        if name not in required and isinstance(value, int):
            blank, cell = literal(float("nan") if name in numbers else ""), f"{rows}[{text(name)}]"
            lines.append(f"{cell} = [{blank} if each == {value} else each for each in {cell}]")
    cells = [f"{rows}[{text(name)}]" for name in special.float_ids]
    integers = "astype(int)" if is_parquet(path) else "astype(float).astype(int)"
    lines += [f"{cell} = {cell}.{integers}" for cell in cells]
    if special.is_boolean:
        cell = f"{rows}[{text(data.label)}]"
        number = f'[float(cell.lower() in ("1", "true")) for cell in {cell}]'
        lines.append(f"{cell} = {f'{cell}.astype(float)' if is_parquet(path) else number}")
    if has_commas and (with_commas := [*numbers, *labels]):
        cell, number = f"{rows}[name]", 'cell.replace(",", ".") or "nan"'
        spelled = {each: "" for name in numbers for each in special.missing.get(name, ()) if each}
        if spelled:
            number = f'"nan" if cell in {literal([*spelled])} else {number}'
        lines += [
            f"for name in {literal(with_commas)}:  # decimal commas",
            f"    {cell} = [float({number}) for cell in {cell}]",
        ]
    for name in columns:
        plain = names.get(name, name)
        column = f"{rows}[{text(plain)}]"
        if name != plain:
            lines.append(f"{column} = {rows}.pop({text(name)})")
        if separator := features.get(name, Column()).separator:
            lines += [
                f"{column} = [",
                f"    [tag.strip() for tag in cell.split({text(separator)}) if tag.strip()]",
                f"    for cell in {column}",
                "]",
            ]
        elif kinds[name] == "category" and (is_movielens(path) or is_parquet(path)):
            lines.append(f"{column} = [str(value) for value in {column}]")
    return lines


def _complete_lines(rows: str, missing: Mapping[str, list[Any]]) -> list[str]:
    """Returns the lines that leave out rows with a missing cell, and say how many."""
    if not missing:
        return []
    lines = []
    for name, values in missing.items():
        cell = f"{rows}[{text(name)}]"
        for value in values:
            is_nan = isinstance(value, float)
            is_there = f"{cell} == {cell}  # not NaN" if is_nan else f"{cell} != {literal(value)}"
            lines.append(f"is_complete {'&=' if lines else '='} {is_there}")
    count = 'f"{(~is_complete).sum():,} of {len(is_complete):,} rows are left out: they lack"'
    return [
        *lines,
        *call("print(", [Code(count), any_of(list(missing))], {}),
        f"{rows} = {{name: column[is_complete] for name, column in {rows}.items()}}",
    ]


def split_lines(recipe: Recipe) -> list[str]:
    """Returns the lines that set test rows apart, and validation rows if training needs them."""
    known, split = known_rows(recipe), recipe.split
    lines = _split(recipe, f"{known}, test", "rows", split.test_fraction)
    if known != "train":
        lines += _split(recipe, "train, validation", known, split.validation_fraction)
    return lines


def _split(recipe: Recipe, parts: str, rows: str, fraction: float) -> list[str]:
    keywords: dict[str, Any] = {"test_fraction": fraction, "seed": recipe.model.seed}
    if recipe.split.by == "time":
        keywords = {"timestamp": recipe.data.time, "test_fraction": fraction}
    return call(f"{parts} = rk.data.{recipe.split.by}_split(", [Code(rows)], keywords)


def feature_lines(recipe: Recipe, others: Sequence[str] = ()) -> list[str]:
    """Returns the lines that make the layers `features`.

    Args:
        recipe: The recipe of the ranker.
        others: Variables of the rows but `train`, last ones first. Defaults to those of training.
    """
    others = others or ["test", *["validation"] * (known_rows(recipe) != "train")]
    names, model = Names(recipe), recipe.model
    is_bayesian = model.kind == "bayesian"
    embedding: dict[str, Any] = {"embedding_dim": model.embedding_dim}
    if not is_bayesian:
        embedding["embeddings_regularizer"] = Code(f"tf.keras.regularizers.L2({model.l2!r})")
    lines = ["layers = rk.layers", *assign("embedding", embedding), "features = {"]
    for name in (names.user, names.item):
        layer = _LAYERS["category"].format(column=f"train[{text(name)}]")
        lines.append(f"    {text(name)}: {layer},")
    lines.append("}")
    stored = []
    for owner, group in ((names.user, recipe.user_features), (names.item, recipe.item_features)):
        for name, column in group.items():
            layer = _LAYERS[column.kind].format(column=f"train[{text(names.of[name])}]")
            stored += _pair(names.of[name], owner, layer)
    if stored:
        lines += [
            "attributes = {  # stored in the model, so that a request has only ids",
            *stored,
            "}",
            *_stored_lines(recipe, others),
            "for name, (owner, layer) in attributes.items():",
            "    attribute = layers.Attribute.from_columns(stored[owner], stored[name], layer)",
            "    features[name] = (owner, attribute)",
        ]
    if is_bayesian and model.who_rated_what:
        of_user, of_item = names.members
        lines += [
            "members = [  # which items a user rated, and which users an item",
            f"    ({text(of_user)}, {text(names.user)}, {text(names.item)}),",
            f"    ({text(of_item)}, {text(names.item)}, {text(names.user)}),",
            "]",
            "for name, owner, member in members:",
            "    ids = rk.data.vocabulary(train[member])",
            '    layer = layers.TagsEmbedding(ids, pooling="sqrtn", **embedding)',
            "    attribute = layers.Attribute.from_members(train[owner], train[member], layer)",
            "    features[name] = (owner, attribute)",
        ]
    return lines


def _stored_lines(recipe: Recipe, others: Sequence[str]) -> list[str]:
    """Returns the lines that order rows such that the last value of an id is the one to store.

    That is the latest in a training row. An id without training rows has its first value.
    """
    if not recipe.data.time:
        parts = ", ".join([*others, "train"])
        return [f"stored = rk.data.collect([{parts}])  # the last value of an id counts"]
    pairs = ", ".join([*(f"({each}, -1)" for each in others), "(train, 1)"])
    return [
        "parts = []  # the last value of an id counts: of training rows, or else its first one",
        f"for part, step in ({pairs}):",
        f'    order = part[{text(recipe.data.time)}].argsort(kind="stable")[::step]',
        "    parts.append({name: column[order] for name, column in part.items()})",
        "stored = rk.data.collect(parts)",
    ]


def _pair(name: str, owner: str, layer: str) -> list[str]:
    line = f"    {text(name)}: ({text(owner)}, {layer}),"
    if len(line) <= MAX_WIDTH:
        return [line]
    return [f"    {text(name)}: (", f"        {text(owner)},", f"        {layer},", "    ),"]


def model_lines(recipe: Recipe, verbose: int = 2) -> list[str]:
    """Returns the lines that make and train `model`, given `features` and `train`."""
    return _bayesian(recipe) if recipe.model.kind == "bayesian" else _keras(recipe, verbose)


def _bayesian(recipe: Recipe) -> list[str]:
    names, seed = Names(recipe), recipe.model.seed
    groups = [
        [names.user, *(names.of[name] for name in recipe.user_features)],
        [names.item, *(names.of[name] for name in recipe.item_features)],
    ]
    if recipe.model.who_rated_what:
        groups = [[*group, name] for group, name in zip(groups, names.members, strict=True)]
    keywords: dict[str, Any] = {"label": recipe.data.label, "groups": groups}
    if recipe.model.embedding_dim > 1:
        keywords["dim"] = _BAYESIAN_DIM
    start = "model = rk.bayesian.factorization_machine("
    return [
        "history = None  # it is sampled, not trained in epochs",
        *call(start, [Code("features"), Code("train")], {**keywords, "seed": seed}),
    ]


def network_keywords(recipe: Recipe) -> dict[str, Any]:
    """Returns the arguments of a network that do not depend on its settings."""
    if recipe.model.kind != "deepfm" or recipe.data.task == "clicks":
        return {}
    return {"initial_bias": Code(f"float(train[{text(recipe.data.label)}].mean())")}


def compile_keywords(recipe: Recipe) -> dict[str, Any]:
    """Returns loss and metrics of a network, if they are not the usual ones."""
    if recipe.data.task == "ratings":
        return {}
    loss = Code("tf.keras.losses.BinaryCrossentropy(from_logits=True)")
    return {"loss": loss, "metrics": ["auc"]}


def _keras(recipe: Recipe, verbose: int) -> list[str]:
    model, width = recipe.model, recipe.model.tower_width
    keywords = network_keywords(recipe)
    if width != Model.tower_width:
        keywords = {"hidden_units": [width, max(1, width // 4)], **keywords}
    optimizer = Code(f"tf.keras.optimizers.Adam({model.learning_rate!r})")
    return [
        *call(f"network = rk.models.{model.kind}(", [Code("features")], keywords),
        f"model = rk.RankingModel(network, label={text(recipe.data.label)})",
        *call("model.compile(", [optimizer], compile_keywords(recipe)),
        f"batches = rk.data.batches(train, {model.batch_size}, shuffle=True, seed={model.seed})",
        "fit = model.fit(",
        "    batches,",
        "    validation_data=rk.data.batches(validation, 8192),",
        f"    epochs={model.max_epochs},",
        "    callbacks=[",
        "        rk.WeightAveraging(1 - 1 / max(2, len(batches))),  # over an epoch",
        "        tf.keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True),",
        "    ],",
        f"    verbose={verbose},",
        ")",
        "history = fit.history",
    ]


def evaluation_lines(recipe: Recipe, scorer: str) -> list[str]:
    """Returns the lines that compare a scorer with baselines on the rows `test`."""
    names = Names(recipe)
    label, user, item = text(recipe.data.label), text(names.user), text(names.item)
    return [
        *settings_lines(recipe),
        f"report = rk.evaluate_ranking({scorer}, test, train=train, item={item}, **settings)",
        "scorers = {",
        f'    "model": {scorer},',
        f'    "biases": rk.evaluation.BiasBaseline(train, [{user}, {item}], label={label}),',
        f'    "mean": rk.evaluation.BiasBaseline(train, [], label={label}),',
        "}",
        "differences = rk.evaluation.compare_rankings(scorers, test, **settings)",
        'print(report, differences, sep="\\n\\n")',
    ]


def settings_lines(recipe: Recipe) -> list[str]:
    """Returns the lines that set the arguments of all evaluations."""
    data = recipe.data
    settings: dict[str, Any] = {
        "query": Names(recipe).user,
        "label": data.label,
        "relevant": data.relevant,
    }
    if data.task == "ratings":
        label = text(data.label)
        settings["rating_range"] = Code(f"(train[{label}].min(), train[{label}].max())")
    return assign("settings", settings)


def _report_if_possible(recipe: Recipe) -> list[str]:
    if importlib.util.find_spec("matplotlib") is None:
        return []
    lines = report_lines(recipe, Code('folder / "report.html"'), "model")
    label = f"test[{text(recipe.data.label)}]"
    return [
        "code = Path(__file__).read_text()",
        f"if {label}.min() < {label}.max():  # else there is nothing to rank, nor to report",
        *(f"    {line}" for line in lines),
    ]


def report_lines(recipe: Recipe, path: str, scorer: str) -> list[str]:
    """Returns the lines that write the HTML report, given `settings`, `history` and `code`."""
    names, data = Names(recipe), recipe.data
    keywords: dict[str, Any] = {"train": Code("train"), "item": names.item}
    if recipe.model.kind != "bayesian":
        keywords["validation"] = Code("validation")
    if data.time:
        keywords["timestamp"] = data.time
    if names.title:
        keywords["item_columns"] = [names.title]
    keywords |= {"history": Code("history"), "code": Code("code")}
    settings = [Code("**settings")]
    arguments = [path, Code(scorer), Code("test")]
    return call("rk.evaluation.html_report(", arguments, keywords, settings)


def _candidate_lines(recipe: Recipe) -> list[str]:
    names = Names(recipe)
    item, title = text(names.item), text(names.title)
    if not names.title:
        return [f"candidates = {{{item}: rk.data.vocabulary(rows[{item}])}}"]
    return [
        "titles = {}",
        f"for each, title in zip(rows[{item}], rows[{title}]):",
        '    titles[each] = title or titles.get(each, "")  # the last one that is not missing',
        f"candidates = {{{item}: list(titles), {title}: list(titles.values())}}",
    ]
