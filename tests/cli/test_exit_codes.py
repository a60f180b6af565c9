from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from countenance.core.probes import Note, Output, ProbeContext, ProbeParams
from countenance.core.results_file import load_results

RIGHT = {"measure": "performance/accuracy", "at_least": 0.5}
WRONG = {"measure": "performance/accuracy", "at_most": 0.5}
OPEN = {"measure": "performance/accuracy", "at_least": 0.99}
NOTHING = {"measure": "performance/acuracy", "at_least": 0.5}


def throws(error: BaseException) -> Any:
    def function(context: ProbeContext, params: ProbeParams) -> Iterator[Output]:
        raise error
        yield Note("")

    return function


@pytest.mark.parametrize(
    ("gates", "options", "code"),
    [
        ([], [], 0),
        ([RIGHT], [], 0),
        ([RIGHT], ["--strict"], 0),
        ([WRONG], [], 1),
        ([RIGHT, WRONG], ["--strict"], 1),
        ([NOTHING], [], 1),
        ([NOTHING], ["--strict"], 1),
        ([OPEN], [], 0),
        ([OPEN], ["--strict"], 4),
        ([OPEN, WRONG], ["--strict"], 1),
    ],
)
def test_gates(study: Any, command: Any, gates: list[Any], options: list[str], code: int) -> None:
    study.plan["gates"] = gates
    study.write_plan()
    done = command("run", "audit.yaml", "--out", "run", "--no-report", *options)
    assert done.code == code
    again = command("gate", "run", *options)
    assert again.code == code
    for gate in gates:
        assert gate["measure"] in done.out
        assert gate["measure"] in again.out


def test_a_failed_probe_comes_before_a_failed_gate(study: Any, command: Any, add_probe: Callable[..., None]) -> None:
    add_probe("broken", throws(RuntimeError("for the test")))
    study.plan |= {"probes": ["broken", "performance"], "gates": [WRONG]}
    study.write_plan()
    done = command("run", "audit.yaml", "--out", "run", "--no-report")
    assert done.code == 3
    assert "RuntimeError: for the test" in done.out
    assert load_results("run").gates[0].verdict == "fail"
    assert command("gate", "run").code == 3


def test_ctrl_c_keeps_what_was_measured_and_resume_goes_on(
    study: Any, command: Any, add_probe: Callable[..., None]
) -> None:
    stops = [True]

    def stopped(context: ProbeContext, params: ProbeParams) -> Iterator[Output]:
        if stops:
            raise KeyboardInterrupt
        yield Note("measured at last")

    add_probe("stopped", stopped)
    study.plan["probes"] = ["performance", "stopped"]
    study.write_plan()
    done = command("run", "audit.yaml", "--out", "run")
    assert done.code == 3
    assert "interrupted; the probes that had ended are kept" in done.err
    assert [probe.id for probe in load_results("run").probes] == ["performance"]

    stops.clear()
    done = command("run", "audit.yaml", "--out", "run", "--resume", "--no-report")
    assert done.code == 0
    assert [probe.status for probe in load_results("run").probes] == ["ok", "ok"]


def test_a_full_disk_is_told_and_nothing_is_lost(
    study: Any, command: Any, add_probe: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(context: ProbeContext, params: ProbeParams) -> Iterator[Output]:
        def full(self: Path, content: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Path, "write_bytes", full)
        yield Note("")

    add_probe("fill", fill)
    study.plan["probes"] = ["performance", "fill"]
    study.write_plan()
    done = command("run", "audit.yaml", "--out", "run", "--no-report")
    assert done.code == 3
    assert "No space left on device" in done.err
    assert [probe.id for probe in load_results("run").probes] == ["performance"]


@pytest.mark.parametrize("options", [[], ["-v"]])
def test_a_fault_of_ours_is_code_3_and_says_that_it_is_ours(
    study: Any,
    run_command: Callable[[list[str]], int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
) -> None:
    from countenance.core import runner

    def broken(*arguments: object, **names: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(runner, "cached_predict", broken)
    assert run_command([*options, "run", "audit.yaml", "--out", "run"]) == 3
    shown = capsys.readouterr().err
    assert "unexpected ZeroDivisionError: ours" in shown
    assert "a fault of countenance" in shown
    assert ("Traceback" in shown) is bool(options)


def test_the_audit_cannot_complete(study: Any, command: Any) -> None:
    for path in study.table["path"]:
        (study.folder / path).write_bytes(b"")
    done = command("run", "audit.yaml", "--out", "run")
    assert done.code == 3
    assert "none of the 24 images could be used: the file is empty" in done.err


# Mistakes of the user: code 2, a message, and nothing written over ---------------------------------------------------


def misspelt_key(study: Any) -> str:
    study.plan["target"]["clases"] = study.plan["target"].pop("classes")
    return "unknown key 'clases'; did you mean 'classes'?"


def missing_manifest(study: Any) -> str:
    (study.folder / "manifest.csv").rename(study.folder / "manifests.csv")
    return "did you mean 'manifests.csv'?"


def unknown_label(study: Any) -> str:
    study.table.loc[3, "label"] = "brigt"
    study.write_manifest()
    return "row 4: the label 'brigt' (1 faces)"


def too_few_classes(study: Any) -> str:
    study.plan["target"]["classes"] = ["dark", "bright", "grey"]
    return "the plan lists 3 classes (dark, bright, grey), but the model gives 2 outputs"


def wrong_channels(study: Any) -> str:
    study.plan["target"]["input"]["channels"] = "grey"
    return "the model does not take input of 1 x 16 x 16"


def declared_probabilities(study: Any) -> str:
    study.plan["target"]["output"] = "probabilities"
    return "declare `output: logits`?"


def no_factory(study: Any) -> str:
    del study.plan["target"]["factory"]
    return "factory: FILE.py:NAME"


def unknown_factory(study: Any) -> str:
    study.plan["target"]["factory"] = "nets.py:Brigtness"
    return "did you mean 'Brightness'?"


def state_that_does_not_fit(study: Any) -> str:
    text = (study.folder / "nets.py").read_text().replace("nn.Conv2d(3, 2, 1)", "nn.Conv2d(3, 5, 1)")
    (study.folder / "nets.py").write_text(text)
    return "conv.weight is (2, 3, 1, 1) in the checkpoint and (5, 3, 1, 1) in the net"


def nan_weights(study: Any) -> str:
    from safetensors.torch import load_file, save_file

    state = load_file(study.folder / "net.safetensors")
    state["conv.bias"][0] = torch.nan
    save_file(state, study.folder / "net.safetensors")
    return "NaN"


class Trap:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("sprung", "w"))


def hostile_pickle(study: Any) -> str:
    torch.save({"conv.weight": torch.zeros(1), "x": Trap()}, study.folder / "net.pt")
    study.plan["target"]["checkpoint"] = "net.pt"
    return "was refused before loading, because it could run code"


def plain_pickle(study: Any) -> str:
    (study.folder / "net.pt").write_bytes(pickle.dumps(Trap()))
    study.plan["target"]["checkpoint"] = "net.pt"
    return "refused"


def empty_checkpoint(study: Any) -> str:
    (study.folder / "net.safetensors").write_bytes(b"")
    return "is empty (0 bytes)"


def wrong_landmarks(study: Any) -> str:
    import numpy as np

    np.savez(study.folder / "p.npz", **{"images/dark_000": np.zeros((67, 2))})
    study.plan["data"]["landmarks"] = "p.npz"
    return "have the shape (67, 2), expected (5 or 68 or 478, 2 or 3)"


MISTAKES = [
    misspelt_key,
    missing_manifest,
    unknown_label,
    too_few_classes,
    wrong_channels,
    declared_probabilities,
    no_factory,
    unknown_factory,
    state_that_does_not_fit,
    nan_weights,
    hostile_pickle,
    plain_pickle,
    empty_checkpoint,
    wrong_landmarks,
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_a_mistake_of_the_user(study: Any, command: Any, mistake: Callable[[Any], str]) -> None:
    said = mistake(study)
    study.write_plan()
    done = command("run", "audit.yaml", "--out", "run")
    assert done.code == 2
    assert said in done.err
    assert done.err.startswith("error: ")
    assert not (study.folder / "sprung").exists()
    again = command("run", "audit.yaml", "--out", "run")
    assert said in again.err  # and not that the run folder exists


def test_a_run_folder_that_exists(study: Any, command: Any) -> None:
    assert command("run", "audit.yaml", "--out", "run", "--no-report").code == 0
    done = command("run", "audit.yaml", "--out", "run", "--no-report")
    assert done.code == 2
    assert "say --resume to go on with it, --overwrite to start again" in done.err
    assert command("run", "audit.yaml", "--out", "run", "--no-report", "--overwrite").code == 0
    assert command("run", "audit.yaml", "--out", "run", "--overwrite", "--resume").code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu"], "rnu"),
        (["run"], "plan"),
        (["run", "audit.yaml", "--outt", "x"], "--out"),
        (["run", "none.yaml"], "expected a plan at none.yaml, but there is no such file"),
        (["run", "images"], "cannot be read as a text file"),
        (["gate", "none"], "no such file"),
        (["report", "none"], "none"),
        (["card", "none"], "none"),
        (["compare", "none", "none"], "no such file"),
        (["compare", "none"], "two or more"),
        (["schema", "paln"], "did you mean 'plan'?"),
        (["probes", "performence"], "did you mean 'performance'?"),
        (["init", "net.safetensors", "manifest.csv"], "audit.yaml exists: say --overwrite"),
        (["init", "none.pt", "manifest.csv", "--out", "new.yaml"], "none.pt"),
        (["init", "net.safetensors", "none.csv", "--out", "new.yaml"], "none.csv"),
    ],
)
def test_a_command_that_cannot_be(study: Any, command: Any, arguments: list[str], said: str) -> None:
    done = command(*arguments)
    assert done.code == 2
    assert said in done.err


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema_version": 99}'])
def test_results_that_cannot_be_read(study: Any, command: Any, content: str) -> None:
    (study.folder / "run").mkdir()
    (study.folder / "run" / "results.json").write_text(content)
    for arguments in (["gate", "run"], ["compare", "run", "run"], ["card", "run"], ["report", "run"]):
        done = command(*arguments)
        assert done.code == 2, arguments
        assert "results.json" in done.err


@pytest.mark.parametrize(
    ("text", "said"),
    [("gates: [{measure: 3}]", "gates cannot be read"), ("name: x", "has no gates"), ("a: [", "cannot be read")],
)
def test_gates_of_another_plan_that_cannot_be_read(study: Any, command: Any, text: str, said: str) -> None:
    command("run", "audit.yaml", "--out", "run", "--no-report")
    (study.folder / "gates.yaml").write_text(text)
    done = command("gate", "run", "--plan", "gates.yaml")
    assert done.code == 2
    assert said in done.err
    assert command("gate", "run", "--plan", "none.yaml").code == 2


def test_a_predictions_table_with_mistakes(study: Any, command: Any) -> None:
    pd.DataFrame({"face_id": ["a"], "p_dark": [0.5], "p_brigt": [0.5]}).to_csv("p.csv", index=False)
    study.plan["target"] = {"predictions": "p.csv", "task": "expression", "classes": ["dark", "bright"]}
    study.plan["data"] = {}
    study.write_plan()
    done = command("run", "audit.yaml", "--out", "run")
    assert done.code == 2
    assert "the column 'p_bright' is not there; did you mean 'p_brigt'?" in done.err
