"""``.pt2`` files with odd names and shapes are refused in words, never by accident."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from countenance.core.checkpoints import load_checkpoint
from countenance.core.checkpoints.scan_graph import scan_graph, scan_payloads
from countenance.core.errors import CheckpointError


def test_the_clean_program_behind_the_odd_ones_passes(exported: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(exported)
    assert load_checkpoint(path, None, folder=tmp_path).net(torch.rand(5, 3, 8, 8)).shape == (5, 3)


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


@pytest.mark.parametrize("name", ['a", 1, "', "a b", "a..b", "a\nb", "__class__", "b.__init__", "", "ä"])
def test_odd_parameter_names_in_the_graph_alone_are_refused(name: str, tools: Any, exported: bytes) -> None:
    program = json.loads(tools.members_of(exported)["models/model.json"])
    specs = program["graph_module"]["signature"]["input_specs"]
    parameter = next(spec["parameter"] for spec in specs if "parameter" in spec)
    assert scan_graph(json.dumps(program).encode())[1] == ()
    parameter["parameter_name"] = name
    problems = scan_graph(json.dumps(program).encode())[1]
    assert problems
    assert "parameter_name" in problems[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"use_pickle": True}, "loads without restrictions"),
        ({"path_name": "../../sample_inputs/model.pt"}, "only tensors are accepted"),
        ({"path_name": "/absolute"}, "only tensors are accepted"),
        ({"path_name": "custom_obj_0"}, "only tensors are accepted"),
        ({"path_name": "opaque_obj_0"}, "only tensors are accepted"),
        ({"tensor_meta": None}, "is not a TensorMeta"),
        ({"more": 1}, "more"),
    ],
)
def test_payloads_are_raw_tensors_only(change: dict[str, Any], words: str, tools: Any, exported: bytes) -> None:
    config = json.loads(tools.members_of(exported)["data/weights/model_weights_config.json"])
    assert scan_payloads(json.dumps(config).encode())[1] == ()
    config["config"]["fc.bias"].update(change)
    assert words in " ".join(scan_payloads(json.dumps(config).encode())[1])


def test_what_torch_cannot_load_is_told_without_a_traceback(
    tools: Any, exported: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def change(program: dict[str, Any]) -> None:
        for node in program["graph_module"]["graph"]["nodes"]:
            node["inputs"] = []

    path = tmp_path / "model.pt2"
    path.write_bytes(tools.edit_graph(exported, change))
    with pytest.raises(CheckpointError, match=r"cannot be loaded by torch \(SerializeError: Failed deserializing node"):
        load_checkpoint(path, None, folder=tmp_path)
    assert not [record for record in caplog.records if record.exc_info]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a JSON document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, item in items:
        found += [(*path, key), *places(item, (*path, key))]
    return found
