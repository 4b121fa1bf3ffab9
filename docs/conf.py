"""Sphinx configuration; `make docs` builds the pages.

Pages that start with `file_format: mystnb` are executed during the build, each in an empty folder,
and show the output of their code. Outputs are cached in `_build`: a page is executed again if its
code changed, and all pages are if the code of the library changed.
"""

import ast
import contextlib
import hashlib
import importlib.metadata
import inspect
import logging
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, STDOUT

from jupyter_cache import get_cache
from jupyter_cache.executors.basic import ExecutionWorkerTempMProc, ProcessData
from sphinx.errors import ExtensionError
from sphinx.util.inspect import stringify_signature

sys.path.append(str(Path(__file__).parent / "_run"))

from forked import serve

DOCS = Path(__file__).parent
ROOT = DOCS.parent
BUILD = DOCS / "_build"

# The environment of the code on the pages.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["RANKKIT_EXAMPLES"] = str(ROOT / "examples")
os.environ["RANKKIT_PYTHON"] = sys.executable
for name in ("JUPYTER_PATH", "PYTHONPATH"):
    os.environ[name] = os.pathsep.join([str(DOCS / "_run"), os.environ.get(name, "")]).rstrip(":")

# It logs the start of each page.
logging.getLogger("traitlets").setLevel(logging.WARNING)


def hash_of_code() -> str:
    """Returns a hash of the code that pages run, without comments and docstrings."""
    total = hashlib.sha256()
    folders = (ROOT / "rankkit", ROOT / "examples", DOCS / "_run")
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            match getattr(node, "body", None):
                case [ast.Expr(ast.Constant(str())), *rest]:
                    node.body = rest
        total.update(ast.dump(tree).encode())
    return total.hexdigest()[:16]


CACHE = BUILD / "runs" / hash_of_code()
FIGURES = BUILD / "pictures"

project = "rankkit"
author = "The rankkit authors"
copyright = "2026, The rankkit authors"
release = importlib.metadata.version("rankkit")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_codeautolink",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build", "_run"]

html_theme = "furo"
html_title = f"rankkit {release}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["rankkit.css"]

myst_enable_extensions = ["attrs_inline", "colon_fence", "dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = "cache"
nb_execution_cache_path = str(CACHE / "pages")
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True
nb_output_stderr = "remove"

# Outputs have no copy button, and copied shell commands have no prompt.
copybutton_selector = ":not(.output) > div.highlight > pre"
copybutton_exclude = ".linenos, .gp, .go"

codeautolink_concat_default = True

# Docstrings use single backticks for code.
default_role = "code"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Input shape", "Output shape"]
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
# Docstrings inherited from Keras are Markdown and would be parsed as reStructuredText.
autodoc_inherit_docstrings = False


def remove_stale_outputs(app) -> None:
    """Removes outputs of other versions of the library's code."""
    for old in set((BUILD / "runs").glob("*")) - {CACHE}:
        shutil.rmtree(old)


@contextlib.contextmanager
def make_figures() -> Iterator[None]:
    """Makes the figures of the home page in the background, unless they are up to date."""
    if (FIGURES / CACHE.name).exists():
        yield
        return
    shutil.rmtree(FIGURES, ignore_errors=True)
    FIGURES.mkdir(parents=True)
    script = str(DOCS / "_run" / "home_pictures.py")
    command = [sys.executable, "-S", "-m", "forked", script, str(FIGURES)]
    with subprocess.Popen(command, stdout=PIPE, stderr=STDOUT, text=True) as process:
        yield
        output, _ = process.communicate()
    if process.returncode:
        raise ExtensionError(f"{script} failed:\n{output[-4000:]}")
    (FIGURES / CACHE.name).touch()


def execute_pages(app) -> None:
    """Makes the figures and executes the pages that are not in the cache, several at a time.

    Sphinx would execute one page after the other. It does so with those that fail, and reports why.
    """
    cache = get_cache(nb_execution_cache_path)
    for page in sorted(DOCS.rglob("*.md")):
        if "file_format: mystnb" in page.read_text()[:40] and BUILD not in page.parents:
            cache.add_nb_to_project(str(page), read_data={"name": "myst_nb_md", "type": "plugin"})
    if cache.list_unexecuted() or not (FIGURES / CACHE.name).exists():
        with (
            tempfile.TemporaryDirectory() as folder,
            serve(folder, "ipykernel.zmqshell"),
            make_figures(),
        ):
            pages = [
                ProcessData(each.pk, each.uri, cache, nb_execution_timeout, False)
                for each in cache.list_unexecuted()
            ]
            # `load_executor("temp-parallel")` gives each process several pages at once, and at the
            # end one of them is idle.
            with multiprocessing.Pool() as pool:
                pool.map(ExecutionWorkerTempMProc(), pages, chunksize=1)


def unset_keras_2(app, docname, source) -> None:
    """Unsets the variable that rankkit's import by autodoc has set, so that each page sets it."""
    os.environ.pop("TF_USE_LEGACY_KERAS", None)


def constructor_signature(app, what, name, obj, options, signature, return_annotation):
    """Returns the signature of `__init__` for Keras models, whose `__new__` hides it."""
    if what == "class" and signature == "(*args, **kwargs)":
        own = inspect.signature(obj.__init__)
        parameters = list(own.parameters.values())[1:]
        signature = stringify_signature(own.replace(parameters=parameters), show_annotation=False)
        return signature, None
    return None


def setup(app):
    """Registers the event handlers."""
    app.connect("builder-inited", remove_stale_outputs)
    app.connect("builder-inited", execute_pages)
    app.connect("source-read", unset_keras_2)
    app.connect("autodoc-process-signature", constructor_signature)
