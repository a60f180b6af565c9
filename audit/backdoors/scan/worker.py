"""What a helping process does: scan the classes of nets that it is told of, one after the other.

Started with the folder of a :class:`~.job.Task` and ``sources.json``. It reads lines ``net class`` (two numbers),
writes what it found to ``NET-CLASS.npz`` in the folder, and answers each line with one of JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch

from ....core.errors import CountenanceError
from ....core.target import Target
from .job import Source, Task, score_of, write_found


def main(folder: Path) -> None:
    """Work until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a net or its factory prints must not stand among the answers
    torch.set_num_threads(1)
    task = Task.read(folder)
    sources = [Source(**source) for source in json.loads((folder / "sources.json").read_text(encoding="utf-8"))]
    opened: tuple[int, Target] | None = None
    for line in sys.stdin:
        net, aim = map(int, line.split())
        answer: dict[str, object] = {"net": net, "aim": aim}
        try:
            if opened is None or opened[0] != net:
                opened = net, sources[net].open()
            found = task.run(score_of(opened[1]), (aim,), lambda count: None)
            write_found(folder / f"{net}-{aim}.npz", found)
        except CountenanceError as error:
            answer["error"] = str(error)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
