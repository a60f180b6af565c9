"""Pickles that hide what they import: each runs in plain pickle (the control), none passes the scan."""

from __future__ import annotations

import collections
import copyreg
import io
import pickle
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from countenance.core.checkpoints.allowed_imports import ALLOWED_GLOBALS
from countenance.core.checkpoints.scan_pickle import scan_pickle, scan_whole

PROTO2, PROTO4 = b"\x80\x02", b"\x80\x04"
EXTENSION = 241


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def long(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def hostile(code: str) -> dict[str, bytes]:
    """Pickles that evaluate ``code``, each by another way to the name ``builtins.eval``."""
    call = long(code) + b"\x85R."
    built = b"c_codecs\nencode\n" + short("ohvygvaf") + short("rot13") + b"\x86R"
    memo = short("eval") + b"\x940" + short("builtins") + b"\x940" + b"h\x01h\x00\x93"
    return {
        "global": PROTO2 + b"cbuiltins\neval\n" + call,
        "python 2 name": PROTO2 + b"c__builtin__\neval\n" + call,
        "stack global": PROTO4 + short("builtins") + short("eval") + b"\x93" + call,
        "stack global from the memo": PROTO4 + memo + call,
        "stack global, memo overwritten": PROTO4
        + (short("Size") + b"q\x00" + b"0" + short("eval") + b"q\x00" + b"0")
        + (short("builtins") + b"h\x00\x93" + call),
        "stack global from a call": PROTO4 + built + short("eval") + b"\x93" + call,
        "stack global by a dotted name": PROTO4 + short("pickle") + short("codecs.builtins.eval") + b"\x93" + call,
        "instance": b"(" + long(code) + b"ibuiltins\neval\n.",
        "object": b"(cbuiltins\neval\n" + long(code) + b"o.",
        "extension": PROTO2 + b"\x82" + bytes([EXTENSION]) + call,
        "inside a frame": PROTO4
        + (b"\x95" + struct.pack("<Q", len(b"cbuiltins\neval\n" + call)) + b"cbuiltins\neval\n" + call),
        "under a state dict": PROTO2
        + b"ccollections\nOrderedDict\n)R"
        + long("w")
        + b"cbuiltins\neval\n"
        + call[:-1]
        + b"s.",
        "thrown away at once": PROTO2 + b"cbuiltins\neval\n" + call[:-1] + b"0}.",
    }


@pytest.fixture
def extension() -> Iterator[None]:
    copyreg.add_extension("builtins", "eval", EXTENSION)
    yield
    copyreg.remove_extension("builtins", "eval", EXTENSION)


@pytest.mark.usefixtures("extension")
@pytest.mark.parametrize("way", hostile("1"))
def test_every_way_to_a_call_is_seen(way: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    data = hostile(f"[__import__('pathlib').Path('{marker}').touch(), 2][1]")[way]
    scan = scan_whole(data)
    assert scan.problems
    assert not marker.exists()
    pickle.loads(data)
    assert marker.exists(), "the control did not run: this pickle is not hostile"


def test_names_are_reported() -> None:
    ways = hostile("1")
    for way, data in ways.items():
        text = " ".join(scan_pickle(data).problems)
        assert ("eval" in text) == (way not in ("stack global from a call", "extension")), (way, text)
    assert "builds while it runs" in scan_pickle(ways["stack global from a call"]).problems[0]
    assert "extension code" in scan_pickle(ways["extension"]).problems[0]


ODD = {
    "empty": b"",
    "no end": PROTO2 + b"}",
    "unknown opcode": PROTO2 + b"\xff.",
    "unknown protocol": b"\x80\x09}.",
    "two values": PROTO2 + b"}}.",
    "no value": PROTO2 + b".",
    "a mark for a value": PROTO2 + b"(.",
    "empty stack": PROTO2 + b"R.",
    "memo never written": PROTO2 + b"h\x07.",
    "no mark": PROTO2 + b"t.",
    "odd persistent id": PROTO2 + long("module") + b"\x85Q.",
    "text persistent id": b"Pstorage\n.",
    "buffers from outside": b"\x80\x05\x97.",
    "calls the result of a call": PROTO2 + b"ccollections\nOrderedDict\n)R)R.",
    "calls an object": PROTO2 + b"()o.",
    "changes a class": PROTO2 + b"ctorch.nn.parameter\nParameter\n}" + long("a") + b"K\x01sb.",
    "changes a function": PROTO2 + b"ctorch._utils\n_rebuild_tensor_v2\nN}\x86b.",
    "fills a class": PROTO2 + b"ccollections\nOrderedDict\n" + long("a") + b"K\x01s.",
    "name with a space": PROTO2 + b"ccollections OrderedDict\nx\n.",
    "not text": PROTO4 + b"K\x01K\x02\x93.",
    "text that is no text": PROTO4 + b"\x8c\x02\xff\xfe.",
    "huge length": PROTO2 + b"X\xff\xff\xff\xff.",
    "frame longer than the file": PROTO4 + b"\x95" + b"\xff" * 7 + b"\x00}.",
    "memo far away": PROTO2 + b"}r\xff\xff\xff\x7f.",
    "not a pickle": b"hello there, this is text.",
}


@pytest.mark.parametrize("case", ODD)
def test_what_cannot_be_followed_is_refused(case: str) -> None:
    assert scan_whole(ODD[case]).problems


def test_a_second_pickle_behind_the_first_is_refused() -> None:
    scan = scan_whole(pickle.dumps({}) + hostile("1")["global"])
    assert any("follow its end" in problem for problem in scan.problems)


def test_a_pickle_in_a_byte_string_is_looked_into() -> None:
    inner = hostile("1")["global"]
    assert any("another pickle" in problem for problem in scan_pickle(pickle.dumps({"x": inner})).problems)
    nested = pickle.dumps(pickle.dumps(pickle.dumps(pickle.dumps(pickle.dumps(inner)))))
    assert scan_pickle(nested).problems
    assert not scan_pickle(pickle.dumps(b"\x80\x02 just bytes.")).problems


def random_data(source: random.Random, depth: int = 0) -> Any:
    kinds = ["int", "float", "text", "none", "bytes", "big"] + (
        ["list", "dict", "tuple", "set", "ordered"] if depth < 3 else []
    )
    kind = source.choice(kinds)
    several = [random_data(source, depth + 1) for _ in range(source.randrange(5))] if depth < 3 else []
    return {
        "int": source.randrange(-5000, 5000),
        "big": source.randrange(2**80),
        "float": source.random(),
        "text": "".join(source.choice("abé \n'\"\\😀") for _ in range(source.randrange(9))),
        "none": None,
        "bytes": source.randbytes(source.randrange(1, 9)),
        "list": several,
        "tuple": tuple(several),
        "dict": {str(index): value for index, value in enumerate(several)},
        "set": {1, 2, 3},
        "ordered": collections.OrderedDict((str(index), value) for index, value in enumerate(several)),
    }[kind]


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_passes_in_every_protocol(protocol: int) -> None:
    source = random.Random(protocol)
    for _ in range(200):
        data = pickle.dumps(random_data(source), protocol)
        scan = scan_whole(data)
        assert scan.problems == ()
        assert scan.end == len(data)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_damaged_pickle_never_gains_an_import(protocol: int) -> None:
    """Flip bytes: whatever a scan passes imports only allowed names, as the real unpickler would ask for them."""

    class Recorder(pickle.Unpickler):
        asked: list[str]

        def find_class(self, module: str, name: str) -> Any:
            self.asked.append(f"{module}.{name}")
            return lambda *_: collections.OrderedDict()

    source = random.Random(protocol)
    clean = pickle.dumps({"a": collections.OrderedDict(b=[1, 2.5, "text", b"bytes"]), "c": {"d": (1,)}}, protocol)
    passed = 0
    for _ in range(3000):
        data = bytearray(clean)
        for _ in range(source.randrange(1, 4)):
            data[source.randrange(len(data))] = source.randrange(256)
        if scan_whole(bytes(data)).problems:
            continue

        recorder = Recorder(io.BytesIO(bytes(data)))
        recorder.asked = []
        try:
            recorder.load()
        except (
            pickle.UnpicklingError,
            ValueError,
            TypeError,
            AttributeError,
            EOFError,
            IndexError,
            KeyError,
            OverflowError,
            Warning,
        ):
            continue
        finally:
            assert set(recorder.asked) <= ALLOWED_GLOBALS
        passed += 1
    assert passed > 50


def test_the_allow_list_is_within_torchs_own() -> None:
    from torch._weights_only_unpickler import _get_allowed_globals

    assert set(_get_allowed_globals()) >= ALLOWED_GLOBALS


def test_pickled_modules_are_told_from_state_dicts() -> None:
    net = torch.nn.Linear(2, 2)
    assert scan_pickle(pickle.dumps(net)).is_module
    assert not scan_pickle(pickle.dumps(collections.OrderedDict(a=1))).is_module
