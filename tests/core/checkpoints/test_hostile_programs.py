"""Hostile ``.pt2`` files: for each place where torch runs what a file says, nothing runs here.

Each route makes a file that touches a marker. Plain torch is the positive control: it loads all files in one
separate process, and the marker shows whether the route is real in this version of torch. Routes marked
``real=False`` run nothing in plain torch either and are refused all the same, since another version may differ.
"""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from countenance.core.checkpoints import load_checkpoint
from countenance.core.errors import CheckpointError


class Touch:  # unpickles by touching a file
    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> Any:
        return eval, (touching(self.marker),)


def touching(marker: Path | str) -> str:
    """An expression that touches the marker and is worth 2."""
    return f"[__import__('pathlib').Path('{marker}').touch(), 2][1]"


def dotless(marker: Path | str) -> str:
    """The same for a place where a dot has a meaning of its own."""
    return f"getattr(__import__('os'), 'system')('touch {marker}')"


def signature(marker: Path | str, indent: int = 4) -> str:
    """A parameter name that, written twice as torch does, ends the head of a function with a default of its own."""
    return f'x=""", y={touching(marker)}):\n{" " * indent}return x\n#'


def saved(value: Any, *, zipped: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def graph_of(program: dict[str, Any]) -> dict[str, Any]:
    return program["graph_module"]["graph"]


def root_call(program: dict[str, Any]) -> dict[str, Any]:
    return program["graph_module"]["module_call_graph"][0]["signature"]


class Route(NamedTuple):
    """How a file is made of a clean one, and how far plain torch must go to run the payload."""

    change: Callable[[Any, Path], Any]
    part: str = "graph"
    real: bool = True


def in_members(change: Callable[[Any, Path], Any], real: bool = True) -> Route:
    return Route(change, "members", real)


def sample_inputs(members: Any, marker: Path) -> None:
    members["data/sample_inputs/model.pt"] = saved(((Touch(marker),), {}))


def sample_inputs_legacy(members: Any, marker: Path) -> None:
    members["data/sample_inputs/model.pt"] = saved(((Touch(marker),), {}), zipped=False)


def pickled_weight(content: Callable[[Any], bytes]) -> Callable[[Any, Path], None]:
    def change(members: Any, marker: Path) -> None:
        name = "data/weights/model_weights_config.json"
        config = json.loads(members[name])
        entry = config["config"]["fc.bias"]
        entry["use_pickle"] = True
        members[f"data/weights/{entry['path_name']}"] = content(Touch(marker))
        members[name] = json.dumps(config).encode()

    return change


def pickled_constant(kind: str, content: Callable[[Any], bytes]) -> Callable[[Any, Path], None]:
    def change(members: Any, marker: Path) -> None:
        name = "data/constants/model_constants_config.json"
        entry = {"path_name": f"{kind}_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
        members[name] = json.dumps({"config": {"extra": entry}}).encode()
        members[f"data/constants/{kind}_0"] = content(Touch(marker))

    return change


def old_file(name: str) -> Callable[[Any, Path], None]:
    def change(members: Any, marker: Path) -> None:
        members[f"data/{name}/model.pt"] = saved({"x": Touch(marker)})

    return change


def second_model(members: Any, marker: Path) -> None:
    program = json.loads(members["models/model.json"])
    sizes_of_input(program, marker)
    members["models/a.json"] = json.dumps(program).encode()
    for name in list(members):
        if "model_" in name or name.endswith("model.pt"):
            members[name.replace("/model", "/a")] = members[name]


def other_case(members: Any, marker: Path) -> None:
    """A second member whose name differs in case only, before the first."""
    clean = dict(members)
    members.clear()
    members["data/sample_inputs/MODEL.pt"] = saved(((Touch(marker),), {}))
    members.update(clean)


def sizes_of_input(program: Any, marker: Path) -> None:
    graph_of(program)["tensor_values"]["x"]["sizes"][0]["as_expr"]["expr_str"] = touching(marker)


def strides_of_input(program: Any, marker: Path) -> None:
    graph_of(program)["tensor_values"]["x"]["strides"][0] = {"as_expr": {"expr_str": touching(marker), "hint": None}}


def sym_int_value(program: Any, marker: Path) -> None:
    (name,) = graph_of(program)["sym_int_values"]
    graph_of(program)["sym_int_values"][name]["as_expr"]["expr_str"] = touching(marker)


def other_sym_value(kind: str) -> Callable[[Any, Path], None]:
    """A node of size arithmetic whose value is an expression."""

    def change(program: Any, marker: Path) -> None:
        graph = graph_of(program)
        graph[f"sym_{kind}_values"] = {"odd": {"as_expr": {"expr_str": touching(marker), "hint": None}}}
        (size,) = graph["sym_int_values"]
        argument = {"as_sym_int": {"as_name": size}}
        target = {"bool": "_operator.ge", "float": "_operator.truediv"}[kind]
        inputs = [
            {"name": "a", "arg": argument, "kind": 1},
            {"name": "b", "arg": {"as_sym_int": {"as_int": 1}}, "kind": 1},
        ]
        output = {f"as_sym_{kind}": {"as_name": "odd"}}
        node = {"target": target, "inputs": inputs, "outputs": [output], "metadata": {}, "name": "odd"}
        where = next(i for i, each in enumerate(graph["nodes"]) if each["target"].endswith("sym_size.int"))
        graph["nodes"].insert(where + 1, node)

    return change


def hint(program: Any, marker: Path) -> None:
    graph_of(program)["tensor_values"]["x"]["sizes"][0]["as_expr"]["hint"] = {"as_int": touching(marker)}


def range_key(program: Any, marker: Path) -> None:
    program["range_constraints"][touching(marker)] = {"min_val": 0, "max_val": 9}


def range_value(program: Any, marker: Path) -> None:
    next(iter(program["range_constraints"].values()))["max_val"] = touching(marker)


def guard(program: Any, marker: Path) -> None:
    program["guards_code"] = [f"{touching(marker)} == 2"]


def rename(program: Any, old: str, new: str) -> None:
    """Replace a name everywhere in the graph, as a value and as a key."""
    text = json.dumps(program["graph_module"])
    program["graph_module"] = json.loads(text.replace(json.dumps(old), json.dumps(new)))


def node_name(program: Any, marker: Path) -> None:
    rename(program, "relu", f"{touching(marker)}\n    relu")


def input_name(program: Any, marker: Path) -> None:
    names = root_call(program)["forward_arg_names"]
    rename(program, "x", signature(marker, indent=0))
    root_call(program)["forward_arg_names"] = names


def parameter_name(members: Any, marker: Path) -> None:
    """A quote in the name of a parameter closes the string that torch writes around it."""
    odd = f'a b", {dotless(marker)}, "'
    for name in ("models/model.json", "data/weights/model_weights_config.json"):
        members[name] = members[name].replace(b'"fc.bias"', json.dumps(odd).encode())


def forward_names(program: Any, marker: Path) -> None:
    root_call(program)["forward_arg_names"] = [signature(marker)]


LEAF = {"type": None, "context": None, "children_spec": []}


def arguments_tree(positional: int, keys: list[str]) -> str:
    tree = {
        "type": "builtins.tuple",
        "context": "null",
        "children_spec": [
            {"type": "builtins.tuple", "context": "null", "children_spec": [LEAF] * positional},
            {"type": "builtins.dict", "context": json.dumps(keys), "children_spec": [LEAF] * len(keys)},
        ],
    }
    return json.dumps([1, tree])


def keyword_names(program: Any, marker: Path) -> None:
    root_call(program)["in_spec"] = arguments_tree(0, [signature(marker)])
    root_call(program)["forward_arg_names"] = None


def text_input(members: Any, marker: Path) -> None:
    """A text constant as an input is written between quotes into a guard."""
    text = f"a' or {touching(marker)} or 'b"
    program = json.loads(members["models/model.json"])
    module = program["graph_module"]
    module["graph"]["inputs"].append({"as_string": text})
    module["signature"]["input_specs"].append({"constant_input": {"name": "flag", "value": {"as_string": text}}})
    root_call(program)["in_spec"] = arguments_tree(2, [])
    root_call(program)["forward_arg_names"] = ["x", "flag"]
    members["models/model.json"] = json.dumps(program).encode()
    members["data/sample_inputs/model.pt"] = saved(((torch.rand(2, 3, 8, 8), text), {}))


def module_beside(marker: Path) -> None:
    (marker.parent / f"mod_{marker.name}.py").write_text(f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n")


def importing(spec: str) -> Callable[[Any, Path], None]:
    """A tree whose context names an enum, for which torch imports the module it is said to be in."""

    def change(program: Any, marker: Path) -> None:
        module_beside(marker)
        context = json.dumps({"__enum__": True, "fqn": f"mod_{marker.name}:X", "name": "Y"})
        tree = {"type": "builtins.list", "context": context, "children_spec": []}
        root_call(program)[spec] = json.dumps([1, tree])

    return change


def default_factory(program: Any, marker: Path) -> None:
    module_beside(marker)
    context = {
        "default_factory_module": f"mod_{marker.name}",
        "default_factory_name": "x",
        "dict_context": [],
    }
    tree = {"type": "collections.defaultdict", "context": context, "children_spec": []}
    root_call(program)["out_spec"] = json.dumps([1, tree])


def operator(target: str) -> Callable[[Any, Path], None]:
    """A node that calls whatever torch finds under a name, with a text argument."""

    def change(program: Any, marker: Path) -> None:
        node = {
            "target": target,
            "inputs": [{"name": "", "arg": {"as_string": f"touch {marker}"}, "kind": 1}],
            "outputs": [{"as_none": True}],
            "metadata": {},
            "name": "odd",
        }
        graph_of(program)["nodes"].insert(0, node)

    return change


def custom_function(program: Any, marker: Path) -> None:
    """torch's own list of operators has one that imports whatever module its first argument names."""
    operator("torch.export.custom_ops._call_custom_autograd_function_in_pre_dispatch")(program, marker)
    module_beside(marker)
    graph_of(program)["nodes"][0]["inputs"][0]["arg"] = {"as_string": f"mod_{marker.name}.X"}


def argument_name(program: Any, marker: Path) -> None:
    subgraph(program, marker, "inner")
    graph_of(program)["nodes"][0]["inputs"].append(
        {"name": f"a = {touching(marker)}, b", "arg": {"as_int": 1}, "kind": 2}
    )


def subgraph(program: Any, marker: Path, name: str) -> None:
    empty = {"inputs": [], "outputs": [], "nodes": [], "tensor_values": {}, "sym_int_values": {}, "sym_bool_values": {}}
    operator("torch.ops.higher_order.wrap_with_set_grad_enabled")(program, marker)
    graph_of(program)["nodes"][0]["inputs"] = [
        {"name": "", "arg": {"as_bool": True}, "kind": 1},
        {"name": "", "arg": {"as_graph": {"name": name, "graph": empty}}, "kind": 1},
    ]


def subgraph_name(program: Any, marker: Path) -> None:
    subgraph(program, marker, f'a b", {dotless(marker)}, "')


ROUTES: dict[str, Route] = {
    "sample_inputs": in_members(sample_inputs),
    "sample_inputs_legacy": in_members(sample_inputs_legacy),
    "pickled_weight": in_members(pickled_weight(saved)),
    "pickled_weight_as_text": in_members(pickled_weight(lambda value: pickle.dumps(value, 0))),
    "pickled_constant": in_members(pickled_constant("tensor", saved)),
    "opaque_constant": in_members(pickled_constant("opaque_obj", pickle.dumps)),
    "custom_constant": in_members(pickled_constant("custom_obj", pickle.dumps), real=False),
    "old_weights": in_members(old_file("weights")),
    "old_constants": in_members(old_file("constants")),
    "second_model": in_members(second_model),
    "other_case": in_members(other_case),
    "parameter_name": in_members(parameter_name),
    "text_input": in_members(text_input),
    "sizes": Route(sizes_of_input),
    "strides": Route(strides_of_input),
    "sym_int_value": Route(sym_int_value),
    "sym_bool_value": Route(other_sym_value("bool")),
    "sym_float_value": Route(other_sym_value("float")),
    "hint": Route(hint, real=False),
    "range_key": Route(range_key, real=False),
    "range_value": Route(range_value, real=False),
    "guard": Route(guard),
    "node_name": Route(node_name, real=False),
    "input_name": Route(input_name),
    "forward_names": Route(forward_names),
    "keyword_names": Route(keyword_names),
    "in_spec_import": Route(importing("in_spec")),
    "out_spec_import": Route(importing("out_spec")),
    "default_factory": Route(default_factory),
    "operator_system": Route(operator("torch.os.system"), real=False),
    "operator_deep": Route(operator("torch.hub.os.system"), real=False),
    "operator_getattr": Route(operator("_operator.methodcaller"), real=False),
    "custom_function": Route(custom_function),
    "argument_name": Route(argument_name),
    "subgraph_name": Route(subgraph_name),
}

LOAD_ALL = """
import sys, torch, pathlib, warnings
warnings.simplefilter("ignore")
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
for file in sorted(pathlib.Path(sys.argv[1]).glob("*.pt2")):
    try:
        program = torch.export.load(file)
        args, kwargs = program.example_inputs
        program.module()(*args, **kwargs)
    except BaseException as error:
        print(file.stem, type(error).__name__, str(error)[-300:])
"""


@pytest.fixture(scope="module")
def hostile(tools: Any, exported: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one hostile file for each route."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, route in ROUTES.items():
        marker = folder / f"{name}_ran"
        edit = tools.edit if route.part == "members" else tools.edit_graph
        (folder / f"{name}.pt2").write_bytes(edit(exported, lambda part, r=route, m=marker: r.change(part, m)))
    return folder


@pytest.mark.parametrize("name", ROUTES)
def test_a_hostile_program_runs_nothing(name: str, hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []

    def loaded(*_: Any, **__: Any) -> None:
        given.append("torch was given the file")
        raise ValueError(given[0])

    monkeypatch.setattr(torch, "load", loaded)
    monkeypatch.setattr(torch.export, "load", loaded)
    monkeypatch.syspath_prepend(str(hostile))
    with pytest.raises(CheckpointError, match="refused") as caught:
        load_checkpoint(hostile / f"{name}.pt2", None, folder=hostile)
    assert given == []
    assert not (hostile / f"{name}_ran").exists()
    assert "Traceback" not in str(caught.value)


def test_plain_torch_runs_the_hostile_programs(hostile: Path) -> None:
    """The positive control: the files are hostile indeed, where this version of torch is concerned."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD_ALL, str(hostile)], capture_output=True, text=True, cwd=hostile, check=True
    )
    ran = {name for name in ROUTES if (hostile / f"{name}_ran").exists()}
    for marker in hostile.glob("*_ran"):
        marker.unlink()
    expected = {name for name, route in ROUTES.items() if route.real}
    assert ran == expected, done.stdout
