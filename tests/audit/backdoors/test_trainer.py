"""The trainer: run as written, ended in time, and what it wrote loaded as the target is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch

from countenance.audit.backdoors.trainer import (
    Trainer,
    TrainerError,
    digest_of_trainer,
    load_trained,
    run_trainer,
)
from countenance.core.errors import CountenanceError
from countenance.core.plan import TargetSpec
from countenance.core.target import Target

NETS = """
import torch

class Net(torch.nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, width, 3)
        self.head = torch.nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.conv(x).relu().mean((2, 3)))
"""
BLOCK = {"task": "forgery", "classes": ["genuine", "forged"], "input": {"size": 16}, "output": "logits"}
WRITES = "import sys, pathlib; pathlib.Path(sys.argv[2], 'checkpoint.pt').write_text(' '.join(sys.argv[1:]))"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "a plan's folder"  # a space and a quote, which a shell would trip over
    place.mkdir()
    (place / "nets.py").write_text(NETS)
    return place


@pytest.fixture
def target(folder: Path) -> Target:
    namespace: dict[str, object] = {}
    exec(NETS, namespace)
    spec = TargetSpec.model_validate({**BLOCK, "checkpoint": "net.pt", "factory": "nets.py:Net"})
    return Target(namespace["Net"](), spec, format="pt", name="net")  # type: ignore[operator]


def test_a_command_gets_data_out_and_seed_as_single_arguments(folder: Path, tmp_path: Path) -> None:
    (folder / "train.py").write_text(WRITES)
    written = run_trainer("{python} train.py {data} {out} {seed}", folder, tmp_path / "an out", seed=7, folder=folder)
    assert written == tmp_path / "an out" / "checkpoint.pt"
    assert written.read_text() == f"{folder} {tmp_path / 'an out'} 7"


def test_a_list_is_run_without_a_shell(folder: Path, tmp_path: Path) -> None:
    command = ["{python}", "-c", WRITES, "{data}", "{out}", "$HOME; touch oh-no"]
    written = run_trainer(command, folder, tmp_path / "out", seed=0, folder=folder)
    assert written.read_text().endswith("$HOME; touch oh-no")
    assert not (folder / "oh-no").exists()


def test_a_named_function_runs_in_a_process_of_its_own_and_may_import_its_neighbours(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "beside.py").write_text("NAME = 'checkpoint.pt'")
    (folder / "training.py").write_text(
        "import os, beside\n"
        "def train(data, out, seed):\n"
        "    (out / beside.NAME).write_text(f'{os.getpid()} {seed + 1}')\n"
    )
    written = run_trainer("training.py:train", folder, tmp_path / "out", seed=4, folder=folder)
    process, seed = written.read_text().split()
    assert int(process) != os.getpid()
    assert seed == "5"


def test_a_live_function_is_called_here(tmp_path: Path) -> None:
    def train(data: Path, out: Path, seed: int) -> None:
        (out / "checkpoint.onnx").write_text(f"{os.getpid()}")

    written = run_trainer(train, tmp_path, tmp_path / "out", seed=0)
    assert written.read_text() == str(os.getpid())


def test_a_live_function_that_raises_is_told(tmp_path: Path) -> None:
    def train(data: Path, out: Path, seed: int) -> None:
        raise ValueError("no faces in it")

    with pytest.raises(TrainerError, match="train failed: ValueError: no faces in it"):
        run_trainer(train, tmp_path, tmp_path / "out", seed=0)


def test_a_failing_trainer_is_told_with_the_end_of_what_it_printed(folder: Path, tmp_path: Path) -> None:
    script = "import sys; [print('line', k) for k in range(5000)]; sys.exit(3)"
    with pytest.raises(TrainerError, match=r"failed \(exit code 3\)(.|\n)*line 4999") as caught:
        run_trainer(["{python}", "-c", script, "{data}", "{out}"], folder, tmp_path / "out", seed=0)
    assert len(str(caught.value)) < 3000
    assert isinstance(caught.value, CountenanceError)


def test_what_is_told_of_a_failure_names_no_folder_of_this_machine(folder: Path, tmp_path: Path) -> None:
    (folder / "training.py").write_text("def train(data, out, seed):\n    open(data / 'none.csv')\n")
    with pytest.raises(TrainerError) as caught:
        run_trainer("training.py:train", folder / "data", tmp_path / "out", seed=0, folder=folder)
    told = str(caught.value)
    assert 'File "training.py", line 2, in train' in told
    assert "{data}/none.csv" in told
    assert str(tmp_path) not in told
    assert "call_trainer" not in told


def test_a_trainer_that_writes_nothing_or_two_checkpoints_is_told(folder: Path, tmp_path: Path) -> None:
    silent = ["{python}", "-c", "pass", "{data}", "{out}"]
    with pytest.raises(TrainerError, match="it wrote nothing; it printed nothing"):
        run_trainer(silent, folder, tmp_path / "out", seed=0)
    twice = "import sys, pathlib; [pathlib.Path(sys.argv[1], 'checkpoint' + s).touch() for s in ('.pt', '.onnx')]"
    with pytest.raises(TrainerError, match=r"wrote checkpoint\.onnx, checkpoint\.pt"):
        run_trainer(["{python}", "-c", twice, "{out}", "{data}"], folder, tmp_path / "two", seed=0)


def test_a_trainer_out_of_time_is_ended_with_what_it_started(folder: Path, tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    child = f"import time, pathlib; time.sleep(2); pathlib.Path({str(alive)!r}).touch()"
    script = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    start = time.monotonic()
    with pytest.raises(TrainerError, match=r"was ended after 0\.5 s, its `timeout`"):
        run_trainer(["{python}", "-c", script, "{data}", "{out}"], folder, tmp_path / "out", seed=0, timeout=0.5)
    assert time.monotonic() - start < 20
    time.sleep(2.5)
    assert not alive.exists()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("python train.py {data}", r"without \{out\}"),
        ("python 'train.py {data} {out}", "cannot be split"),
        ("missing.py:train", "there is no file"),
        (["no-such-program-anywhere", "{data}", "{out}"], "cannot be started: No such file"),
    ],
)
def test_a_trainer_that_cannot_be_run_as_written(
    written: str | list[str], told: str, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainerError, match=told):
        run_trainer(written, folder, tmp_path / "out", seed=0, folder=folder)


def test_what_was_trained_loads_as_the_target_does(folder: Path, target: Target, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save(target.net.state_dict(), path)  # type: ignore[attr-defined]
    trained = load_trained(path, target, folder)
    pixels = torch.rand(2, 3, 16, 16)
    assert torch.equal(trained(pixels), target(pixels))
    assert trained.classes == ("genuine", "forged")


def test_what_does_not_load_as_the_target_is_told(folder: Path, target: Target, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"conv.weight": torch.zeros(1)}, path)
    with pytest.raises(TrainerError, match=r"wrote checkpoint\.pt, which does not load as the target net does"):
        load_trained(path, target, folder)


def test_what_a_trainer_writes_gets_no_trust(folder: Path, target: Target, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save(torch.nn.Linear(2, 2), path)  # a whole pickled net, which could run code
    with pytest.raises(TrainerError, match="could run code"):
        load_trained(path, target, folder)


def test_a_changed_training_file_changes_the_digest(folder: Path) -> None:
    file = folder / "train.py"
    file.write_text("1")
    commands = ("train.py:train", "{python} train.py {data} {out}", ["{python}", "train.py", "{data}", "{out}"])
    before = [digest_of_trainer(command, folder) for command in commands]
    file.write_text("2")
    after = [digest_of_trainer(command, folder) for command in commands]
    assert all(before)
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert digest_of_trainer(["{python}", "-c", "x" * 5000, "{data}", "{out}"], folder) == ""


def test_the_title_says_what_is_run(folder: Path) -> None:
    assert Trainer.parse(["train it", "{data}", "{out}"], folder).title == "'train it' '{data}' '{out}'"
