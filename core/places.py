"""Where in a YAML text a value stands, so that a fault can be reported with its line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]


@dataclass
class YamlDocument:
    """A parsed YAML text with the line of each value and of each key.

    Attributes:
        content: the plain Python value.
        lines: line (from 1) of each value by its path, e.g. ``("probes", 2, "eps")``.
        faults: duplicate keys, which YAML would let pass with the last one winning.
    """

    content: Any
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def place(self, path: Sequence[str | int]) -> str:
        """Return ``line N (a.b.0)`` for the longest part of ``path`` in the text; without a text, ``a.b.0``."""
        known = tuple(path)
        while known and known not in self.lines:
            known = known[:-1]
        name = ".".join(map(str, path)) or "the whole file"
        if not self.lines:
            return name
        return f"line {self.lines.get(known, 1)} ({name})"


def read_yaml(text: str) -> YamlDocument:
    """Parse YAML with safe types only.

    Raises:
        yaml.YAMLError: when the text is no YAML.
        RecursionError: when it is nested too deeply.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        document = YamlDocument(content=loader.construct_document(node) if node is not None else None)
    finally:
        loader.dispose()
    if node is not None:
        _walk(node, (), document, set())
    return document


def _walk(node: yaml.Node, path: Path, document: YamlDocument, walked: set[int]) -> None:
    if id(node) in walked:  # an alias, whose mark is that of its anchor; what it stands for may even hold itself
        return
    walked.add(id(node))
    document.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in seen:
                document.faults.append(f"line {key_node.start_mark.line + 1}: the key {key!r} stands twice")
            seen.add(key)
            document.lines[(*path, key)] = key_node.start_mark.line + 1
            _walk(value_node, (*path, key), document, walked)
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            _walk(item, (*path, position), document, walked)
