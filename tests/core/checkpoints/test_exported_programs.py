"""Clean ``.pt2`` files pass; those exported in a way that cannot be audited are refused with what to do."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

from countenance.core.checkpoints import load_checkpoint
from countenance.core.checkpoints.expressions import check_expression, check_guard
from countenance.core.checkpoints.operators import check_operator
from countenance.core.errors import CheckpointError


class Residual(nn.Module):
    """A small residual net: skip connections, strided convolutions, adaptive pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.body = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(8, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout(0.3)
            )
            for _ in range(2)
        )
        self.fc = nn.Linear(8, 7)

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x)
        for block in self.body:
            y = y + block(y)
        return self.fc(nn.functional.adaptive_avg_pool2d(y, 1).flatten(1))


class Views(nn.Module):
    """Reshapes by sizes read from the input, interpolates, pads, normalises, without gradients for a part."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.register_buffer("mean", torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1), persistent=False)
        self.scale = torch.tensor(2.0)

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        y = self.conv((x - self.mean) * self.scale)
        y = nn.functional.interpolate(y, size=(height // 2 + 1, width // 2), mode="bilinear", align_corners=False)
        y = nn.functional.pad(y, (1, 1, 0, 0), mode="reflect")
        with torch.no_grad():
            norm = y.flatten(1).norm(dim=1, keepdim=True)
        tokens = y.reshape(n, 4, -1).transpose(1, 2)
        weights = torch.softmax(torch.einsum("nlc,nkc->nlk", tokens, tokens), -1)
        return torch.cat([(weights @ tokens).mean(1), norm], 1)


class Attention(nn.Module):
    """A patch transformer with GELU, layer norm and scaled dot-product attention."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.block = nn.TransformerEncoderLayer(16, 2, 32, 0.1, "gelu", batch_first=True, norm_first=True)
        self.head = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(self.patches(x).flatten(2).transpose(1, 2)).mean(1))


BATCH = ({0: Dim("batch")},)
SIZES = ({0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.AUTO},)
STEPS = ({0: Dim("batch", min=1, max=64), 2: 8 * Dim("rows", min=2, max=40)},)
CLEAN: dict[str, tuple[type[nn.Module], Any, bool]] = {
    "residual, fixed": (Residual, None, False),
    "residual, batch": (Residual, BATCH, False),
    "residual, batch, decomposed": (Residual, BATCH, True),
    "views, sizes": (Views, SIZES, False),
    "views, sizes, decomposed": (Views, SIZES, True),
    "views, steps of eight": (Views, STEPS, False),
    "attention, batch": (Attention, BATCH, False),
    "attention, batch, decomposed": (Attention, BATCH, True),
}


@pytest.mark.parametrize("case", CLEAN)
def test_a_fresh_export_passes_and_gives_the_nets_outputs(case: str, tools: Any, tmp_path: Path) -> None:
    make, dynamic, decompose = CLEAN[case]
    torch.manual_seed(0)
    net = make().eval()
    path = tmp_path / "model.pt2"
    path.write_bytes(tools.export(net, torch.rand(2, 3, 32, 32), dynamic, decompose))
    loaded = load_checkpoint(path, None, folder=tmp_path)
    assert loaded.format == "pt2"
    assert loaded.factory_sha256 is None
    assert not loaded.trusted
    assert loaded.batch_size == (2 if dynamic is None else None)
    for count in (2,) if dynamic is None else (2, 5):
        pixels = torch.rand(count, 3, 32, 32, requires_grad=True)
        outputs = loaded.net(pixels)
        torch.testing.assert_close(outputs, net(pixels), atol=1e-5, rtol=1e-5)
        (gradient,) = torch.autograd.grad(outputs.sum(), pixels)
        assert gradient.abs().sum() > 0


def test_other_sizes_pass_through_a_net_exported_for_them(tools: Any, tmp_path: Path) -> None:
    net = Views().eval()
    path = tmp_path / "model.pt2"
    path.write_bytes(tools.export(net, torch.rand(2, 3, 32, 32), SIZES))
    pixels = torch.rand(3, 3, 48, 40)
    torch.testing.assert_close(
        load_checkpoint(path, None, folder=tmp_path).net(pixels), net(pixels), atol=1e-5, rtol=1e-5
    )


def test_a_fixed_batch_is_noted(tools: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(tools.export(Residual().eval(), torch.rand(2, 3, 32, 32)))
    assert "fixed batch of 2" in load_checkpoint(path, None, folder=tmp_path).notes[0]


@pytest.mark.parametrize(("make", "decompose"), [(Residual, False), (Residual, True), (Attention, False)])
def test_an_export_in_training_mode_is_refused(
    make: type[nn.Module], decompose: bool, tools: Any, tmp_path: Path
) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(tools.export(make().train(), torch.rand(2, 3, 32, 32), BATCH, decompose))
    with pytest.raises(CheckpointError, match=r"(?s)training mode.*net\.eval\(\)|draws random"):
        load_checkpoint(path, None, folder=tmp_path)


def test_batch_statistics_by_design_are_no_training_mode(tools: Any, tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.InstanceNorm2d(4))
    path = tmp_path / "model.pt2"
    path.write_bytes(tools.export(net.eval(), torch.rand(2, 3, 8, 8), BATCH))
    loaded = load_checkpoint(path, None, folder=tmp_path)
    assert any("other faces of the batch" in note for note in loaded.notes)


class TwoInputs(nn.Module):
    """Takes two tensors."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


def test_a_net_with_two_inputs_is_refused(tools: Any, tmp_path: Path) -> None:
    program = torch.export.export(TwoInputs(), (torch.rand(2, 3), torch.rand(2, 3)))
    path = tmp_path / "model.pt2"
    path.write_bytes(tools.save_program(program))
    with pytest.raises(CheckpointError, match="one tensor"):
        load_checkpoint(path, None, folder=tmp_path)


def test_a_file_of_a_foreign_torch_is_refused_by_its_unknown_fields(
    tools: Any, exported: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(tools.edit_graph(exported, lambda program: program.update(new_field={"code": "1"})))
    with pytest.raises(CheckpointError, match="new_field"):
        load_checkpoint(path, None, folder=tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "data/aotinductor/model/wrapper.so",
        "data/executorch/model.pte",
        "code/__torch__.py",
        "data/constants/custom_obj_0",
        "data/xl_model_weights/weight_0",
        "models/other.json",
    ],
)
def test_members_that_a_plain_net_lacks_are_refused_by_name(
    name: str, tools: Any, exported: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(tools.edit(exported, lambda members: members.update({name: b"\x7fELF"})))
    with pytest.raises(CheckpointError, match=name):
        load_checkpoint(path, None, folder=tmp_path)


def test_extra_files_are_text_that_nobody_reads(tools: Any, exported: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(tools.edit(exported, lambda members: members.update({"extra/notes.txt": b"made on a Monday"})))
    assert load_checkpoint(path, None, folder=tmp_path).net(torch.rand(1, 3, 8, 8)).shape == (1, 3)


def test_a_cuda_export_says_what_to_do(tools: Any, exported: bytes, tmp_path: Path) -> None:
    def move(program: dict[str, Any]) -> None:
        for value in program["graph_module"]["graph"]["tensor_values"].values():
            value["device"] = {"type": "cuda", "index": 0}

    path = tmp_path / "model.pt2"
    path.write_bytes(tools.edit_graph(exported, move))
    with pytest.raises(CheckpointError, match="export the net on the CPU"):
        load_checkpoint(path, None, folder=tmp_path)


def test_trust_leaves_the_checks_out_and_says_so(tools: Any, exported: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(exported)
    loaded = load_checkpoint(path, None, trust=True, folder=tmp_path)
    assert loaded.trusted
    assert "trusts" in loaded.notes[0]
    assert loaded.net(torch.rand(4, 3, 8, 8)).shape == (4, 3)


@pytest.mark.parametrize("key", ["a", "graph_module"])
def test_a_key_given_twice_is_refused(key: str, tools: Any, exported: bytes, tmp_path: Path) -> None:
    def twice(members: dict[str, bytes]) -> None:
        text = members["models/model.json"].decode()
        members["models/model.json"] = (
            (json.dumps({key: 1})[:-1] + ", " + text[1:]).replace('"a": 1', '"a": 1, "a": 2').encode()
        )

    path = tmp_path / "model.pt2"
    path.write_bytes(tools.edit(exported, twice))
    with pytest.raises(CheckpointError, match="twice"):
        load_checkpoint(path, None, folder=tmp_path)


def test_sample_inputs_must_load_in_the_restricted_way(tools: Any, exported: bytes, tmp_path: Path) -> None:
    """A pickle of allowed imports only, which the restricted way fails on all the same."""
    buffer = io.BytesIO()
    torch.save(((torch.rand(2, 3, 8, 8),), {}), buffer, pickle_protocol=4)
    path = tmp_path / "model.pt2"
    path.write_bytes(
        tools.edit(exported, lambda members: members.update({"data/sample_inputs/model.pt": buffer.getvalue()}))
    )
    with pytest.raises(CheckpointError, match="does not load as plain tensors"):
        load_checkpoint(path, None, folder=tmp_path)


PLAIN = [
    "2",
    "s77",
    "u0 + 1",
    "8*s85",
    "Symbol('s77', positive=True, integer=True)",
    "Mul(Integer(8), Add(FloorDiv(Symbol('s53', positive=True, integer=True), Integer(2)), Integer(1)))",
    "Max(Integer(1), Mod(Symbol('s0', positive=True, integer=True), Integer(-16)))",
    "Pow(Symbol('s0', integer=True), Integer(2))",
    "s0**2 // 4",
    "Eq(Symbol('u0', integer=True), Integer(1))",
    "StrictGreaterThan(Symbol('u0', integer=True), Integer(1))",
    "Float('0.5', precision=53)",
    "s0 >= 2",
]
CODE = [
    "__import__('os').system('x')",
    "exec('x')",
    "eval('1')",
    "().__class__",
    "[1 for x in y]",
    "(lambda: 1)()",
    "s0.__class__",
    "s0[0]",
    "f'{1}'",
    "os",
    "Symbol('x y')",
    "Symbol('__import__')",
    "Symbol(eval('1'))",
    "Symbol('s0', commutative=exec)",
    "Symbol('s0', **{})",
    "Integer(*[1])",
    "Float('__import__')",
    "lambdify(s0, s0)",
    "9**9**9**9",
    "Pow(Integer(10), Pow(Integer(10), Integer(10)))",
    "((((s0**8)**8)**8)**8)**8",
    "9" * 400,
    "s0 if s0 else s0",
    "s0; s1",
    "s0\ns1",
    "s0 # comment",
    's0 + "a"',
    "'abc'",
    "s0!",
    "ｓ0",
    "(" * 300 + "s0" + ")" * 300,
    "-" * 15_000 + "1",
    "",
    "s0" + " " * 30_000,
]


@pytest.mark.parametrize("text", PLAIN)
def test_plain_size_expressions_pass(text: str) -> None:
    assert check_expression(text) is None


@pytest.mark.parametrize("text", CODE, ids=range(len(CODE)))
def test_code_in_a_size_expression_is_refused(text: str) -> None:
    assert check_expression(text)
    assert check_guard(text)


@pytest.mark.parametrize(
    "text",
    [
        "(L['x'].size()[3] // 2) != 1",
        "((1 + (L['x'].size()[2] // 2)) % ((1 + (L['x'].size()[2] // 2))*(L['x'].size()[3] // 2))) != 0",
        "L['args'][0].size()[0] <= 64",
        "Mod(L['x'].size()[0], 8) == 0 and L['x'].size()[1] >= 2",
    ],
)
def test_guards_on_sizes_pass(text: str) -> None:
    assert check_guard(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "L['x'].size",
        "L['x'].size(0)",
        "L['x'].sum()[0]",
        "L['x'].__class__()[0]",
        "L['x y'].size()[0]",
        "L[exec].size()[0]",
        "G['x'].size()[0]",
        "L['x'].size()[L]",
        'L["x"].size()[0]',
        "(lambda: 1)()",
        "L",
    ],
)
def test_other_guards_are_refused(text: str) -> None:
    assert check_guard(text)


@pytest.mark.parametrize(
    "name",
    [
        "torch.ops.aten.conv2d.default",
        "torch.ops.aten.conv2d.padding",
        "torch.ops.aten.div.Tensor_mode",
        "torch.ops.aten._native_batch_norm_legit_no_training.default",
        "torch.ops.aten.__and__.Tensor",
        "torch.ops.higher_order.wrap_with_set_grad_enabled",
        "_operator.floordiv",
        "torch.sym_max",
        "math.ceil",
    ],
)
def test_operators_of_nets_pass(name: str) -> None:
    assert check_operator(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.save.default",
        "torch.ops.aten.set_.source_Tensor",
        "torch.ops.aten.resize_.default",
        "torch.ops.aten.conv2d.no_such_overload",
        "torch.ops.aten.conv2d",
        "torch.ops.aten.conv2d.default.__class__",
        "torch.ops.aten.conv2d.__init__",
        "torch.ops.aten.__class__.default",
        "torch.ops.load_library",
        "torch.ops.my.op.default",
        "torch.ops.higher_order.call_torchbind",
        "torch.ops.higher_order.triton_kernel_wrapper_mutation",
        "torch.hub.load",
        "torch.load",
        "torch.os.system",
        "torch.classes.load_library",
        "torch.export.custom_ops._call_custom_autograd_function_in_pre_dispatch",
        "_operator.attrgetter",
        "_operator.call",
        "_operator.methodcaller",
        "math.__loader__.load_module",
        "#namespace:op",
        "torch.ops.aten.conv2d.default\n",
        "",
    ],
)
def test_other_operators_are_refused_with_their_name(name: str) -> None:
    why = check_operator(name)
    assert why
    assert name.strip() in why


def test_every_operator_of_the_shared_nets_is_known(shared: Path) -> None:
    for path in sorted((shared / "models").glob("*.pt2")):
        loaded = load_checkpoint(path, None, folder=path.parent)
        assert loaded.batch_size is None
        assert loaded.notes == ()
