"""The rules of the house that a machine can hold: who may import whom, sizes, docstrings, files."""

import ast
import configparser
import functools
import importlib
import inspect
import pkgutil
import re
import subprocess
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import rankkit as rk

ROOT = Path(__file__).parents[1]

# A module may import those of lower lines. Beside it on its own line there is only its own folder.
LEVELS = [
    {"spark"},
    {"plots", "sampling", "tuning", "export", "evaluation", "ranking", "resuming", "workers"},
    {"_one_query", "candidate_pool"},
    {"_traced"},
    {"ensembling", "memory", "model", "recipes", "weight_averaging"}
    | {"_best", "_registered", "_scoring", "_walk"},
    {"_headed"},
    {"_lookups"},
    {"_objectives"},
    {"network", "_head_settings", "_objective"},
    {"_heads"},
    {"interactions", "layers", "losses", "metrics", "optimizers"},
    {"data"},
    {"_fitting"},
    {"_running", "_same_on_workers"},
    {"_over_iterators", "_step_counts", "_xla"},
    {"_loop", "_several_steps", "_stepping"},
    {"_batch", "_notices", "_queries", "_task"},
    {"_cells", "_logits"},
    {"_features", "_loss_weights", "_vocabulary"},
    {"_numbers", "_parts", "_steps"},
    {"_lists", "_weight_bytes"},
    {"_parameter_servers"},
    {
        "_columns",
        "_dataset_graph",
        "_keras",
        "_errors",
        "_files",
        "_given_codes",
        "_gradients",
        "_machine",
        "_own_code",
        "_row_chunks",
        "_rows_in_memory",
        "_sample_rows",
        "_sum_of_metrics",
        "_tracing",
    },
]
# Layers, networks and models know of no files: `data` is for those above them and for users.
MAY_IMPORT_DATA = LEVELS[0] | LEVELS[1]
DATA_MAY_IMPORT = {"_columns", "_keras", "_errors", "_lists", "_rows_in_memory", "_vocabulary"}


# --- Imports point one way ---


def part_of(module: str) -> str:
    """The file or folder directly under the package that a dotted name lies in."""
    return f"{module}.".split(".")[1]


def imported_modules(path: Path, package: Path) -> Iterator[str]:
    """Dotted names of the package's modules that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = path.relative_to(package.parent).parent.parts
                base = ".".join([*above[: len(above) + 1 - node.level], *filter(None, [base])])
            # `from rankkit import data` names a module after the import.
            names = [f"{base}.{a.name}" for a in node.names] if base == package.name else [base]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == package.name)


def allowed(importer: str, imported: str) -> bool:
    if importer == imported:
        return True
    if importer == "data":
        return imported in DATA_MAY_IMPORT
    if imported == "data":
        return importer in MAY_IMPORT_DATA
    level = {part: number for number, parts in enumerate(LEVELS) for part in parts}
    return importer in level and imported in level and level[importer] < level[imported]


def forbidden_imports(package: Path) -> list[str]:
    found = []
    for path in sorted(package.rglob("*.py")):
        importer = path.relative_to(package).parts[0].removesuffix(".py")
        if importer == "__init__":
            continue
        for module in imported_modules(path, package):
            if not allowed(importer, part_of(module)):
                found.append(f"{path.relative_to(package.parent)} imports {module}")
    return found


def test_imports_point_one_way():
    assert forbidden_imports(ROOT / "rankkit") == []


def test_every_module_has_its_level():
    parts = {module.name for module in pkgutil.iter_modules(rk.__path__)}
    assert parts <= set().union(*LEVELS)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("layers/one.py", "from rankkit.model import RankingModel"),
        ("layers/one.py", "import rankkit.network"),
        ("layers/one.py", "from rankkit import export"),
        ("layers/one.py", "from ..data import batches"),
        ("layers/one.py", "from .. import losses"),
        ("layers/one.py", "def f():\n    import rankkit.tuning"),
        ("layers/one.py", "import rankkit"),
        ("data/one.py", "from rankkit.layers import IdEmbedding"),
        ("_errors.py", "from rankkit._vocabulary import check_vocabulary"),
        ("ranking.py", "from rankkit.plots import history"),
        ("newcomer.py", "from rankkit._errors import invalid"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path, file, line):
    path = tmp_path / "rankkit" / file
    path.parent.mkdir(parents=True)
    path.write_text(line)
    assert len(forbidden_imports(tmp_path / "rankkit")) == 1


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("layers/one.py", "from rankkit.layers.two import Two"),
        ("layers/one.py", "from .two import Two"),
        ("layers/one.py", "from rankkit._errors import invalid"),
        ("layers/one.py", "import tensorflow as tf"),
        ("layers/one.py", "import rankkit_like"),
        ("export/one.py", "from rankkit.data import batches"),
        ("model.py", "from .network import feature_specs"),
        ("__init__.py", "from rankkit import data"),
    ],
)
def test_an_allowed_import_is_left_alone(tmp_path, file, line):
    path = tmp_path / "rankkit" / file
    path.parent.mkdir(parents=True)
    path.write_text(line)
    assert forbidden_imports(tmp_path / "rankkit") == []


# --- Files ---


def test_no_file_is_over_200_lines():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in (ROOT / "rankkit").rglob("*.py")
    }
    assert {path: lines for path, lines in lengths.items() if lines > 200} == {}


@functools.cache
def repository_text() -> dict[str, str]:
    git = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others"]
    listed = subprocess.run(
        [*git, "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("needs a git checkout, to know which files belong to it")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return {
        str(path.relative_to(ROOT)): path.read_text(errors="replace")
        for path in paths
        if path.is_file()
    }


MACHINE = re.compile(
    r"(?<![\w.:/])/(?:home|Users|root|work|farm|tmp|opt)/[\w.]"  # a folder of one machine
    r"|pypi\.org|python[h]osted|index[-]url|registry\.npmjs",  # a host that packages come from
)


def test_no_file_names_a_machine_or_a_registry():
    lines = [
        f"{path}: {line}"
        for path, text in repository_text().items()
        for line in text.splitlines()
        if MACHINE.search(line)
    ]
    assert lines == []


@pytest.mark.parametrize("folder", ["home", "root", "tmp"])
def test_a_folder_of_one_machine_is_found(folder):
    assert MACHINE.search(f"reads /{folder}/someone")
    assert not MACHINE.search(f"reads output/{folder}/someone")


def test_setup_cfg_ships_and_pyproject_builds_and_checks():
    shipped = configparser.ConfigParser()
    shipped.read(ROOT / "setup.cfg")
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert {section.split(".")[0] for section in shipped.sections()} == {"metadata", "options"}
    assert set(checked) == {"build-system", "tool"}
    assert "setuptools" not in checked["tool"]


def test_constraints_pin_a_version_that_setup_cfg_allows():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    texts = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    )
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    for requirement in map(Requirement, (line for line in lines if not line.startswith("#"))):
        if requirement.name != "rankkit":
            assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement


# --- Public names and their docstrings ---


def public(module: Any) -> Iterator[tuple[str, Any]]:
    """What a module's `__all__` names, and what the modules among it name in turn."""
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        if inspect.ismodule(value):
            yield from public(value)
        else:
            yield f"{module.__name__}.{name}", value


def documented_callables() -> Iterator[tuple[str, str, Callable]]:
    """Name, docstring and callable of public classes, functions and the methods of the former."""
    for name, value in public(rk):
        if inspect.isclass(value):
            yield name, inspect.cleandoc(value.__doc__ or ""), value
            functions = {k: f for k, f in vars(value).items() if inspect.isfunction(f)}
            for method, function in functions.items():
                doc = inspect.cleandoc(function.__doc__ or "")
                if method[0] != "_" and "\nArgs:" in doc:
                    yield f"{name}.{method}", doc, function
        elif inspect.isfunction(value):
            yield name, inspect.cleandoc(value.__doc__ or ""), value


def test_every_init_names_what_is_there():
    packages = [ROOT / "rankkit" / "__init__.py", *(ROOT / "rankkit").glob("*/__init__.py")]
    folders = [".".join(path.relative_to(ROOT).parent.parts) for path in packages]
    modules = [value.__name__ for value in vars(rk).values() if inspect.ismodule(value)]
    public_modules = [name for name in modules if name.split(".")[-1] in rk.__all__]
    for dotted in sorted({*folders, *public_modules}):
        module = importlib.import_module(dotted)
        assert hasattr(module, "__all__"), dotted
        names = module.__all__
        assert [name for name in names if not hasattr(module, name)] == [], dotted
        assert len(names) == len(set(names)), dotted


def documented_arguments(doc: str) -> dict[str, str]:
    """Argument to its text in one line, from the `Args` or `Attributes` of a Google docstring."""
    section = re.search(r"^(?:Args|Attributes):\n((?:[ ]+.*\n|\n)*)", doc + "\n", re.MULTILINE)
    if section is None:
        return {}
    entries = re.split(r"^(\*{0,2}\w+)[ ]*(?:\([^)]*\))?:", textwrap.dedent(section[1]), flags=re.M)
    return {
        name: " ".join(text.split())
        for name, text in zip(entries[1::2], entries[2::2], strict=True)
    }


def signature_arguments(function: Callable) -> dict[str, inspect.Parameter]:
    # Of a class Python 3.11.2 would take `__new__`, which Keras's layers have.
    takes_init = inspect.isclass(function) and function.__init__ is not object.__init__
    parameters = inspect.signature(function.__init__ if takes_init else function).parameters
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return {
        stars.get(parameter.kind, "") + name: parameter
        for name, parameter in parameters.items()
        if name not in ("self", "cls")
    }


def same_default(text: str, default: Any) -> bool:
    """Whether the code of a docstring stands for a default."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text in (repr(default), str(default), getattr(default, "__qualname__", None))
    return type(value) is type(default) and value == default


def drift(doc: str, function: Callable) -> list[str]:
    """What a docstring says of the arguments that the signature does not."""
    told, real = documented_arguments(doc), signature_arguments(function)
    if list(told) != list(real):
        return [f"documents {list(told)}, takes {list(real)}"]
    found = []
    for name, parameter in real.items():
        defaults = re.findall(r"[Dd]efaults to `+([^`]+)`+", told[name])
        if parameter.default is inspect.Parameter.empty:
            if "efaults to" in told[name]:
                found.append(f"{name} has no default")
        elif len(defaults) != 1:
            found.append(f"{name} needs one: Defaults to `{parameter.default!r}`")
        elif not same_default(defaults[0], parameter.default):
            found.append(f"{name} defaults to {parameter.default!r}, not `{defaults[0]}`")
    return found


@pytest.mark.parametrize(
    ("doc", "function"), [pytest.param(d, f, id=n) for n, d, f in documented_callables()]
)
def test_docstring_tells_the_signature(doc, function):
    assert doc.strip(), "has no docstring"
    assert drift(doc, function) == []


SCALE = """Scales.

Args:
    x: A number.
    by: A factor
        in no unit. Defaults to `{}`{}
    **kwargs: More.

Returns:
    Another: number.
"""


def scale(x, by=2.0, **kwargs): ...


@pytest.mark.parametrize(
    ("doc", "told"),
    [
        (SCALE.format("2.0", "."), []),
        (SCALE.format("2.0", ", no less."), []),
        (SCALE.format("3.0", "."), ["by defaults to 2.0, not `3.0`"]),
        (SCALE.format("2", "."), ["by defaults to 2.0, not `2`"]),
        (SCALE.replace("Defaults to", "Is"), ["by needs one: Defaults to `2.0`"]),
        (SCALE.format("2.0", ".").replace("number.\n", "number. Defaults to `1`.\n", 1),
         ["x has no default"]),
        (SCALE.replace("by:", "times:"),
         ["documents ['x', 'times', '**kwargs'], takes ['x', 'by', '**kwargs']"]),
        ("Scales.", ["documents [], takes ['x', 'by', '**kwargs']"]),
    ],
)  # fmt: skip
def test_drift_is_found(doc, told):
    assert drift(doc, scale) == told
