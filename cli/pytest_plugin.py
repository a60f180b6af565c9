"""Plugin of pytest: ``pytest --countenance RUN-OR-PLAN`` makes each gate of an audit a test.

It is loaded in every run of pytest, so it holds nothing but the options; see :mod:`.pytest_gates` for the tests.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("countenance", "gates of an audit")
    group.addoption(
        "--countenance",
        action="append",
        default=[],
        metavar="RUN-OR-PLAN",
        help="make each gate a test: of a run folder, or of a plan, which is run then; may be repeated",
    )
    group.addoption(
        "--countenance-strict", action="store_true", help="let a gate that is inconclusive fail instead of skipping it"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker that every gate has."""
    config.addinivalue_line("markers", "countenance: a gate of an audit, made by --countenance")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the gates before -k and -m choose."""
    written: list[str] = config.getoption("--countenance")
    if written:
        from .pytest_gates import items_of

        strict = bool(config.getoption("--countenance-strict"))
        for path in written:
            items.extend(items_of(session, path, strict))
