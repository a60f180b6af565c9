"""Text that may be published: without the paths of pictures.

Why a probe failed is told in results, report and card. What went wrong with one picture is often told with its path,
which names a person as often; the log, which nobody publishes, keeps it.
"""

from __future__ import annotations

import re
from collections.abc import Collection

LEFT_OUT = "\N{HORIZONTAL ELLIPSIS}"
_QUOTED = re.compile(r"(['\"])(.+?)\1")
_WORD = re.compile(r"[^\s'\"(),;]+")
_FROM_THE_ROOT = re.compile(r"(?:/[^/\s]|[A-Za-z]:[\\/]|\\\\)")


def without_paths(text: str, paths: Collection[str] = ()) -> str:
    """Return the text with an ellipsis for every path from the root of a disk, and for these paths.

    Args:
        text: why something failed.
        paths: as the data write them, e.g. relative to the manifest.
    """

    def is_path(part: str) -> bool:
        return bool(_FROM_THE_ROOT.match(part)) or part in paths

    def quoted(found: re.Match[str]) -> str:
        return f"{found[1]}{LEFT_OUT}{found[1]}" if is_path(found[2]) else found[0]

    def word(found: re.Match[str]) -> str:
        return LEFT_OUT if is_path(found[0]) or is_path(found[0].rstrip(".:")) else found[0]

    return _WORD.sub(word, _QUOTED.sub(quoted, text))
