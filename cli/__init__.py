"""The ``countenance`` command: one module per command, imported only when the command runs.

Exit codes, the first that holds: 2 plan, manifest or command wrong; 3 the audit could not complete; 1 a gate failed;
4 inconclusive under ``--strict``; 0.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Any

from ..core.errors import EXIT_INCOMPLETE, CountenanceError

INTERRUPTED = 130  # what typer makes of Ctrl-C


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code; a user's mistake ends in a message, never in a traceback."""
    sys.exit(execute(arguments))


def execute(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    import typer

    from .app import app
    from .console import complain, is_verbose

    written = list(sys.argv[1:] if arguments is None else arguments)
    verbose = [word for word in written if word in {"-v", "--verbose"}]  # wherever it stands
    usage_errors: Any = tuple(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
    try:
        code = app(args=verbose[:1] + [word for word in written if word not in verbose], standalone_mode=False)
    except CountenanceError as error:
        complain(str(error))
        return error.exit_code
    except usage_errors as error:  # typer's own copy of click, or click itself with an older typer
        error.show()
        return int(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the last resort, which tells the user that the fault is ours
        if is_verbose():
            traceback.print_exc()
        complain(
            f"unexpected {type(error).__name__}: {error}\nThis is a fault of countenance; -v shows where it arose."
        )
        return EXIT_INCOMPLETE
    if code == INTERRUPTED:
        complain("interrupted; the probes that had ended are kept in the run folder, and `run --resume` goes on")
        return EXIT_INCOMPLETE
    return code if isinstance(code, int) else 0
