"""The API reference: ``::: countenance.run`` in a page becomes the signature and docstring of that object."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from probe_block import cell, table

SECTIONS = {"Args": "Arguments"} | {name: name for name in ("Attributes", "Returns", "Raises", "Yields")}
SECTION = re.compile(rf"^({'|'.join(SECTIONS)}):\n((?:[ \t]+.*\n|\n)*)", re.MULTILINE)
ENTRY = re.compile(r"^(\S[^:\n]*): (.*(?:\n[ \t]+.*)*)", re.MULTILINE)
ROLE = re.compile(r":[a-z]+:`~?([^`]+)`")
HIDDEN = {"model_post_init", "model_config"}


def api_block(path: str) -> str:
    """Return the Markdown of the object at ``path``, e.g. ``countenance.run`` or ``countenance.core.results.Estimate``.

    Raises:
        LookupError: when there is no such object, or it has no docstring.
    """
    found = look_up(path)
    name = path.rsplit(".", 1)[1]
    parts = [f"### `{path}` {{: #{name.lower().replace('_', '-')} }}"]
    if inspect.isclass(found):
        parts.append(docstring(found, path))
        for member, value in own_members(found):
            kind = "" if isinstance(value, property) else signature(getattr(found, member), member)
            parts += [f"#### `.{member}`" + (f" {{: #{name.lower()}-{member.replace('_', '-')} }}"), kind]
            parts.append(docstring(value.fget if isinstance(value, property) else getattr(found, member), member))
    else:
        parts += [signature(found, path), docstring(found, path)]
    return "\n\n".join(filter(None, parts)) + "\n"


def look_up(path: str) -> Any:
    """Import the object at a dotted path."""
    module, name = path.rsplit(".", 1)
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise LookupError(f"the API reference names {path}, which is not there: {error}") from error


def own_members(found: type) -> Iterator[tuple[str, Any]]:
    """Yield public methods and properties that have a docstring, as the class itself defines them."""
    for name, value in vars(found).items():
        if name.startswith("_") or name in HIDDEN:
            continue
        plain = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if inspect.isfunction(plain) and plain.__doc__:
            yield name, value


def signature(function: Any, path: str) -> str:
    """Return a code block with the call, one argument a line where it is long."""
    shown = inspect.signature(function)
    arguments = [str(value.replace(annotation=readable(value.annotation))) for value in shown.parameters.values()]
    keyword_only = [place for place, value in enumerate(shown.parameters.values()) if value.kind is value.KEYWORD_ONLY]
    if keyword_only and not any(value.kind is value.VAR_POSITIONAL for value in shown.parameters.values()):
        arguments.insert(keyword_only[0], "*")
    arguments = [re.sub(r": '([^']*)'", r": \1", text) for text in arguments]
    back = readable(shown.return_annotation)
    end = "" if back is inspect.Signature.empty else f" -> {back}"
    name = path.rsplit(".", 1)[-1]
    line = f"{name}({', '.join(arguments)}){end}"
    if len(line) > 80:
        line = f"{name}(\n    " + ",\n    ".join(arguments) + f",\n){end}"
    return f"```python\n{line}\n```"


def readable(annotation: Any) -> Any:
    """Write an annotation without the modules it comes from."""
    if annotation is inspect.Signature.empty:
        return annotation
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b[a-z_]\w*\.(?=\w)", "", text)


def docstring(found: Any, path: str) -> str:
    """Return a Google-style docstring as Markdown: sections become tables."""
    text = inspect.getdoc(found)
    if not text:
        raise LookupError(f"the API reference names {path}, which has no docstring")
    text = ROLE.sub(r"`\1`", text).replace("``", "`") + "\n"
    text = re.sub(r"::\n\n((?:[ \t]+.*\n|\n)+)", lambda block: ":\n\n" + fenced(block[1]), text)
    return SECTION.sub(section, text).strip()


def section(match: re.Match[str]) -> str:
    """Return one section of a docstring as a table, or as text where it has no names."""
    body = inspect.cleandoc(match[2])
    entries = ENTRY.findall(body) if match[1] in ("Args", "Attributes", "Raises") else []
    if not entries:
        return f"**{SECTIONS[match[1]]}** {cell(body)}\n\n"
    return "\n" + table([SECTIONS[match[1]], ""], [[f"`{name}`", text] for name, text in entries]) + "\n\n"


def fenced(code: str) -> str:
    """Return an indented literal block as a fenced one."""
    return f"```python\n{inspect.cleandoc(code)}\n```\n\n"
