"""``countenance schema``: JSON Schemas of the files, for editors."""

from __future__ import annotations

import json
from typing import Any

from ..core.errors import EXIT_OK, UsageError, nearest

KINDS = ("plan", "card", "results")


def schema(what: str) -> int:
    """Print one schema as JSON."""
    print(json.dumps(schema_of(what), indent=2, ensure_ascii=False))
    return EXIT_OK


def schema_of(what: str) -> dict[str, Any]:
    """Return the schema of ``plan``, ``card`` or ``results``."""
    if what == "plan":
        from ..core.plan import plan_schema

        return plan_schema()
    if what == "card":
        from ..cards.statements import Statements

        return Statements.model_json_schema()
    if what == "results":
        from ..core.results import AuditResults

        return AuditResults.model_json_schema()
    raise UsageError(f"there is no schema of {what!r}{nearest(what, KINDS)}; there is {', '.join(KINDS)}")
