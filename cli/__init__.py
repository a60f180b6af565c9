"""The ``countenance`` command: one module per command, imported only when the command runs.

Exit codes, the first that holds: 2 plan, manifest or command wrong; 3 the audit could not complete; 1 a gate failed;
4 inconclusive under ``--strict``; 0.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..core.errors import EXIT_INCOMPLETE, CountenanceError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code; a user's mistake ends in a message, never in a traceback."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    import click

    from .app import app
    from .console import complain, is_verbose

    try:
        code = app(args=None if arguments is None else list(arguments), standalone_mode=False)
    except CountenanceError as error:
        complain(str(error))
        return error.exit_code
    except click.exceptions.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.exceptions.Abort):
        complain("interrupted; what was measured is kept in the run folder, and `run --resume` goes on with it")
        return EXIT_INCOMPLETE
    except Exception as error:
        if is_verbose():
            raise
        complain(
            f"unexpected {type(error).__name__}: {error}\nThis is a fault of countenance; -v shows where it arose."
        )
        return EXIT_INCOMPLETE
    return code if isinstance(code, int) else 0
