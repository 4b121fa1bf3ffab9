"""Rules of the package: layout, imports, file sizes, docstrings and metadata."""

import ast
import configparser
import importlib
import inspect
import os
import re
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

# A folder may import folders of earlier lines.
LEVELS = [
    {"_keras2"},
    {"utils"},
    {"core"},
    {
        "data",
        "distributed",
        "interactions",
        "layers",
        "losses",
        "metrics",
        "optimizers",
        "plots",
        "serving",
    },
    {"models"},
    {"training"},
    {"bayesian", "ranking", "tuning"},
    {"evaluation", "export"},
    {"cli", "spark"},
]
LEVEL = {folder: level for level, folders in enumerate(LEVELS) for folder in folders}


# --- Layout and imports ---


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
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == package.name)


def forbidden_imports(package: Path) -> list[str]:
    """Imports of folders that are not below, and of private modules of other folders."""
    found = []
    for path in sorted(package.rglob("*.py")):
        folder = path.relative_to(package).parts[0]
        if folder in ("__init__.py", "__main__.py"):
            continue
        for module in imported_modules(path, package):
            imported = f"{module}.".split(".")[1]
            below = LEVEL.get(imported, len(LEVELS)) < LEVEL.get(folder, -1)
            private = any(part.startswith("_") for part in module.split(".")[2:])
            if folder != imported and (private or not below):
                found.append(f"{path.relative_to(package.parent)} imports {module}")
    return found


def test_root_holds_folders_and_the_keras_switch():
    files = {path.name for path in (ROOT / "rankkit").iterdir() if path.name != "__pycache__"}
    modules = {"__init__.py", "__main__.py", "_keras2.py", "py.typed"}
    assert files == {*modules, *(LEVEL.keys() - {"_keras2"})}


def test_folders_import_only_folders_below():
    assert forbidden_imports(ROOT / "rankkit") == []


@pytest.mark.parametrize(
    ("file", "line", "is_allowed"),
    [
        ("layers/one.py", "from rankkit.training.model import RankingModel", False),
        ("layers/one.py", "import rankkit.models.network", False),
        ("layers/one.py", "from rankkit import export", False),
        ("layers/one.py", "from ..data import batches", False),
        ("layers/one.py", "def f():\n    import rankkit.tuning.search", False),
        ("newcomer/one.py", "from rankkit.utils.errors import invalid", False),
        ("models/one.py", "from rankkit.layers._numeric import check_finite", False),
        ("models/one.py", "from rankkit.layers import _numeric", False),
        ("models/one.py", "import rankkit.layers._numeric", False),
        ("layers/one.py", "from rankkit.layers._numeric import check_finite", True),
        ("layers/one.py", "from .two import Two", True),
        ("layers/one.py", "import rankkit_like", True),
        ("export/one.py", "from rankkit.data import batches", True),
    ],
)
def test_forbidden_imports_are_found_and_others_are_not(tmp_path, file, line, is_allowed):
    path = tmp_path / "rankkit" / file
    path.parent.mkdir(parents=True)
    path.write_text(line)
    assert (forbidden_imports(tmp_path / "rankkit") == []) == is_allowed


def test_module_with_a_single_importer_lies_in_the_folder_of_the_importer():
    package = ROOT / "rankkit"
    files = [path for path in package.rglob("*.py") if path.name != "__init__.py"]
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in files}
    importers: dict[str, set[Path]] = {module: set() for module in modules}
    for path in package.rglob("*.py"):
        for name in imported_modules(path, package):
            module = name if name in modules else name.rpartition(".")[0]
            if module in modules:
                importers[module].add(path)

    far = []
    for module, paths in importers.items():
        folders = {path.relative_to(package).parts[0] for path in paths}
        if len(paths) == 1 and not folders <= {"__init__.py", "__main__.py", module.split(".")[1]}:
            far.append((module, *paths))
    assert far == []


# --- Files ---


def test_no_file_is_over_500_lines():
    files = (ROOT / "rankkit").rglob("*.py")
    assert [str(path) for path in files if len(path.read_text().splitlines()) > 500] == []


def test_tests_mirror_the_folders():
    tests = ROOT / "tests"
    folders = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")}
    assert [str(each) for each in folders if not (ROOT / "rankkit" / each).is_dir()] == []


def test_tests_import_public_names_or_modules_of_the_mirrored_folder():
    found = []
    for path in (ROOT / "tests").rglob("*.py"):
        folder = path.relative_to(ROOT / "tests").parts[0]
        if folder == "benchmarks":
            continue
        for module in imported_modules(path, ROOT / "rankkit"):
            _, part, *names = [*module.split("."), ""]
            if part in ("", folder) or (part in rk.__all__ and names == [""]):
                continue
            public = getattr(importlib.import_module(f"rankkit.{part}"), "__all__", ())
            if names[0] not in public:
                found.append(f"{path.relative_to(ROOT)} imports {module}")
        if re.search(r"""setattr\(\s*['"]rankkit""", path.read_text()):
            found.append(f"{path.relative_to(ROOT)} patches by a dotted path")
    assert found == []


def repository_files() -> Iterator[Path]:
    """All files but those that .gitignore names; works without git, too."""
    ignored = {".git", *(ROOT / ".gitignore").read_text().replace("/\n", "\n").split()}
    for folder, folders, files in os.walk(ROOT):
        inside = Path(folder).relative_to(ROOT)
        folders[:] = [
            name
            for name in folders
            if not any(inside.joinpath(name).match(pattern) for pattern in ignored)
        ]
        yield from (Path(folder, name) for name in files if name not in ignored)


LOCAL_PATH_OR_INDEX = re.compile(
    r"(?<![\w.:/])/(?:home|Users|root|work|farm|tmp|opt)/[\w.]"  # an absolute path of one host
    r"|pypi\.org|python[h]osted|index[-]url|registry\.npmjs"  # a package index
)


def test_no_file_has_a_local_path_or_a_package_index():
    for folder in ("home", "root", "tmp"):
        assert LOCAL_PATH_OR_INDEX.search(f"reads /{folder}/someone")
        assert not LOCAL_PATH_OR_INDEX.search(f"reads output/{folder}/someone")
    files = list(repository_files())
    assert {ROOT / "Makefile", ROOT / "rankkit" / "__init__.py", Path(__file__)} <= set(files)
    lines = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in files
        for line in path.read_text(errors="replace").splitlines()
        if LOCAL_PATH_OR_INDEX.search(line)
    ]
    assert lines == []


def test_metadata_is_in_setup_cfg_and_tool_settings_in_pyproject():
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
    found = re.findall(r"^(\S+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    pins = {canonicalize_name(name): version for name, version in found}
    for requirement in map(Requirement, (line for line in lines if not line.startswith("#"))):
        if requirement.name != "rankkit":
            assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement


# --- Public names and their docstrings ---


def public(module: Any) -> Iterator[tuple[str, Any]]:
    """The names of `__all__` and of the modules among them."""
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        if inspect.ismodule(value):
            yield from public(value)
        else:
            yield f"{module.__name__}.{name}", value


def documented_callables() -> Iterator[tuple[str, str, Callable]]:
    """Name, docstring and callable of public classes, their methods, and functions."""
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


def test_reference_lists_every_public_name():
    pages = (ROOT / "docs" / "reference").glob("*.md")
    text = "\n".join(page.read_text() for page in pages)
    shown = set(re.findall(r"auto(?:class|function|data):: (\S+)", text))
    assert {name for name, _ in public(rk)} == shown


def test_every_name_in_all_exists():
    packages = (ROOT / "rankkit").glob("**/__init__.py")
    folders = [".".join(path.relative_to(ROOT).parent.parts) for path in packages]
    modules = [value.__name__ for value in vars(rk).values() if inspect.ismodule(value)]
    public_modules = [name for name in modules if name.split(".")[-1] in rk.__all__]
    for dotted in sorted({*folders, *public_modules}):
        module = importlib.import_module(dotted)
        names = getattr(module, "__all__", [])  # none where the root names what is public
        assert [name for name in names if not hasattr(module, name)] == [], dotted
        assert len(names) == len(set(names)), dotted


def documented_arguments(doc: str) -> dict[str, str]:
    """Argument to its text in one line, from the `Args` or `Attributes` of a Google docstring."""
    section = re.search(r"^(?:Args|Attributes):\n((?:[ ]+.*\n|\n)*)", doc + "\n", re.MULTILINE)
    if section is None:
        return {}
    entries = re.split(r"^(\*{0,2}\w+)[ ]*(?:\([^)]*\))?:", textwrap.dedent(section[1]), flags=re.M)
    pairs = zip(entries[1::2], entries[2::2], strict=True)
    return {name: " ".join(text.split()) for name, text in pairs}


def signature_arguments(function: Callable) -> dict[str, inspect.Parameter]:
    # Python 3.11.2 would use `__new__` of a class, which Keras layers have.
    takes_init = inspect.isclass(function) and function.__init__ is not object.__init__
    parameters = inspect.signature(function.__init__ if takes_init else function).parameters
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return {
        stars.get(parameter.kind, "") + name: parameter
        for name, parameter in parameters.items()
        if name not in ("self", "cls")
    }


def same_default(text: str, default: Any) -> bool:
    """Whether the text of a docstring is the value of a default."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text in (repr(default), str(default), getattr(default, "__qualname__", None))
    return type(value) is type(default) and value == default


def drift(doc: str, function: Callable) -> list[str]:
    """Differences between the arguments of a docstring and of the signature."""
    documented, real = documented_arguments(doc), signature_arguments(function)
    if list(documented) != list(real):
        return [f"documents {list(documented)}, takes {list(real)}"]
    found = []
    for name, parameter in real.items():
        defaults = re.findall(r"[Dd]efaults to `+([^`]+)`+", documented[name])
        if parameter.default is inspect.Parameter.empty:
            if "efaults to" in documented[name]:
                found.append(f"{name} has no default")
        elif len(defaults) != 1:
            found.append(f"{name} needs one: Defaults to `{parameter.default!r}`")
        elif not same_default(defaults[0], parameter.default):
            found.append(f"{name} defaults to {parameter.default!r}, not `{defaults[0]}`")
    return found


@pytest.mark.parametrize(
    ("doc", "function"), [pytest.param(d, f, id=n) for n, d, f in documented_callables()]
)
def test_docstring_matches_the_signature(doc, function):
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
    ("doc", "expected"),
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
def test_difference_between_docstring_and_signature_is_found(doc, expected):
    assert drift(doc, scale) == expected
