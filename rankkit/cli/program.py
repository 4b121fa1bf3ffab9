"""The Python programs that the subcommands print and run."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from rankkit.cli.recipe import Column, Recipe
from rankkit.cli.table import MOVIELENS, is_movielens, is_parquet

_MAX_WIDTH = 96
_RESERVED = ("index", "k", "rating", "self", "score")  # by signatures of an export
_LAYERS = {
    "category": "IdEmbedding.from_column({column}, **embedding)",
    "number": 'BucketEmbedding.from_column({column}, missing="learn", **embedding)',
    "tags": "TagsEmbedding.from_column({column}, **embedding)",
    "text": "TextEmbedding.from_column({column}, min_count=2, **embedding)",
}


class Names:
    """Names that columns have in a program: those of features must be plain words."""

    def __init__(self, recipe: Recipe):
        data = recipe.data
        self.user, self.item, self.title = "", "", ""
        self.renamed: dict[str, str] = {}
        taken = {data.label.lower(), data.time.lower()}
        for name in _feature_names(recipe):
            plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
            if not re.match("[A-Za-z]", plain):
                plain = f"column_{plain}".rstrip("_")
            while plain in _RESERVED or plain.lower() in taken:
                plain += "_"
            taken.add(plain.lower())
            self.renamed[name] = plain
        self.user, self.item = self.renamed[data.user], self.renamed[data.item]
        self.title = self.renamed[data.title] if data.title else ""


def _feature_names(recipe: Recipe) -> Iterable[str]:
    data = recipe.data
    features = [data.user, data.item, *recipe.user_features, *recipe.item_features]
    return dict.fromkeys(features + [data.title] * bool(data.title))


def training_program(recipe: Recipe) -> str:
    """Returns the program that trains, evaluates and exports a ranker into its own folder."""
    data, model = recipe.data, recipe.model
    is_bayesian = model.kind == "bayesian"
    lines = [
        f'"""Trains a ranker with {_comment(data.path)}; written by `rankkit train`."""',
        "",
        "import json",
        "from pathlib import Path",
        "",
        "import rankkit as rk",
        "import tensorflow as tf",
        "",
        "folder = Path(__file__).parent",
        f"tf.keras.utils.set_random_seed({model.seed})",
        "",
        "# Rows to train on, and later rows to test on."
        if recipe.split.by == "time"
        else "# Rows to train on, and rows to test on.",
        *read_lines(recipe),
        *split_lines(recipe),
    ]
    if is_bayesian:
        lines.append("train = known")
    else:
        lines += _split(recipe, "train, validation", "known", recipe.split.validation_fraction)
    lines += ["", *_feature_lines(recipe), "", *(_bayesian if is_bayesian else _keras)(recipe)]
    lines += [
        "",
        "# How good it is, beside a bias for each user and item, and beside the mean.",
        *evaluation_lines(recipe, "model"),
        '(folder / "evaluation.txt").write_text(f"{report}\\n\\n{differences}\\n")',
        'evaluation = {"metrics": report.lines, "differences": differences.lines}',
        '(folder / "evaluation.json").write_text(json.dumps(evaluation, indent=1) + "\\n")',
        "",
        "# The model, and an export that ranks all items for a user.",
        'model.save(folder / "model.keras")',
        *_candidate_lines(recipe),
        'versions = [int(path.name) for path in (folder / "export").glob("[0-9]*")]',
        "version = str(1 + max(versions, default=0))",
        'rk.export.save(model, folder / "export" / version, candidates=candidates)',
    ]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> str:
    """Returns text that ends no docstring and no line."""
    return repr(text)[1:-1].replace('"', "'").replace("\\", "/")


def read_lines(
    recipe: Recipe, *, path: str = "", rows: str = "rows", only: Iterable[str] = ()
) -> list[str]:
    """Returns the lines that read columns of a file, all of them by default."""
    data, names = recipe.data, Names(recipe).renamed
    features = recipe.user_features | recipe.item_features
    columns = list(only) or [*_feature_names(recipe), data.label, *[data.time] * bool(data.time)]
    path = path or data.path
    kinds = {name: features.get(name, Column()).kind for name in columns}
    special = (data.label, data.time)
    fill: dict[str, Any] = {n: _Code('float("nan")') for n in columns if kinds[n] == "number"}
    if is_movielens(path):
        version = path.removeprefix(MOVIELENS)
        lines = _call(f"{rows} = rk.data.movielens(", [version], {"columns": columns})
    elif is_parquet(path):
        fill |= {n: "" for n in columns if n in features and kinds[n] == "text"}
        arguments = {"fill": fill} if fill else {}
        read = _call("batches = rk.data.read_parquet(", [path, columns], arguments)
        lines = [*read, f"{rows} = rk.data.collect(batches)"]
    else:
        types = {n: _Code("float" if kinds[n] == "number" else "str") for n in columns}
        types |= {data.label: _Code("float")} if data.label in columns else {}
        types.pop(data.time, None)
        arguments = {"types": types} | ({"fill": fill} if fill else {})
        if data.delimiter != ",":
            arguments["delimiter"] = data.delimiter
        read = _call("batches = rk.data.read_csv(", [path, columns], arguments)
        lines = [*read, f"{rows} = rk.data.collect(batches)"]
    for name in columns:
        plain = names.get(name, name)
        if name != plain and name not in special:
            lines.append(f"{rows}[{_text(plain)}] = {rows}.pop({_text(name)})")
        column = f"{rows}[{_text(plain)}]"
        if separator := features.get(name, Column()).separator:
            split = f"[tag.strip() for tag in text.split({_text(separator)}) if tag.strip()]"
            lines.append(f"{column} = [{split} for text in {column}]")
        elif (
            name in features
            and kinds[name] == "category"
            and (is_movielens(path) or is_parquet(path))
        ):
            lines.append(f"{column} = [str(value) for value in {column}]")
    return lines


def split_lines(recipe: Recipe) -> list[str]:
    """Returns the lines that set test rows apart."""
    return _split(recipe, "known, test", "rows", recipe.split.test_fraction)


def _split(recipe: Recipe, parts: str, rows: str, fraction: float) -> list[str]:
    arguments: dict[str, Any] = {"test_fraction": fraction}
    if recipe.split.by == "time":
        arguments = {"timestamp": recipe.data.time, **arguments}
    else:
        arguments["seed"] = recipe.model.seed
    return _call(f"{parts} = rk.data.{recipe.split.by}_split(", [_Code(rows)], arguments)


def _feature_lines(recipe: Recipe) -> list[str]:
    names, model = Names(recipe), recipe.model
    is_bayesian = model.kind == "bayesian"
    settings: dict[str, Any] = {"embedding_dim": model.embedding_dim}
    if not is_bayesian:
        settings["embeddings_regularizer"] = _Code(f"tf.keras.regularizers.L2({model.l2!r})")
    lines = ["layers = rk.layers", f"embedding = {_literal(settings)}", "features = {"]
    for name in (names.user, names.item):
        lines.append(f"    {_text(name)}: {_layer('category', name)},")
    lines.append("}")
    owned = [(names.user, recipe.user_features), (names.item, recipe.item_features)]
    if any(features for _, features in owned):
        lines.append("attributes = {  # stored in the model by id, so that a request has only ids")
        for owner, features in owned:
            for name, column in features.items():
                plain = names.renamed[name]
                layer = _layer(column.kind, plain)
                line = f"    {_text(plain)}: ({_text(owner)}, {layer}),"
                if len(line) > _MAX_WIDTH:
                    lines.append(f"    {_text(plain)}: (")
                    lines += [f"        {_text(owner)},", f"        {layer},", "    ),"]
                else:
                    lines.append(line)
        lines += [
            "}",
            "for name, (owner, layer) in attributes.items():",
            "    stored = layers.Attribute.from_columns(rows[owner], rows[name], layer)",
            "    features[name] = (owner, stored)",
        ]
    if is_bayesian:
        lines += [
            "for name, owner, member in [  # which items a user rated, and which users an item",
            *(f"    ({_literal(row)[1:-1]})," for row in _members(names)),
            "]:",
            "    known_ids = rk.data.vocabulary(train[member])",
            '    layer = layers.TagsEmbedding(known_ids, pooling="sqrtn", **embedding)',
            "    stored = layers.Attribute.from_members(train[owner], train[member], layer)",
            "    features[name] = (owner, stored)",
        ]
    return lines


def _layer(kind: str, name: str) -> str:
    return "layers." + _LAYERS[kind].format(column=f"train[{_text(name)}]")


def _members(names: Names) -> list[list[str]]:
    """Returns name, owner and member of the two features that list who is seen with whom."""
    return [
        [_free("items_of_user", names), names.user, names.item],
        [_free("users_of_item", names), names.item, names.user],
    ]


def _free(name: str, names: Names) -> str:
    while name in names.renamed.values():
        name += "_"
    return name


def _bayesian(recipe: Recipe) -> list[str]:
    names, model = Names(recipe), recipe.model
    groups = [[names.user], [names.item]]
    for group, features in zip(groups, (recipe.user_features, recipe.item_features), strict=True):
        group += [names.renamed[name] for name in features]
    for group, (name, *_) in zip(groups, _members(names), strict=True):
        group.append(name)
    arguments = {"label": recipe.data.label, "groups": groups, "dim": 64, "seed": model.seed}
    return _call(
        "model = rk.bayesian.factorization_machine(", [_Code("features"), _Code("train")], arguments
    )


def _keras(recipe: Recipe) -> list[str]:
    model, label = recipe.model, _text(recipe.data.label)
    is_click = recipe.data.task == "clicks"
    bias = ""
    if model.kind == "deepfm" and not is_click:
        bias = f", initial_bias=float(train[{label}].mean())"
    loss = (
        ', loss=tf.keras.losses.BinaryCrossentropy(from_logits=True), metrics=["auc"]'
        if is_click
        else ""
    )
    return [
        f"model = rk.RankingModel(rk.models.{model.kind}(features{bias}), label={label})",
        f"model.compile(tf.keras.optimizers.Adam({model.learning_rate!r}){loss})",
        "model.fit(",
        f"    rk.data.batches(train, {model.batch_size}, shuffle=True, seed={model.seed}),",
        "    validation_data=rk.data.batches(validation, 8192),",
        f"    epochs={model.max_epochs},",
        "    callbacks=[",
        "        rk.WeightAveraging(),",
        "        tf.keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True),",
        "    ],",
        "    verbose=2,",
        ")",
    ]


def evaluation_lines(recipe: Recipe, scorer: str) -> list[str]:
    """Returns the lines that compare a scorer with baselines on test rows."""
    data, names = recipe.data, Names(recipe)
    label, user, item = _text(data.label), _text(names.user), _text(names.item)
    settings: dict[str, Any] = {"query": names.user, "label": data.label, "relevant": data.relevant}
    if data.task == "ratings":
        settings["rating_range"] = _Code(f"(known[{label}].min(), known[{label}].max())")
    return [
        *_call("settings = dict(", [], settings),
        f"report = rk.evaluate_ranking({scorer}, test, train=known, item={item}, **settings)",
        "scorers = {",
        f'    "model": {scorer},',
        f'    "biases": rk.evaluation.BiasBaseline(known, [{user}, {item}], label={label}),',
        f'    "mean": rk.evaluation.BiasBaseline(known, [], label={label}),',
        "}",
        "differences = rk.evaluation.compare_rankings(scorers, test, **settings)",
        'print(report, differences, sep="\\n\\n")',
    ]


def _candidate_lines(recipe: Recipe) -> list[str]:
    names = Names(recipe)
    item, title = _text(names.item), _text(names.title)
    if not names.title:
        return [f"candidates = {{{item}: rk.data.vocabulary(rows[{item}])}}"]
    return [
        f"titles = dict(zip(rows[{item}], rows[{title}]))",
        f"candidates = {{{item}: list(titles), {title}: list(titles.values())}}",
    ]


class _Code(str):
    """Text that is Python code already."""

    def __repr__(self) -> str:
        return str(self)


def _text(text: str) -> str:
    """Returns a Python string in double quotes, as formatters write it."""
    literal = repr(text)
    is_plain = literal[0] == "'" and '"' not in literal
    return f'"{literal[1:-1]}"' if is_plain else literal


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return value if isinstance(value, _Code) else _text(value)
    return "".join(_open_close(value, ", ".join(_items(value)))) if _items(value) else repr(value)


def _items(value: Any) -> list[str]:
    """Returns the literals of the members of a dict or list; of other values, none."""
    if isinstance(value, Mapping):
        return [f"{_text(name)}: {_literal(each)}" for name, each in value.items()]
    return list(map(_literal, value)) if isinstance(value, list) else []


def _open_close(value: Any, inside: str) -> tuple[str, str, str]:
    return ("{", inside, "}") if isinstance(value, Mapping) else ("[", inside, "]")


def _call(start: str, positional: list[Any], arguments: Mapping[str, Any]) -> list[str]:
    """Returns a call, with one argument a line if it is too long for one line."""
    given = [("", each) for each in positional]
    given += [(f"{name}=", value) for name, value in arguments.items()]
    line = f"{start}{', '.join(name + _literal(value) for name, value in given)})"
    if len(line) <= _MAX_WIDTH:
        return [line]
    lines = [start]
    for name, value in given:
        lines += _wrapped(f"    {name}", value)
    return [*lines, ")"]


def _wrapped(start: str, value: Any) -> list[str]:
    """Returns an argument, with one member a line if it is too long for one line."""
    line = f"{start}{_literal(value)},"
    if len(line) <= _MAX_WIDTH or not _items(value):
        return [line]
    opening, _, closing = _open_close(value, "")
    indent = " " * (len(start) - len(start.lstrip()))
    if isinstance(value, list) and any(isinstance(each, list) for each in value):
        inside = [line for each in value for line in _wrapped(f"{indent}    ", each)]
    else:
        inside = _fill(_items(value), f"{indent}    ")
    return [f"{start}{opening}", *inside, f"{indent}{closing},"]


def _fill(items: list[str], indent: str) -> list[str]:
    """Returns lines of as many items as fit."""
    lines = [indent]
    for item in items:
        if len(lines[-1]) + len(item) + 2 > _MAX_WIDTH and lines[-1] != indent:
            lines.append(indent)
        lines[-1] += f"{item}, "
    return [line.rstrip() for line in lines]
