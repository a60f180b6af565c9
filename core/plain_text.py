"""Text for a terminal or a log: nothing in it moves the cursor, changes colours, or hides or turns its neighbours."""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def plain_text(text: str, *, one_line: bool = False) -> str:
    r"""Return the text with control and direction characters written as ``\x1b``, ``\u202e`` and the like.

    Args:
        text: from data, a plan, a file name, an error.
        one_line: write line breaks and tabs so, too: a line of a log is one line.
    """
    plain = _UNSEEN.sub(_written, text)
    return plain.replace("\n", "\\n").replace("\t", "\\t") if one_line else plain


def _written(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
