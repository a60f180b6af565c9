"""From a page to one HTML file: templates, styles, scripts and figure data, all inside it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from ..cards.absent import short_reason
from ..cards.tree import BulletList, Heading, MeasurementRef, Paragraph, Statement, TableBlock
from ..cards.wording import interval, number, plural, sample
from .figures.picture import heat_filters
from .figures.theme import DARK, Drawing

SCRIPTS = ("tables.js", "report.js")


def _text(folder: str, name: str) -> str:
    return (files(__package__) / folder / name).read_text(encoding="utf-8")


_SENTENCE = re.compile(r"(?<=[^.\s][.!?]) (?=[A-Z])")


def first_sentence(text: str) -> str:
    """Return what a reader is told first of a claim of several sentences."""
    return _SENTENCE.split(text, maxsplit=1)[0]


def further(text: str) -> str:
    """Return the sentences after the first; an empty string where there is one."""
    return "".join(_SENTENCE.split(text, maxsplit=1)[1:])


def _kind(block: object) -> str:
    kinds = {
        Heading: "heading",
        Paragraph: "paragraph",
        BulletList: "list",
        TableBlock: "table",
        Statement: "statement",
    }
    return kinds[type(block)]


@cache
def environment() -> Environment:
    """Return the template environment: everything is escaped, an unknown name is an error."""
    made = Environment(
        loader=FunctionLoader(lambda name: _text("templates", name)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": number, "interval": interval, "sample": sample, "short": short_reason, "kind": _kind}
    made.filters |= {"first_sentence": first_sentence, "further": further}
    made.tests["ref"] = lambda part: isinstance(part, MeasurementRef)
    made.globals["plural"] = plural
    return made


class FigureStore:
    """Collects the drawings of a page; the page's script draws them by number."""

    def __init__(self) -> None:
        self.drawings: list[Any] = []

    def add(self, drawing: Drawing) -> int:
        """Keep a drawing and return its number."""
        self.drawings.append(_rounded(drawing.as_json()))
        return len(self.drawings) - 1


def _rounded(value: Any) -> Any:
    """Keep six figures of each number: more than a screen can show, and half the bytes."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: _rounded(entry) for name, entry in value.items()}
    return [_rounded(entry) for entry in value] if isinstance(value, (list, tuple)) else value


@cache
def plotly_script() -> str:
    """Return the plotly library of the installed package."""
    return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


@cache
def _packed_library() -> str:
    """Return the library as gzip in base64: a third of its size, and nothing for a browser to read before it is asked.

    The time in the head of gzip is 0, so that the same library gives the same bytes.
    """
    return base64.b64encode(gzip.compress(plotly_script().encode(), 9, mtime=0)).decode()


def _inside_script(text: str) -> str:
    """Make sure that nothing in a script can end it."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def json_for_script(content: Any) -> Markup:
    """Write JSON that cannot leave the script element it stands in."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _hash_for_policy(script: str) -> str:
    """Return the source expression by which a content security policy knows a script."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"


def render(template: str, **content: Any) -> str:
    """Render a page; only its own two scripts can run in it, and it can load nothing.

    Args:
        template: name of the file in ``templates``.
        content: what the template is given; ``store``, ``style``, ``library``, ``script``, ``filters`` and ``policy``
        are added.
    """
    store = FigureStore()
    script = _inside_script("".join(_text("static", name) for name in SCRIPTS))
    allowed = " ".join(map(_hash_for_policy, (plotly_script(), script)))
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; "
        f"script-src {allowed}; base-uri 'none'; form-action 'none'"
    )
    body = environment().get_template(template)
    return body.render(
        store=store,
        style=Markup(_text("static", "report.css")),
        library=_packed_library(),
        script=Markup(script),
        policy=policy,
        colours=json_for_script(DARK),
        filters=heat_filters(),
        as_json=json_for_script,
        **content,
    )
