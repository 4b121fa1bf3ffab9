"""Elements, numbers and figures as HTML; all text is escaped."""

import base64
import html
import math
import re
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

# Characters that HTML forbids, and surrogates, which UTF-8 cannot encode.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_METADATA = re.compile("<metadata>.*?</metadata>", re.DOTALL)
_FONTS = re.compile(r"'DejaVu Sans'(, [^;\"]+)?")
MISSING = "\N{EN DASH}"
_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#9aa3af",
    "axes.grid.axis": "both",
    "axes.labelcolor": "#3d4754",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "savefig.transparent": True,
    "svg.fonttype": "none",  # text stays text, in the fonts of the reader
    "svg.hashsalt": "rankkit",  # the same ids in each run
    "text.color": "#1c2430",
    "text.parse_math": False,  # a dollar sign in a name
    "xtick.color": "#57606c",
    "ytick.color": "#57606c",
}
_COLORS = ["#1d5fc4", "#c2590a", "#15803d", "#b42318"]


class Html(str):
    """Text that is HTML already."""


def element(tag: str, *children: Any, **attributes: Any) -> Html:
    """An element with escaped text or elements; a final `_` of a name of an attribute is dropped.

    Attributes that are `None` are left out.
    """
    pairs = (
        f' {name.strip("_").replace("_", "-")}="{_escape(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Html(f"<{tag}{''.join(pairs)}>{join(children)}</{tag}>")


def join(children: Iterable[Any]) -> Html:
    """Elements and escaped text, one after another."""
    return Html("".join(map(_escape, children)))


def _escape(value: Any) -> str:
    if isinstance(value, Html):
        return value
    return html.escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", str(value)))


def shorten(value: Any, limit: int = 100) -> str:
    """A raw value as text of limited length."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        value = ", ".join(shorten(each, limit) for each in value[:limit])
    if isinstance(value, float):
        value = f"{value:g}"
    text = str(value)
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"


def raw(value: Any) -> Html:
    """A raw value of the data, such as an id, in its own direction of writing."""
    return element("bdi", shorten(value))


def number(value: float | None, digits: int = 4) -> str:
    """A number with a few significant digits."""
    if value is None:
        return MISSING
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    text = f"{value:,.{max(decimals, 0)}f}" if decimals < 8 else f"{value:.{digits - 1}e}"
    return text.replace("-", "\N{MINUS SIGN}")


def rounded(value: float, margin: float) -> str:
    """A number with the decimals of a margin of error of two significant digits."""
    decimals = max(1 - math.floor(math.log10(margin)), 0) if margin else 4
    return f"{value:,.{min(decimals, 8)}f}".replace("-", "\N{MINUS SIGN}")


def share(value: float) -> str:
    """A share in per cent."""
    percent = 100 * value
    text = f"{percent:.1f}".removesuffix(".0") if percent >= 1 else f"{percent:.2g}"
    return f"{text}\N{NO-BREAK SPACE}%"


def list_of(words: list[str]) -> str:
    """Words in a sentence: one, two and three."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def capitalize(words: str) -> str:
    """Words that start a sentence."""
    return words[:1].upper() + words[1:]


def plural(noun: str) -> str:
    """The plural of a noun."""
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"


def table(
    title: str, head: list[Any], rows: list[list[Any]], *, class_: str, caption: str | None = None
) -> Html:
    """A table whose first column names the rows."""
    titles = element("tr", *(element("th", each, scope="col") for each in head))
    body = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(
                element("td", cell, data_label=title)
                for title, cell in zip(head[1:], row[1:], strict=True)
            ),
        )
        for row in rows
    ]
    parts = [element("thead", titles), element("tbody", *body)]
    if caption is not None:
        parts.insert(0, element("caption", caption))
    content = element("table", *parts, class_=class_)
    return element("div", content, class_="scroll", role="region", aria_label=title, tabindex="0")


def figure(alt: str, caption: str, draw: Callable[..., None], data: Any, **kwargs: Any) -> Html:
    """A figure of `rankkit.plots`, as an SVG within the page."""
    import matplotlib
    from cycler import cycler

    style: Any = {**_STYLE, "axes.prop_cycle": cycler(color=_COLORS)}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # Readers have the fonts for what matplotlib's font lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        warnings.filterwarnings("ignore", "Matplotlib currently does not support")
        path = Path(folder) / "figure.svg"
        with matplotlib.rc_context(style):
            draw(data, path, **kwargs)
        svg = path.read_text(encoding="utf-8")
    svg = _METADATA.sub("", svg[svg.index("<svg") :])
    svg = _FONTS.sub("system-ui, sans-serif", svg)
    encoded = base64.b64encode(svg.encode()).decode()
    width, height = (float(each) for each in re.findall(r'(?:width|height)="([\d.]+)pt"', svg)[:2])
    image = Html(
        f'<img src="data:image/svg+xml;base64,{encoded}" alt="{html.escape(alt)}" '
        f'width="{width * 4 / 3:.0f}" height="{height * 4 / 3:.0f}">'
    )
    return element("figure", image, element("figcaption", caption))
