"""Calls a training function in a process of its own: ``FILE.py-or-MODULE NAME DATA OUT SEED``.

Run by path and on the standard library alone, so that a trainer starts at once and does not share memory, threads or
random numbers with the audit.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path


def main(source: str, name: str, data: str, out: str, seed: str) -> None:
    """Import ``source`` and call its ``name`` with the two folders and the seed."""
    if source.endswith(".py"):
        path = Path(source).resolve()
        sys.path.insert(0, str(path.parent))  # a trainer may import the files beside it, as a factory may
        spec = importlib.util.spec_from_file_location("countenance_trainer", path)
        if spec is None or spec.loader is None:
            raise SystemExit(f"{source} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look a class's module up here
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(source)
    function = getattr(module, name, None)
    if not callable(function):
        raise SystemExit(f"{source} has no function {name!r}")
    try:
        function(Path(data), Path(out), int(seed))
    except Exception as error:  # noqa: BLE001 - whatever it is, the user reads of it without the lines of this file
        inner = error.__traceback__.tb_next if error.__traceback__ else None
        traceback.print_exception(error.with_traceback(inner))
        raise SystemExit(1) from None


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this file, whose modules are not meant to be imported by their bare names
    main(*sys.argv[1:])
