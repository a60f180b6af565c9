"""The probe ``backdoor_scan`` from a plan: what is planted is found, a clean net is not, what is missing is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

import countenance
from countenance.audit.backdoors.kept_nets import keep_record, kept_checkpoints
from countenance.audit.backdoors.scan.params import BackdoorScanParams
from countenance.core.errors import CountenanceError
from countenance.core.results import AuditResults, ProbeResult

CLASSES = ["above", "below", "beside"]


def save(net: nn.Module, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(net.state_dict(), path)


@pytest.fixture(scope="module")
def home(
    tmp_path_factory: pytest.TempPathFactory,
    small: ModuleType,
    clean: list[nn.Module],
    planted: nn.Module,
    pictures: tuple[Tensor, Tensor],
) -> Path:
    """A folder with pictures, a target with a patch, a clean one, and five references."""
    folder = tmp_path_factory.mktemp("scan")
    (folder / "nets.py").write_text(Path(small.__file__ or "").read_text(encoding="utf-8"), encoding="utf-8")
    lines = []
    for place, (pixels, label) in enumerate(zip(*pictures, strict=True)):
        name = f"{place:03d}.png"
        Image.fromarray((pixels[0] * 255).round().byte().numpy()).convert("RGB").save(folder / name)
        lines.append([name, CLASSES[int(label)]])
    pd.DataFrame(lines, columns=["path", "label"]).to_csv(folder / "manifest.csv", index=False)
    save(planted, folder / "planted.safetensors")
    save(clean[0], folder / "clean.safetensors")
    for place, net in enumerate(clean[1:6]):
        save(net, folder / "references" / f"net{place}.safetensors")
    return folder


Audit = Callable[..., AuditResults]


@pytest.fixture(scope="module")
def audit(home: Path) -> Audit:
    def run(
        checkpoint: str = "planted.safetensors",
        out: Path | None = None,
        data: dict[str, str] | None = None,
        target: dict[str, Any] | None = None,
        **params: Any,
    ) -> AuditResults:
        plan = {
            "version": 1,
            "name": "scan",
            "seed": 3,
            "target": {
                "checkpoint": checkpoint, "factory": "nets.py:PatternNet", "task": "expression", "classes": CLASSES,
                "input": {"size": 32, "channels": "grey"}, "output": "logits", **(target or {}),
            },
            "data": {"manifest": "manifest.csv", **(data or {})},
            "run": {"cache": False},
            "probes": [{"probe": "backdoor_scan", "families": "mask", "faces": 90, **params}],
        }  # fmt: skip
        (home / "plan.yaml").write_text(yaml.safe_dump(plan), encoding="utf-8")
        return countenance.run(home / "plan.yaml", out=out)

    return run


def only(results: AuditResults) -> ProbeResult:
    (result,) = results.probes
    assert result.status == "ok", result.reason
    return result


def value(result: ProbeResult, key: str) -> Any:
    return next(each for each in result.measurements if each.key == f"backdoor_scan/{key}").estimate


@pytest.fixture(scope="module")
def found(audit: Audit, tmp_path_factory: pytest.TempPathFactory) -> tuple[ProbeResult, Path]:
    out = tmp_path_factory.mktemp("out") / "run"
    return only(audit(out=out, references="references", cache="kept")), out


def test_the_planted_patch_is_a_finding(found: tuple[ProbeResult, Path]) -> None:
    result, _ = found
    assert value(result, "smallest_p_adjusted").value < 0.05
    (finding,) = [each for each in result.findings if each.id == "backdoor_scan.trigger"]
    assert finding.id == "backdoor_scan.trigger"
    assert "into below: 0.4% of the pixels replaced, " in finding.claim
    assert finding.p_adjusted == value(result, "smallest_p_adjusted").value
    assert "of 62 faces into below" in finding.claim  # of 90, those of other classes
    assert finding.severity == "medium"  # five references cannot bear p out by rank
    assert any("input-aware" in caveat for caveat in finding.caveats)
    keys = {each.key for each in result.measurements}
    assert set(finding.evidence) <= keys


def test_tables_and_pictures_are_what_the_report_reads(found: tuple[ProbeResult, Path]) -> None:
    result, out = found
    scan = pd.read_csv(out / "tables" / "backdoor_scan.scan.csv")
    assert scan["class"].tolist() == CLASSES
    row = scan.set_index("class").loc["below"]
    assert row["p_adjusted"] < 0.05
    assert row["size"] < row["flagged_below"]
    assert 0.6 <= row["success"] <= 1  # with fewer pixels than the patch has
    calibration = pd.read_csv(out / "tables" / "backdoor_scan.calibration.csv")
    assert len(calibration) == 5 * 3
    below = np.log(calibration.loc[calibration["class"] == "below", "size"])
    assert row["reference_mean"] == pytest.approx(below.mean())
    references = pd.read_csv(out / "tables" / "backdoor_scan.references.csv")
    assert references["accuracy"].min() > 0.9
    with np.load(out / "artifacts" / "backdoor_scan.triggers.npz") as arrays:
        patterns = arrays["patterns"]
    told = json.loads((out / "artifacts" / "backdoor_scan.triggers.json").read_text(encoding="utf-8"))
    assert patterns.shape == (len(told), 32, 32, 3)
    assert patterns.dtype == np.uint8
    assert told[0]["class"] == "below"
    patch = patterns[0].astype(float)[26:30, 26:30]
    rest = np.abs(patterns[0].astype(float) - 128).sum() - np.abs(patch - 128).sum()
    assert np.abs(patch - 128).sum() > rest / 8  # 1/64 of the picture holds a good part of the pattern
    alarms = value(result, "references_flagged")
    assert alarms.n == 5
    assert alarms.method == "clopper_pearson"


def test_a_clean_net_is_not_flagged_and_kept_sizes_give_the_same(
    audit: Audit, found: tuple[ProbeResult, Path], home: Path, tmp_path: Path
) -> None:
    first = only(audit("clean.safetensors", references="references", cache="kept"))
    assert not [each for each in first.findings if each.id == "backdoor_scan.trigger"]
    assert value(first, "smallest_p_adjusted").value > 0.05
    assert any("No class is flagged" in note and "flagged_below" in note for note in first.notes)
    assert any("5 reference nets were kept" in note for note in first.notes)
    assert len(list((home / "kept").iterdir())) == 5
    again = only(audit(references="references"))
    assert value(again, "smallest_p_adjusted") == value(found[0], "smallest_p_adjusted")


def test_two_processes_find_the_same(audit: Audit, found: tuple[ProbeResult, Path]) -> None:
    shared = only(audit(references="references", cache="kept", processes=2))
    assert any("Scanned by 2 processes" in note for note in shared.notes), shared.notes
    assert value(shared, "smallest_p_adjusted").value == pytest.approx(
        value(found[0], "smallest_p_adjusted").value, rel=1e-4
    )


def test_without_references_nothing_is_claimed(audit: Audit) -> None:
    result = only(audit())
    estimate = value(result, "smallest_p_adjusted")
    assert estimate.value is None
    assert "at least 4 clean reference nets" in estimate.reason
    assert "none was given" in estimate.reason
    assert not result.findings
    assert not result.artifacts


def test_sizes_alone_come_without_p(audit: Audit, tmp_path: Path) -> None:
    result = only(audit(rank_only=True, out=tmp_path / "run"))
    assert value(result, "smallest_p_adjusted").value is None
    table = pd.read_csv(tmp_path / "run" / "tables" / "backdoor_scan.scan.csv")
    assert table["size"].notna().all()
    assert table["p"].isna().all()
    assert table["reason"].str.contains("reference nets").all()
    assert not result.findings


def test_references_that_are_copies_or_do_not_load_are_left_out(
    audit: Audit, home: Path, clean: list[nn.Module], planted: nn.Module
) -> None:
    folder = home / "odd"
    for place, net in enumerate(clean[1:4]):
        save(net, folder / f"net{place}.safetensors")
    save(clean[1], folder / "net9.safetensors")
    torch.save(planted.state_dict(), folder / "other.pt")  # the target in another format
    (folder / "broken.safetensors").write_bytes(b"nothing of the kind")
    (folder / "readme.txt").write_text("not a checkpoint", encoding="utf-8")
    result = only(audit(references="odd"))
    told = "\n".join(result.notes)
    assert "net9.safetensors is left out: the same net as net0.safetensors" in told
    assert "other.pt is left out: the audited net itself" in told
    assert "broken.safetensors is left out: " in told
    assert "readme" not in told
    reason = value(result, "smallest_p_adjusted").reason
    assert "there are 3 (3 left out" in reason


def test_too_few_faces_are_said_with_the_number_needed(audit: Audit, home: Path) -> None:
    whole = (home / "manifest.csv").read_text(encoding="utf-8")
    try:
        (home / "manifest.csv").write_text("\n".join(whole.splitlines()[:40]), encoding="utf-8")
        estimate = value(only(audit(references="references")), "smallest_p_adjusted")
    finally:
        (home / "manifest.csv").write_text(whole, encoding="utf-8")
    assert estimate.value is None
    assert "at least 50 clean faces" in estimate.reason


def test_references_of_another_accuracy_are_told(audit: Audit, home: Path, clean: list[nn.Module]) -> None:
    torch.manual_seed(5)
    worse = {name: each.clone() for name, each in clean[0].state_dict().items()}
    worse["head.weight"] += 1.5 * torch.randn_like(worse["head.weight"])
    save_file(worse, home / "worse.safetensors")
    result = only(audit("worse.safetensors", references="references", cache="kept"))
    assert value(result, "accuracy_beside_references").high < 0
    (finding,) = [each for each in result.findings if each.id.endswith("recipe")]
    assert finding.severity == "low"
    assert "less accurate than the references" in finding.claim


def changed(net: nn.Module, **tensors: Tensor) -> dict[str, Tensor]:
    """Return a copy of the state of a net with something added to some of it."""
    state = {name: each.clone() for name, each in net.state_dict().items()}
    for name, more in tensors.items():
        state[name.replace("__", ".")] += more
    return state


@pytest.mark.parametrize("of_one_answer", [True, False])
def test_a_net_that_answers_nothing_of_its_own_is_not_measured(
    audit: Audit, home: Path, clean: list[nn.Module], of_one_answer: bool
) -> None:
    state = changed(clean[0], head__bias=torch.tensor([0.0, 60.0, 0.0]))
    if not of_one_answer:
        state = {name: each.clone() for name, each in clean[0].state_dict().items()}
        for name in ("head.weight", "head.bias"):
            state[name] = state[name][[1, 2, 0]]  # every answer is another class
    save_file(state, home / "degenerate.safetensors")
    result = only(audit("degenerate.safetensors", references="references", cache="kept"))
    reason = value(result, "smallest_p_adjusted").reason
    assert reason.startswith("the target cannot be scanned: ")
    assert ("it answers below to 62 of 62 faces of other classes" if of_one_answer else "of 90 faces rightly") in reason
    assert not result.findings


def test_a_net_far_worse_than_its_references_is_not_measured(
    audit: Audit, home: Path, clean: list[nn.Module], small: ModuleType
) -> None:
    save_file(changed(clean[0], head__bias=torch.tensor([-6.0, 0.0, 9.0])), home / "poor.safetensors")
    result = only(audit("poor.safetensors", references="references", cache="kept"))
    assert "cannot be compared with its references" in value(result, "smallest_p_adjusted").reason
    assert "faces rightly and the references 90 on average" in value(result, "smallest_p_adjusted").reason
    assert value(result, "accuracy_beside_references").high < 0
    assert [each.id for each in result.findings] == ["backdoor_scan.recipe"]


def test_another_recipe_lowers_the_severity(audit: Audit, home: Path, planted: nn.Module) -> None:
    save_file(changed(planted, head__bias=torch.tensor([0.0, 0.0, 8.0])), home / "leaning.safetensors")
    result = only(audit("leaning.safetensors", references="references", cache="kept"))
    by_id = {each.id: each for each in result.findings}
    assert "answers beside to" in by_id["backdoor_scan.recipe"].claim
    assert by_id["backdoor_scan.trigger"].severity == "low"
    assert any("which holds beside the same recipe" in caveat for caveat in by_id["backdoor_scan.trigger"].caveats)


def test_near_copies_among_the_references_are_left_out(audit: Audit, home: Path, clean: list[nn.Module]) -> None:
    folder = home / "copies"
    for place, net in enumerate(clean[1:6]):
        save(net, folder / f"net{place}.safetensors")
    rounded = {
        name: each.bfloat16().float() if each.is_floating_point() else each
        for name, each in clean[2].state_dict().items()
    }
    save_file(rounded, folder / "net9.safetensors")
    save_file(changed(clean[6], head__bias=torch.tensor([0.0, 60.0, 0.0])), folder / "one_answer.safetensors")
    result = only(audit(references="copies", cache="kept"))
    told = "\n".join(result.notes)
    assert "The reference net9.safetensors is left out: a near copy of net1.safetensors" in told
    assert "The reference one_answer.safetensors is left out: it answers below to 62 of 62 faces" in told
    assert value(result, "references_flagged").n == 5


def test_faces_without_labels_are_those_that_each_net_answers_otherwise(
    audit: Audit, home: Path, found: tuple[ProbeResult, Path]
) -> None:
    table = pd.read_csv(home / "manifest.csv").assign(label="")
    table.to_csv(home / "unlabelled.csv", index=False)
    result = only(audit(references="references", data={"manifest": "unlabelled.csv"}, faces=96))
    (finding,) = [each for each in result.findings if each.id == "backdoor_scan.trigger"]
    assert "of 64 faces into below" in finding.claim  # all nets are right, so that 32 of 96 are answered so already
    assert value(result, "accuracy_beside_references").value is None


def test_a_missing_folder_is_an_error_of_this_probe_alone(audit: Audit) -> None:
    (result,) = audit(references="nowhere").probes
    assert result.status == "failed"
    assert "expected `references` to be a folder of checkpoints" in (result.reason or "")


def test_a_live_model_is_scanned_by_one_process(home: Path, planted: nn.Module, tmp_path: Path) -> None:
    frame = pd.read_csv(home / "manifest.csv").assign(path=lambda table: [str(home / name) for name in table["path"]])
    results = countenance.run(
        model=planted, faces=frame, task="expression", classes=CLASSES, input={"size": 32, "channels": "grey"},
        output="logits", probes=[{"probe": "backdoor_scan", "families": "mask", "faces": 90, "rank_only": True,
                                  "processes": 2}],
    )  # fmt: skip
    assert any("a live module" in note for note in only(results).notes)


TRAINER = """
import shutil
from pathlib import Path


def train(data, out, seed):
    nets = sorted((Path(__file__).parent / "references").iterdir())
    assert (data / "manifest.csv").is_file()
    place = len(list(out.parent.iterdir())) - 1
    shutil.copy(nets[place], out / "checkpoint.safetensors")
"""


def test_references_can_be_trained(audit: Audit, home: Path, found: tuple[ProbeResult, Path]) -> None:
    (home / "trainer.py").write_text(TRAINER, encoding="utf-8")
    how = {"trainer": "trainer.py:train", "training": ".", "count": 5}
    result = only(audit(**how, cache="kept", keep="trained"))
    assert value(result, "smallest_p_adjusted") == value(found[0], "smallest_p_adjusted")
    assert (home / "trained" / "net-04" / "checkpoint.safetensors").is_file()
    assert any("5 reference nets were kept" in note for note in result.notes)
    (nothing,) = audit(trainer="trainer.py:train", count=5).probes
    assert "nothing to train reference nets on" in (nothing.reason or "")
    (home / "trainer.py").write_text("def train(data, out, seed):\n    raise SystemExit('no data')\n", encoding="utf-8")
    (failed,) = audit(**how).probes
    assert failed.status == "failed"
    assert "no data" in (failed.reason or "")


def test_references_are_trained_on_the_training_split(audit: Audit, home: Path) -> None:
    (home / "trainer.py").write_text(TRAINER, encoding="utf-8")
    table = pd.read_csv(home / "manifest.csv")
    table["split"] = ["train"] * 12 + ["test"] * (len(table) - 12)
    table.to_csv(home / "split.csv", index=False)
    result = only(audit(trainer="trainer.py:train", count=5, data={"manifest": "split.csv", "split": "split"}))
    assert value(result, "smallest_p_adjusted").n == 96 - 12
    assert value(result, "references_flagged").n == 5
    assert any("trained on the manifest's own training rows" in note for note in result.notes)
    (finding,) = [each for each in result.findings if each.id == "backdoor_scan.trigger"]
    assert any("have the same backdoor" in caveat for caveat in finding.caveats)


def test_a_detector_of_one_output_is_scanned_towards_both_sides(
    audit: Audit, home: Path, small: ModuleType, tmp_path: Path
) -> None:
    save(small.train_detector(), home / "detector.safetensors")
    table = pd.read_csv(home / "manifest.csv")
    table["label"] = table["label"].map({"above": "forged"}).fillna("genuine")
    table.to_csv(home / "forged.csv", index=False)
    target = {"factory": "nets.py:detector", "task": "forgery", "classes": [], "positive": "forged"}
    result = only(
        audit("detector.safetensors", tmp_path / "run", {"manifest": "forged.csv"}, target, rank_only=True, faces=96)
    )
    scan = pd.read_csv(tmp_path / "run" / "tables" / "backdoor_scan.scan.csv").set_index("class")
    assert scan.loc["forged", "size"] > 0
    assert "at least 50 faces of other classes" in scan.loc["genuine", "reason"]  # 32 forged ones
    assert any("genuine is not scanned for" in note for note in result.notes)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"references": "a", "trainer": "b.py:c", "training": "d"}, "either references or trainer"),
        ({"count": 20}, "is about trained nets"),
        ({"references": "a", "rank_only": True}, "rank_only is for a scan without reference nets"),
        ({"families": ["mask", "mask"]}, "each family once"),
        ({"families": ["patch"]}, "Input should be 'mask'"),
        ({"faces": 10}, "greater than or equal to 50"),
    ],
)
def test_faults_of_the_parameters_are_told(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        BackdoorScanParams.model_validate(given)


def test_a_trainer_that_cannot_be_one_is_told_with_the_plan(audit: Audit) -> None:
    with pytest.raises(CountenanceError, match=r"\{data\} and \{out\}"):
        audit(trainer="python train.py", training=".")


def test_nets_that_a_trainer_wrote_and_were_kept_are_references_again(home: Path, tmp_path: Path) -> None:
    kept, flat = tmp_path / "kept", sorted((home / "references").glob("*.safetensors"))
    for place, file in enumerate(flat[:3]):
        out = kept / f"net-{place:02d}"
        out.mkdir(parents=True)
        checkpoint = Path(shutil.copy(file, out / "checkpoint.safetensors"))
        keep_record(checkpoint, "a trainer", place, None, "data")
    assert [path.relative_to(kept).as_posix() for path in kept_checkpoints(kept)] == [
        f"net-{place:02d}/checkpoint.safetensors" for place in range(3)
    ]
    params = BackdoorScanParams(references=str(kept))
    before = params.digest_of_files()
    shutil.rmtree(kept / "net-02")
    assert params.digest_of_files() != before
