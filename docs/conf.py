"""How the pages are built: `make docs`."""

import importlib.metadata
import inspect
import os

from sphinx.util.inspect import stringify_signature

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

project = "rankkit"
author = "The rankkit authors"
copyright = "2026, The rankkit authors"
release = importlib.metadata.version("rankkit")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"rankkit {release}"
html_copy_source = False

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

# Docstrings put code between single backticks.
default_role = "code"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Input shape", "Output shape"]
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
# What is inherited from Keras is written in Markdown, which would be read as reStructuredText.
autodoc_inherit_docstrings = False


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
    app.connect("autodoc-process-signature", constructor_signature)
