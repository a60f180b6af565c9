"""Hooks of mkdocs: a reference from its metadata closes each probe's page, and ``::: name`` becomes API reference."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from api_block import api_block
from probe_block import probe_block

DIRECTIVE = re.compile(r"^::: (\S+)$", re.MULTILINE)


def pages_of_probes(nav: list[Any]) -> dict[str, str]:
    """Return the probe of each page by the page's path: an entry of the navigation that is named as a probe is."""
    from countenance.core.probes import registered_probes

    known = registered_probes()
    found: dict[str, str] = {}
    for entry in nav:
        for title, place in entry.items() if isinstance(entry, dict) else []:
            if isinstance(place, list):
                found |= pages_of_probes(place)
            elif title in known:
                found[place] = title
    return found


def on_config(config: Any) -> Any:
    """Find the pages of probes once a build; examples are found from wherever it is started."""
    config.mdx_configs["pymdownx.snippets"]["base_path"] = [str(Path(config.docs_dir) / "examples")]
    config.extra["pages_of_probes"] = pages_of_probes(config.nav)
    return config


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Close the page of a probe with its reference, and fill in the API reference."""
    from countenance.core.probes import find_probe

    name = config.extra["pages_of_probes"].get(page.file.src_uri)
    if name:
        markdown += probe_block(find_probe(name))
    return DIRECTIVE.sub(lambda match: api_block(match[1]), markdown)
