"""Two helpers for text: lists of names, and text from untrusted files."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """Return the words of ``text``, a readable way to write a long list of names."""
    return frozenset(text.split())


def printable(text: str, length: int = 120) -> str:
    """Return text from an untrusted file in a form fit for a terminal: one line, no control characters."""
    shown = text.encode("unicode_escape").decode("ascii")
    return shown if len(shown) <= length else f"{shown[: length - 3]}..."
