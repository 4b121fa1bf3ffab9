"""README and docs: code that the build of the docs does not run is run here, and names exist.

`make docs` runs the pages of cells (`file_format: mystnb`), and fails where one of them fails.
"""

import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts]
BLOCK = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LANGUAGES = {"python", "console", "nginx", "text"}
CELL = re.compile(
    r"^```\{code-cell\} python\n(?:---\n(.*?)---\n|((?::[^\n]*\n)*))(.*?)^```$", re.M | re.S
)
CELLS_HEAD = "---\nfile_format: mystnb\nkernelspec:\n  name: python3\n---\n"
HIDDEN = {"IPython.display", "run_example"}  # modules that hidden cells may import


def blocks(page: Path, *languages: str) -> list[re.Match]:
    return [block for block in BLOCK.finditer(page.read_text()) if block[2] in languages]


def code(page: Path) -> str:
    """The page's Python, each line where it stands on the page, so that tracebacks point there."""
    script = ""
    for block in blocks(page, "python"):
        script += "\n" * (page.read_text()[: block.start(3)].count("\n") - script.count("\n"))
        script += textwrap.dedent(block[3])
    return script


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if code(page)], ids=name)
def test_code_of_the_page_runs(page, tmp_path, run_after_tensorflow):
    script = tmp_path / page.name
    script.write_text(code(page))
    folder = tmp_path / "empty"
    folder.mkdir()
    exit_code, output = run_after_tensorflow(script, folder)
    assert exit_code == 0, f"{page.name}\n{output[-4000:]}"


def test_pages_with_cells_are_executed():
    assert code(ROOT / "README.md")
    pages = [page for page in PAGES if "{code-cell}" in page.read_text()]
    assert [name(page) for page in pages if not page.read_text().startswith(CELLS_HEAD)] == []
    assert [name(page) for page in pages if "```python" in page.read_text()] == []
    folders = {page.parent.name for page in pages}
    assert folders >= {"tutorial", "howto", "examples"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_hidden_cells_only_show_images_and_run_examples(page):
    cells = [(cell[1] or cell[2] or "", cell[3]) for cell in CELL.finditer(page.read_text())]
    assert len(cells) == page.read_text().count("{code-cell}")
    hidden = [code for options, code in cells if "remove-input" in options]
    modules = {line.split()[1] for code in hidden for line in code.splitlines() if "import" in line}
    assert modules <= HIDDEN
    shown = "".join(code for options, code in cells if "remove-input" not in options)
    assert [module for module in HIDDEN if module in shown] == []


def test_every_example_has_a_page_that_runs_it():
    scripts = sorted(path.name for path in (ROOT / "examples").glob("[0-9]*.py"))
    assert scripts
    for script in scripts:
        page = (ROOT / "docs" / "examples" / f"{script[3:-3]}.md").read_text()
        assert f'run_example("{script}"' in page
        assert f"literalinclude}} ../../examples/{script}" in page


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_blocks_are_of_a_known_language(page):
    tags = {block[2] for block in BLOCK.finditer(page.read_text())}
    assert {tag for tag in tags if not tag.startswith("{")} <= LANGUAGES


def command_problems(command: str, root: Path) -> list[str]:
    """Make targets, scripts and flags in a shell command that do not exist."""
    targets = re.findall(r"^([\w-]+):", (root / "Makefile").read_text(), re.MULTILINE)
    found = []
    if made := re.match(r"make\s+([\w-]+)", command):
        found += [] if made[1] in targets else [f"no target {made[1]}"]
    if script := re.search(r"\bpython3?\s+((?:examples|tests)/\S+\.py)(.*)", command):
        path = root / script[1]
        if not path.is_file():
            return [*found, f"no file {script[1]}"]
        shared = path.with_name("run_folder.py")  # the options of every example
        text = path.read_text() + (shared.read_text() if shared.is_file() else "")
        flags = [flag for flag in re.findall(r"--[\w-]+", script[2]) if flag not in text]
        found += [f"no flag {flag} in {script[1]}" for flag in flags]
    return found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_use_existing_targets_scripts_and_options(page):
    lines = [line for block in blocks(page, "console") for line in block[3].splitlines()]
    commands = [re.sub(r"^\s*\$\s*", "", line) for line in lines]
    assert [problem for one in commands for problem in command_problems(one, ROOT)] == []


@pytest.mark.parametrize(
    ("command", "problems"),
    [
        ("make test ARGS=-x", []),
        ("make coffee", ["no target coffee"]),
        ("python examples/one.py --epochs 3", []),
        ("python examples/one.py --epoch-count 3", ["no flag --epoch-count in examples/one.py"]),
        (".venv/bin/python examples/two.py", ["no file examples/two.py"]),
    ],
)
def test_invalid_commands_are_found(tmp_path, command, problems):
    (tmp_path / "Makefile").write_text("test: .venv\n\techo\n")
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "one.py").write_text('parser.add_argument("--epochs")')
    assert command_problems(command, tmp_path) == problems


def test_decisions_are_dated_and_short():
    text = (ROOT / "docs" / "decisions.md").read_text()
    entries = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert [e.splitlines()[0] for e in entries if not re.match(r"\d{4}-\d\d-\d\d: \w", e)] == []
    assert [e.splitlines()[0] for e in entries if len(e.strip().splitlines()) > 9] == []
