"""``countenance forge``: what is written, that it is marked, and that what is written can be audited."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from scipy.ndimage import minimum_filter

from countenance.audit.forgery.making import METHODS, USUAL, hull, splicing
from countenance.audit.forgery.making.marking import SYNTHETIC_MARK, marked
from countenance.core.manifest import read_manifest
from countenance.core.plan import DataSpec
from countenance.synth.dataset import DrawnDataset, draw_dataset


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> DrawnDataset:
    return draw_dataset(tmp_path_factory.mktemp("drawn"), subjects=3, per_subject=2, seed=1, size=96)


@pytest.fixture
def forged(command: Callable[..., Any], drawn: DrawnDataset, tmp_path: Path) -> tuple[Path, Any]:
    out = tmp_path / "kept"
    done = command("forge", drawn.manifest, "--landmarks", drawn.landmarks, "--out", out, "--size", 96, "--seed", 4)
    assert done.code == 0, done.err
    return out, done


def table(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "manifest.csv", dtype=str, keep_default_na=False)


def picture(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file))


def test_a_folder_of_forgeries(forged: tuple[Path, Any], drawn: DrawnDataset) -> None:
    out, done = forged
    found = table(out)
    assert len(found) == 6 * (1 + len(USUAL))
    assert (found["label"] == "genuine").sum() == 6
    assert found.columns[:10].tolist() == [
        *("path", "label", "method", "mask", "subject", "donor", "face_x0", "face_y0", "face_x1", "face_y1"),
    ]
    source = pd.read_csv(drawn.manifest, dtype=str).set_index("path")
    for row in found.itertuples():  # attributes are those of the face, and the donor is somebody else
        assert row.gender_presentation == source.loc[row.source, "gender_presentation"]
        assert row.source_label == source.loc[row.source, "label"]
        assert row.donor != row.subject
        assert bool(row.donor) == (row.method in METHODS and METHODS[row.method].partner == "person")
        height, width = picture(out / row.path).shape[:2]
        assert (height, width) == (96 + 16, 96)
        if row.mask:
            mask = picture(out / row.mask)
            assert mask.shape == (height, width)
            assert mask.max() > 50
            assert (mask[96:] == 0).all()
    landmarks = np.load(out / "landmarks.npz")
    assert set(landmarks) == {path.removesuffix(".jpg") for path in found["path"]}
    assert all(points.shape == (68, 2) for points in landmarks.values())
    assert "synthetic" in (out / "README.md").read_text().lower()
    assert "probes: [forgery_detection, forgery_localisation]" in done.out


def test_every_forgery_says_what_it_is(forged: tuple[Path, Any]) -> None:
    """Visibly and in the metadata; genuine copies carry a strip of the same form."""
    out, _ = forged
    found = table(out)
    strips: dict[str, list[np.ndarray]] = {"genuine": [], "forged": []}
    for row in found.itertuples():
        image = Image.open(out / row.path)
        word = "COPY" if row.label == "genuine" else "SYNTHETIC"
        assert image.info["comment"].decode().startswith(word)
        assert image.getexif()[0x010E].startswith(word)
        assert "countenance" in image.getexif()[0x0131]
        strips[row.label].append(np.asarray(image)[98:])  # the decoder smooths colour over the first row or two
        if row.mask:
            assert "SYNTHETIC" in Image.open(out / row.mask).text["Description"]
    for kind in strips.values():
        assert all((each == kind[0]).all() for each in kind)  # nothing of the face leaks into it
    ink = {kind: (each[0].mean(axis=2) > 128).mean() for kind, each in strips.items()}
    assert ink["forged"] > ink["genuine"] > 0.01


def test_genuine_and_forged_take_one_path(forged: tuple[Path, Any]) -> None:
    """Outside its mask a forgery is the genuine copy, but for the ringing of the codec's blocks that meet the mask."""
    out, _ = forged
    found = table(out).set_index(["source", "method"])
    for (source, method), row in found.iterrows():
        if not method:
            continue
        genuine, made = picture(out / found.loc[(source, ""), "path"]), picture(out / row["path"])
        mask = picture(out / row["mask"])[:96] > 0
        untouched = ~mask.reshape(6, 16, 6, 16).any(axis=(1, 3))  # blocks of 16 pixels, for colour is halved
        blocks = np.abs(genuine[:96].astype(int) - made[:96]).reshape(6, 16, 6, 16, 3).max(axis=(1, 3, 4))
        away = minimum_filter(untouched, 3)  # the decoder smooths colour across the border of a block
        assert blocks[away].max(initial=0) == 0
        assert blocks[~untouched].max() > 3


def test_the_same_seed_writes_the_same_bytes(
    command: Callable[..., Any], forged: tuple[Path, Any], drawn: DrawnDataset, tmp_path: Path
) -> None:
    out, _ = forged
    again = tmp_path / "again"
    arguments = ("--landmarks", drawn.landmarks, "--size", 96, "--methods", "morph,self_blend")
    assert command("forge", drawn.manifest, *arguments, "--out", again, "--seed", 4).code == 0
    for path in table(again)["path"]:
        assert (again / path).read_bytes() == (out / path).read_bytes()
    other = tmp_path / "other"
    assert command("forge", drawn.manifest, *arguments, "--out", other, "--seed", 5).code == 0
    paths = [path for path in table(other)["path"] if "self_blend" in path]
    assert any((other / path).read_bytes() != (out / path).read_bytes() for path in paths)


def test_what_is_written_can_be_read_as_the_printed_plan_says(forged: tuple[Path, Any]) -> None:
    out, done = forged
    lines = done.out[done.out.index("data:") : done.out.index("probes:")]
    data = yaml.safe_load(lines)["data"]
    spec = DataSpec.model_validate(data)
    manifest = read_manifest(out / "manifest.csv", spec, ("genuine", "forged"))
    assert len(manifest.frame) == 6 * (1 + len(USUAL))
    assert {"method", "mask", "donor"} <= set(manifest.frame)


def test_the_printed_plan_works_beside_the_folder(
    command: Callable[..., Any], drawn: DrawnDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pasted into a plan in the folder's parent it is read, whatever folder the command was started in."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for name in ("kept", "2 kept: or not #1"):
        out = Path("deep") / "er" / name
        arguments = ("--landmarks", drawn.landmarks, "--size", 64, "--methods", "self_blend")
        done = command("forge", drawn.manifest, *arguments, "--out", out)
        assert done.code == 0, done.err
        start = done.out.index("data:")
        plan = {
            "version": 1,
            "name": "pasted",
            "target": {"predictions": "p.csv", "task": "forgery"},
            **yaml.safe_load(done.out[start:]),
        }
        assert plan["data"]["manifest"] == f"{name}/manifest.csv"
        beside = tmp_path / "deep" / "er" / "plan.yaml"
        for key in ("manifest", "landmarks"):
            assert (beside.parent / plan["data"][key]).is_file()
        assert str(beside.parent) in done.out.replace("\n", "")


def test_what_could_not_be_forged_is_told_with_its_reason(
    command: Callable[..., Any], drawn: DrawnDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One odd face must not end the command; how many and why stands at its end."""
    tried: list[int] = []

    def sometimes(polygon: np.ndarray, *given: Any) -> Any:
        tried.append(1)
        return real(polygon if len(tried) != 2 else polygon * 0 + 1.0, *given)

    real = hull.convex_outline
    monkeypatch.setattr(splicing, "convex_outline", sometimes)
    arguments = ("--landmarks", drawn.landmarks, "--size", 64, "--methods", "eyes_splice,self_blend")
    done = command("forge", drawn.manifest, *arguments, "--out", tmp_path / "kept")
    assert done.code == 0, done.err
    assert "eyes_splice: could not be made of 1 faces: expected landmarks" in " ".join(done.out.split())
    found = table(tmp_path / "kept")
    assert found["method"].value_counts().to_dict() == {"": 6, "self_blend": 6, "eyes_splice": 5}
    assert len(list((tmp_path / "kept" / "images" / "eyes_splice").iterdir())) == 5


def test_the_folder_says_what_gives_its_files_away(forged: tuple[Path, Any]) -> None:
    out, _ = forged
    told = " ".join((out / "README.md").read_text().split())
    assert "told apart without a look at the face" in told
    assert "the metadata, the length of the file" in told


@pytest.mark.parametrize("side", [16, 32, 48, 64, 96, 256, 1024])
def test_the_mark_fits_below_pictures_of_any_width(side: int) -> None:
    """Dark at both ends, and light in between: no letter is cut off."""
    strip = marked(np.full((side, side, 3), 120, dtype=np.uint8), SYNTHETIC_MARK)[side:].max(axis=2)
    assert (strip[:, 0] < 60).all()
    assert (strip[:, -1] < 60).all()
    assert strip.max() > 120


def test_of_a_plan_only_genuine_faces_are_forged(
    command: Callable[..., Any], drawn: DrawnDataset, tmp_path: Path
) -> None:
    labelled = pd.read_csv(drawn.manifest, dtype=str).assign(label="genuine")
    labelled.loc[0, "label"] = "forged"
    labelled.to_csv(drawn.folder / "labelled.csv", index=False)
    plan = {
        "version": 1,
        "name": "detector",
        "target": {
            "checkpoint": "net.safetensors",
            "factory": "nets.py:Net",
            "task": "forgery",
            "positive": "genuine",
            "input": {"size": 48},
            "output": "probabilities",
        },
        "data": {
            "manifest": str(drawn.folder / "labelled.csv"),
            "subject": "subject",
            "landmarks": str(drawn.landmarks),
            "attributes": {"gender_presentation": {"assigned_by": "annotator"}},
        },
        "probes": ["performance"],
    }
    (tmp_path / "net.safetensors").write_bytes(b"")
    (tmp_path / "nets.py").write_text("")
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    done = command("forge", tmp_path / "plan.yaml", "--out", tmp_path / "kept", "--methods", "self_blend", "--size", 64)
    assert done.code == 0, done.err
    found = table(tmp_path / "kept")
    assert len(found) == 2 * 5
    assert "attributes: as in the plan (gender_presentation)" in done.out


def test_what_cannot_be_done_is_told(command: Callable[..., Any], drawn: DrawnDataset, tmp_path: Path) -> None:
    base = ("forge", drawn.manifest, "--out", tmp_path / "kept")
    known = ("--landmarks", drawn.landmarks)
    for arguments, told in (
        ((*base,), "expected --landmarks"),
        ((*base, *known, "--methods", "deepfake"), "but got 'deepfake'"),
        ((*base, *known, "--methods", "morph,morph"), "each once"),
        ((*base, *known, "--size", 100), "multiple of 16"),
        (("forge", drawn.folder / "faces.txt", "--out", tmp_path / "kept"), "a plan (.yaml) or a manifest"),
        (("forge", tmp_path / "none.csv", "--out", tmp_path / "kept", *known), "none.csv"),
    ):
        done = command(*arguments)
        assert done.code == 2, (arguments, done)
        assert told in done.err
    assert not (tmp_path / "kept" / "manifest.csv").exists()
    assert command(*base, *known, "--methods", "self_blend", "--size", 64).code == 0
    again = command(*base, *known, "--methods", "self_blend", "--size", 64)
    assert again.code == 2
    assert "no manifest.csv yet" in again.err


def test_faces_that_cannot_be_forged_are_counted(
    command: Callable[..., Any], drawn: DrawnDataset, tmp_path: Path
) -> None:
    points = dict(np.load(drawn.landmarks))
    del points[next(iter(points))]
    np.savez(tmp_path / "fewer.npz", **points)
    done = command(
        *("forge", drawn.manifest, "--landmarks", tmp_path / "fewer.npz", "--out", tmp_path / "kept"),
        *("--methods", "mouth_splice", "--size", 64),
    )
    assert done.code == 0, done.err
    assert "1 faces were skipped: expected landmarks that are numbers" in done.out
    assert "mouth_splice: not made of 1 faces" in done.out  # the other photo of that person has no partner now
    table_of = table(tmp_path / "kept")
    assert (table_of["label"] == "genuine").sum() == 5
    assert (table_of["label"] == "forged").sum() == 4
