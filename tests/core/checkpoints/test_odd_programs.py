"""``.pt2`` files with odd names and shapes are refused in words, never by accident."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from countenance.core.checkpoints import load_checkpoint
from countenance.core.errors import CheckpointError


def test_names_that_reach_into_classes_are_refused(tools: Any, exported: bytes, tmp_path: Path) -> None:
    """torch follows a parameter's name by attribute access, and would change a class of its own."""

    def change(members: dict[str, bytes]) -> None:
        for name in ("models/model.json", "data/weights/model_weights_config.json"):
            members[name] = members[name].replace(b'"fc.bias"', b'"__class__.forward"')

    path = tmp_path / "model.pt2"
    path.write_bytes(tools.edit(exported, change))
    with pytest.raises(CheckpointError, match=r"__class__\.forward"):
        load_checkpoint(path, None, folder=tmp_path)


def test_a_file_of_an_odd_shape_is_refused_and_not_an_accident(tools: Any, exported: bytes, tmp_path: Path) -> None:
    """Put something unexpected at every place of the file in turn: a refusal, or a net, never another error."""
    path = tmp_path / "model.pt2"
    members = tools.members_of(exported)
    for name in ("models/model.json", "data/weights/model_weights_config.json"):
        document = json.loads(members[name])
        for index, place in enumerate(places(document)):
            if index % 29:
                continue
            for odd in (None, [], {}, "text", 7, [[{}]], True):
                changed = copy.deepcopy(document)
                inside = changed
                for step in place[:-1]:
                    inside = inside[step]
                inside[place[-1]] = odd
                path.write_bytes(tools.pack({**members, name: json.dumps(changed).encode()}))
                try:
                    load_checkpoint(path, None, folder=tmp_path)
                except CheckpointError as error:
                    assert "Traceback" not in str(error)  # noqa: PT017 - a net may come out as well


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a JSON document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, item in items:
        found += [(*path, key), *places(item, (*path, key))]
    return found
