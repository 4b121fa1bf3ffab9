"""How the pages are built: `make docs`.

Pages that start with `file_format: mystnb` are run while they are built, each in an empty folder,
and show what their code prints. What a run gave is kept in `_build`, so that the next build runs
only the pages whose code was edited, or all of them after the library's code was.
"""

import ast
import hashlib
import importlib.metadata
import inspect
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

from sphinx.errors import ExtensionError
from sphinx.util.inspect import stringify_signature
from sphinx.util.logging import getLogger

DOCS = Path(__file__).parent
ROOT = DOCS.parent
BUILD = DOCS / "_build"

# The environment of the code on the pages.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["RANKKIT_EXAMPLES"] = str(ROOT / "examples")
os.environ["RANKKIT_PYTHON"] = sys.executable
for name in ("JUPYTER_PATH", "PYTHONPATH"):
    os.environ[name] = os.pathsep.join([str(DOCS / "_run"), os.environ.get(name, "")]).rstrip(":")

# It says when each page starts.
logging.getLogger("traitlets").setLevel(logging.WARNING)


def hash_of_code() -> str:
    """Returns a hash of the code that pages run, which comments and docstrings do not change."""
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


RUNS = BUILD / "runs" / hash_of_code()

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
nb_execution_cache_path = str(RUNS / "pages")
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True
nb_output_stderr = "remove"

# What the code printed has no copy button, and what is copied from a shell has no prompt.
copybutton_selector = ":not(.output) > div.highlight > pre"
copybutton_exclude = ".linenos, .gp, .go"

codeautolink_concat_default = True

# Docstrings put code between single backticks.
default_role = "code"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Input shape", "Output shape"]
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
# What is inherited from Keras is written in Markdown, which would be read as reStructuredText.
autodoc_inherit_docstrings = False


def remove_old_runs(app) -> None:
    """Removes what other versions of the library's code gave."""
    for old in set((BUILD / "runs").glob("*")) - {RUNS}:
        shutil.rmtree(old)


def draw_pictures(app) -> None:
    """Draws the pictures of the home page, where they are not there already."""
    pictures = BUILD / "pictures"
    if (pictures / RUNS.name).exists():
        return
    getLogger(__name__).info("drawing the pictures of the home page")
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir(parents=True)
    script = DOCS / "_run" / "home_pictures.py"
    run = subprocess.run(
        [sys.executable, str(script), str(pictures)], capture_output=True, text=True
    )
    if run.returncode:
        raise ExtensionError(f"{script.name} failed:\n{run.stderr[-4000:]}")
    (pictures / RUNS.name).touch()


def forget_keras_2(app, docname, source) -> None:
    """Has each page choose its Keras, which autodoc's import of rankkit has chosen already."""
    os.environ.pop("TF_USE_LEGACY_KERAS", None)


def constructor_signature(app, what, name, obj, options, signature, return_annotation):
    """Shows what a Keras model's constructor takes, where Keras's `__new__` hides it."""
    if what == "class" and signature == "(*args, **kwargs)":
        own = inspect.signature(obj.__init__)
        parameters = list(own.parameters.values())[1:]
        signature = stringify_signature(
            own.replace(parameters=parameters), unqualified_typehints=True
        )
        return signature, None
    return None


def setup(app):
    """Connects the above to Sphinx."""
    app.connect("builder-inited", remove_old_runs)
    app.connect("builder-inited", draw_pictures)
    app.connect("source-read", forget_keras_2)
    app.connect("autodoc-process-signature", constructor_signature)
