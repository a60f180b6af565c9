"""The trainer: run as written, ended in time, and what it wrote loaded as the target is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from countenance.audit.backdoors.kept_nets import RECORD, kept_checkpoints
from countenance.audit.backdoors.scan.references import References
from countenance.audit.backdoors.trainer import (
    Trainer,
    TrainerError,
    digest_of_trainer,
    load_trained,
    run_trainer,
)
from countenance.audit.backdoors.trainer_digest import digest_of_data
from countenance.core import interruption
from countenance.core.errors import AuditError, CountenanceError
from countenance.core.interruption import ending_in_order, uninterrupted
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


LEAVES = """
import pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
"""


def runs(process: int) -> bool:
    """Whether a process runs: one that has ended and that nobody asked for does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def until(true: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="processes are looked up in /proc")


@needs_proc
@pytest.mark.parametrize("after", ["", "raise SystemExit(2)", "pathlib.Path(sys.argv[2], 'checkpoint.pt').touch()"])
def test_what_a_trainer_leaves_running_is_ended_when_it_ended_itself(after: str, folder: Path, tmp_path: Path) -> None:
    child = tmp_path / "child"
    command = ["{python}", "-c", LEAVES + after, str(child), "{out}", "{data}"]
    if "touch" in after:
        run_trainer(command, folder, tmp_path / "out", seed=0)
    else:
        with pytest.raises(TrainerError):
            run_trainer(command, folder, tmp_path / "out", seed=0)
    assert not runs(int(child.read_text()))


# Only the module that answers signals is loaded, by its file: all of the package would take seconds.
AUDIT = """
import importlib.util, sys, tempfile, time
from pathlib import Path

home = Path(sys.argv[1])
tempfile.tempdir = str(home)
spec = importlib.util.spec_from_file_location("interruption", sys.argv[2])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
try:
    with module.temporary_folder("photos-") as folder:
        (folder / "somebody.png").write_bytes(b"a face")
        (home / "ready").touch()
        time.sleep(300)
except KeyboardInterrupt as asked:
    (home / "told").write_text(str(asked))
"""


def test_an_audit_that_is_asked_to_end_takes_the_photos_with_it(tmp_path: Path) -> None:
    audit = subprocess.Popen([sys.executable, "-c", textwrap.dedent(AUDIT), str(tmp_path), str(interruption.__file__)])
    try:
        assert until((tmp_path / "ready").is_file, 120)
        assert list(tmp_path.glob("photos-*/somebody.png"))
        audit.terminate()
        audit.wait(120)
    finally:
        audit.kill()
        audit.wait()
    assert list(tmp_path.glob("photos-*")) == []
    assert (tmp_path / "told").read_text() == "ended by SIGTERM"


@needs_proc
def test_a_signal_ends_the_trainer_with_the_audit(folder: Path, tmp_path: Path) -> None:
    running = tmp_path / "running"
    sleeps = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(300)"

    def ask() -> None:
        if until(lambda: running.is_file() and bool(running.read_text()), 120):
            os.kill(os.getpid(), signal.SIGTERM)

    asking = threading.Thread(target=ask)
    asking.start()
    with pytest.raises(KeyboardInterrupt, match="ended by SIGTERM"):
        run_trainer(["{python}", "-c", sleeps, str(running), "{data}", "{out}"], folder, tmp_path / "out", seed=0)
    asking.join()
    assert not runs(int(running.read_text()))


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_interrupt_and_their_handlers_are_put_back(name: str) -> None:
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_DFL)  # what started the tests may ignore it, as nohup does
    try:
        with pytest.raises(KeyboardInterrupt, match=f"ended by {name}"), ending_in_order():
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_a_handler_of_the_program_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with ending_in_order():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]


def test_a_signal_waits_until_tidying_up_has_ended() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), ending_in_order(), uninterrupted():
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("tidied up")
    assert done == ["tidied up"]


def test_a_stale_checkpoint_is_not_taken_for_a_new_one(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "net-00").mkdir()
    (tmp_path / "net-00" / "checkpoint.pt").write_text("of last year")
    with pytest.raises(TrainerError, match=r"an empty folder .*net-00 holds checkpoint\.pt: name another"):
        run_trainer(["{python}", "-c", "pass", "{data}", "{out}"], folder, tmp_path / "net-00", seed=0)


def test_kept_nets_are_found_again_beside_plain_ones(folder: Path, tmp_path: Path) -> None:
    (folder / "train.py").write_text(WRITES)
    kept = tmp_path / "kept"
    for place in range(2):
        run_trainer(
            "{python} train.py {data} {out} {seed}", folder, kept / f"net-{place:02d}", seed=place, folder=folder
        )
    (kept / "plain.safetensors").touch()
    (kept / "aside").mkdir()
    (kept / "aside" / "checkpoint.pt").touch()  # nobody says that it is one
    found = [path.relative_to(kept).as_posix() for path in kept_checkpoints(kept)]
    assert found == ["net-00/checkpoint.pt", "net-01/checkpoint.pt", "plain.safetensors"]
    (kept / "net-01" / "checkpoint.pt").write_text("another")
    with pytest.raises(AuditError, match=r"net-01/training\.json is the record of another file"):
        kept_checkpoints(kept)
    (kept / "net-00" / RECORD).write_text("[]")
    with pytest.raises(AuditError, match=r"net-00/training\.json cannot be read"):
        kept_checkpoints(kept)


def test_kept_nets_load_as_reference_nets(folder: Path, target: Target, tmp_path: Path) -> None:
    def train(data: Path, out: Path, seed: int) -> None:
        state = target.net.state_dict()  # type: ignore[attr-defined]
        torch.save({name: value + seed for name, value in state.items()}, out / "checkpoint.pt")

    for place in range(1, 4):
        run_trainer(train, folder, tmp_path / "kept" / f"net-{place:02d}", seed=place)
    references = References()
    for path in kept_checkpoints(tmp_path / "kept"):
        references.add(path, target, folder, name=path.parent.name)
    assert [each.name for each in references.nets] == ["net-01", "net-02", "net-03"]
    assert references.left_out == []
    record = json.loads((tmp_path / "kept" / "net-01" / RECORD).read_text())
    assert record["trainer_sha256"] is None  # a live function is not looked into


def test_the_record_of_a_training_says_what_it_depends_on(folder: Path, tmp_path: Path) -> None:
    (folder / "train.py").write_text(WRITES)
    data = tmp_path / "data"
    data.mkdir()
    (data / "manifest.csv").write_text("a.png,genuine")
    records = []
    for place, change in enumerate(("", "a.png,forged")):
        if change:
            (data / "manifest.csv").write_text(change)
        written = run_trainer(
            ["{python}", "train.py", "{data}", "{out}"], data, tmp_path / f"{place}", seed=0, folder=folder
        )
        records.append(json.loads(written.with_name(RECORD).read_text()))
    assert records[0]["trainer_sha256"] == records[1]["trainer_sha256"]
    assert records[0]["data_sha256"] != records[1]["data_sha256"]
    assert str(tmp_path) not in json.dumps(records)


def test_the_digest_of_data_holds_names_pictures_and_labels(tmp_path: Path) -> None:
    for name in ("manifest.csv", "a.png", "b.png"):
        (tmp_path / name).write_text(name)
    seen = {digest_of_data(tmp_path)}
    (tmp_path / "a.png").rename(tmp_path / "aa.png")  # the order of the files stays
    seen.add(digest_of_data(tmp_path))
    (tmp_path / "b.png").write_text("another face")
    seen.add(digest_of_data(tmp_path))
    assert len(seen) == 3


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


def test_a_changed_training_file_changes_the_digest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.syspath_prepend(str(folder / "importable"))
    for name in (
        "train.py",
        "beside.py",
        "conf.yaml",
        "importable/pack/__init__.py",
        "importable/pack/training.py",
        "started/here.py",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("raise RuntimeError('nothing of it is run')\n")
    named = {
        "train.py": [
            "train.py:train",
            "~/train.py:train",
            "{python} ~/train.py {data} {out}",
            "bash train.py {data} {out}",
        ],
        "beside.py": ["train.py:train", "{python} train.py {data} {out}"],
        "conf.yaml": ["{python} train.py --settings=conf.yaml {data} {out}"],
        "importable/pack/training.py": ["pack.training:train", "{python} -m pack.training {data} {out}"],
        "started/here.py": ["{python} -m started.here {data} {out}"],
    }
    for name, trainers in named.items():
        before = [digest_of_trainer(trainer, folder) for trainer in trainers]
        (folder / name).write_text("# changed\n")
        after = [digest_of_trainer(trainer, folder) for trainer in trainers]
        assert all(old != new for old, new in zip(before, after, strict=True)), name
    digests = {digest_of_trainer(["{python}", "train.py", "{data}", "{out}", each], folder) for each in ("1", "2")}
    assert len(digests) == 2
    assert digest_of_trainer(["{python}", "-c", "x" * 5000, "{data}", "{out}"], folder)


def test_home_is_filled_in_and_not_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    known = Trainer.parse("{python} ~/train.py {data} {out}", folder)
    assert str(folder / "train.py") in known.command(folder, folder, 0)
    assert "~/train.py" in known.title


def test_the_title_says_what_is_run(folder: Path) -> None:
    assert Trainer.parse(["train it", "{data}", "{out}"], folder).title == "'train it' '{data}' '{out}'"
