"""Scores of frames and videos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn import metrics

import countenance
from countenance.core.results import AuditResults

TARGET = {"predictions": "predictions.csv", "task": "forgery", "classes": ["genuine", "forged"]}


def videos(seed: int = 0, people: int = 30) -> pd.DataFrame:
    """A genuine and a forged video of each person, two to five frames each of one or two faces, one of them forged."""
    rng = np.random.default_rng(seed)
    lines = []
    for person in range(people):
        own = rng.normal(0, 0.5)
        for method in ("", "swap"):
            of_video = own + rng.normal(0, 0.5)
            for frame in range(rng.integers(2, 6)):
                for face in range(rng.integers(1, 3)):
                    forged = bool(method) and face == 0
                    score = 1 / (1 + np.exp(-(of_video + 2 * forged - 1 + rng.normal())))
                    lines.append(
                        {
                            "subject": person,
                            "gender": ("female", "male")[person % 2],
                            "label": "forged" if forged else "genuine",
                            "method": method if forged else "",
                            "video": f"{person}{method or 'plain'}",
                            "frame": frame,
                            "p_forged": score,
                        }
                    )
    table = pd.DataFrame(lines)
    table.insert(0, "face_id", [f"f{row}" for row in range(len(table))])
    return table


def run(folder: Path, frame: pd.DataFrame, **data: Any) -> AuditResults:
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / "predictions.csv", index=False)
    described = {"attributes": {"gender": {"assigned_by": "self-reported"}}, **data}
    if "subject" in frame:
        described["subject"] = "subject"
    plan = {"version": 1, "name": "videos", "target": TARGET, "data": described, "probes": ["forgery_detection"]}
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    return countenance.run(folder / "plan.yaml")


def slow_units(frame: pd.DataFrame, keys: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Label and score of each video (or frame), one after the other."""
    truths, scores = [], []
    for _, unit in frame.groupby(keys):
        of_frames = [faces["p_forged"].max() for _, faces in unit.groupby("frame")]
        scores.append(np.mean(of_frames))
        truths.append((unit["label"] == "forged").any())
    return np.array(truths), np.array(scores)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return videos()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame) -> AuditResults:
    return run(tmp_path_factory.mktemp("videos"), frame)


@pytest.mark.parametrize(("unit", "keys"), [("video", ["video"]), ("frame", ["video", "frame"])])
def test_a_video_scores_the_mean_over_frames_of_the_largest_face_score(results, frame, unit, keys):
    truths, scores = slow_units(frame, keys)
    found = results[f"forgery_detection/auroc@unit={unit}"].estimate
    assert found.n == len(truths)
    assert found.subjects == 30
    assert found.value == pytest.approx(metrics.roc_auc_score(truths, scores))
    missed = results[f"forgery_detection/apcer@unit={unit}"].estimate
    assert missed.value == pytest.approx((scores[truths] < 0.5).mean())
    assert results[f"forgery_detection/apcer[method=swap]@unit={unit}"].estimate.value == missed.value
    notes = " ".join(results.probe("forgery_detection").notes)
    assert "The score of each of 60 videos is the mean over its frames" in notes


def test_groups_are_compared_over_videos_and_people_are_the_unit_of_sampling(results):
    keys = [item.key for item in results.probe("forgery_detection").measurements]
    assert "forgery_detection/auroc.gap[attribute=gender]@unit=video" in keys
    assert "forgery_detection/auroc.gap[attribute=gender]" not in keys
    assert "forgery_detection/auroc[gender=female]" in keys
    assert "forgery_detection/eer[gender=female]@unit=video" in keys
    faces = results["forgery_detection/auroc"].estimate
    assert faces.subjects == 30


def test_without_people_frames_of_one_video_are_one(tmp_path, results, frame):
    nobody = run(tmp_path, frame.drop(columns="subject"))
    for metric in ("auroc", "eer", "ap", "bpcer", "accuracy"):
        faces = nobody[f"forgery_detection/{metric}"].estimate
        assert faces.value == pytest.approx(results[f"forgery_detection/{metric}"].estimate.value)
        assert faces.subjects == (60 if metric != "bpcer" else len(set(frame[frame["label"] == "genuine"]["video"])))
    assert nobody["forgery_detection/auroc[gender=female]"].estimate.subjects == 30
    assert nobody["forgery_detection/auroc@unit=video"].estimate.subjects == 60
    keys = [item.key for item in nobody.probe("forgery_detection").measurements]
    assert "forgery_detection/auroc.gap[attribute=gender]@unit=video" in keys
    assert any("Nobody is named" in note for note in nobody.probe("forgery_detection").notes)


def test_one_face_a_frame_needs_no_frame_scores(tmp_path, frame):
    alone = run(tmp_path, frame.drop(columns="frame"))
    assert "share no frame" in alone["forgery_detection/auroc@unit=video"].estimate.reason
    single = frame.groupby(["video", "frame"]).first().reset_index()
    found = run(tmp_path / "single", single.drop(columns="frame"))
    truths, scores = slow_units(single, ["video"])
    assert found["forgery_detection/auroc@unit=video"].estimate.value == pytest.approx(
        metrics.roc_auc_score(truths, scores)
    )
    assert any("Every frame has one face" in note for note in found.probe("forgery_detection").notes)
    assert not any("unit=frame" in item.key for item in found.probe("forgery_detection").measurements)


def test_one_name_for_several_videos_is_refused_with_the_reason(tmp_path, frame):
    reused = frame.assign(video=frame["subject"].astype(str), frame=frame.index)
    reason = run(tmp_path, reused)["forgery_detection/auroc@unit=video"].estimate.reason
    assert "30 videos hold forgeries of several methods, or genuine and forged faces that share no frame" in reason
    assert "name of its own" in reason
    several = frame.copy()
    first = several["method"] == "swap"
    several.loc[first & (several["frame"] == 0), "method"] = "morph"
    assert (
        "of several methods" in run(tmp_path / "several", several)["forgery_detection/auroc@unit=video"].estimate.reason
    )


def test_faces_without_video_or_label_are_told(tmp_path, frame):
    some = frame.copy()
    some.loc[some["video"] == "0plain", "video"] = ""
    some.loc[some["video"] == "1plain", "label"] = ""
    some.loc[(some["video"] == "1swap") & (some["label"] == "genuine"), "label"] = ""
    results = run(tmp_path, some)
    notes = " ".join(results.probe("forgery_detection").notes)
    assert "faces name no video" in notes
    assert "1 videos were left out" in notes
    alone = int((some["video"] == "").sum())
    assert results["forgery_detection/auroc@unit=video"].estimate.n == 58 + alone
    assert "The score of each of 58 videos is the mean over its frames of the largest face score" in notes
    assert f"{alone:,} faces name no video" in notes


def test_one_face_that_names_a_video_does_not_switch_off_what_is_asked_of_the_others(tmp_path):
    frame = videos()
    photos = frame.groupby("video").first().reset_index().drop(columns="frame")
    photos.loc[1:, "video"] = ""
    results = run(tmp_path, photos)
    alone = run(tmp_path / "alone", photos.drop(columns="video"))
    gap = alone["forgery_detection/auroc.gap[attribute=gender]"].estimate
    assert gap.value is not None
    assert results["forgery_detection/auroc.gap[attribute=gender]@unit=video"].estimate.value == gap.value
    for metric in ("auroc", "apcer", "bpcer", "ap"):
        whole = results[f"forgery_detection/{metric}@unit=video"].estimate
        assert whole.value == pytest.approx(alone[f"forgery_detection/{metric}"].estimate.value)
        assert whole.n == alone[f"forgery_detection/{metric}"].estimate.n
    notes = " ".join(results.probe("forgery_detection").notes)
    assert "59 faces name no video: where videos are measured, and groups compared over them" in notes


def test_a_video_of_several_people_is_counted_with_the_forged_one(tmp_path, frame):
    guests = frame.copy()
    seconds = guests.duplicated(["video", "frame"])
    guests.loc[seconds, "subject"] = 99
    results = run(tmp_path, guests)
    assert any("show several people" in note for note in results.probe("forgery_detection").notes)
    assert results["forgery_detection/auroc@unit=video"].estimate.subjects == 30
