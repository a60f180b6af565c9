"""The probe ``skin_tone``: drawn people whose tone is known, real people with two pictures, and nothing to measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import spearmanr

from countenance.core.api import run_plan
from countenance.core.derive.retest import retest
from countenance.core.derive.skin_tone import BANDS, CheekTone, bands_of, cheek_tone
from countenance.core.places import read_yaml
from countenance.core.plan_file import LoadedPlan, Problems, check_plan
from countenance.core.progress import SilentReporter
from countenance.core.results import AuditResults

LANDMARKS = {"68": "landmarks_dlib68.npz", "478": "landmarks_mediapipe478.npz"}


def london_plan(root: Path, probes: list[str], landmarks: str = "68", **attribute: Any) -> LoadedPlan:
    """The repository's plan of the London set, with a skin tone derived from the pixels."""
    folder = root / "tests" / "plans"
    content: dict[str, Any] = yaml.safe_load((folder / "london_face_expression.yaml").read_text())
    derived = {"assigned_by": "derived", "derive": "ita", **attribute}
    content["data"]["attributes"] = {"skin_tone": derived}
    content["data"] |= {"intersections": [], "landmarks": f"../../../shared/data/london/{LANDMARKS[landmarks]}"}
    content |= {"probes": probes, "gates": [], "run": {"workers": 1, "device": "cpu"}}
    content.pop("card", None)
    return check_plan(read_yaml(yaml.safe_dump(content)), folder, Problems("london"))


@pytest.fixture(scope="module")
def london(shared: Path, root: Path) -> AuditResults:
    """The probe on the London set."""
    return run_plan(london_plan(root, ["skin_tone"]))


def value(results: AuditResults, key: str) -> float:
    """The value of a measurement, which has to be measured."""
    found = results[f"skin_tone/{key}"].estimate.value
    assert found is not None
    return found


@pytest.mark.parametrize("landmarks", ["68", "478"])
def test_the_angle_agrees_with_the_one_in_the_london_manifest(shared: Path, root: Path, landmarks: str) -> None:
    from countenance.core.foresight import prepared
    from countenance.core.setup import Material, load_faces
    from countenance.core.statistics.rules import StatisticsRules

    loaded = london_plan(root, ["skin_tone"], landmarks)
    faces, notes = load_faces(loaded)
    ita = prepared(Material(faces, None, None, notes), loaded, StatisticsRules(), SilentReporter()).faces.measured[
        "ita"
    ]
    table = pd.read_csv(shared / "data" / "london" / "manifest.csv", dtype={"subject": str})
    assert np.isfinite(ita).all()
    assert np.corrcoef(ita, table["ita_deg"])[0, 1] > 0.95
    table["ita"] = ita
    both = table.pivot(index="subject", columns="label", values="ita")
    assert both["neutral"].corr(both["happy"]) > 0.98  # published with other patches: .986
    assert (
        5 <= (bands_of(both["neutral"].to_numpy()) != bands_of(both["happy"].to_numpy())).sum() <= 20
    )  # published: 16


def test_the_published_angles_of_the_manifest_are_compared_as_published(shared: Path) -> None:
    """The README of the data says that 16 of 102 people fall in another band, by up to 19 degrees, r = .986."""
    table = pd.read_csv(shared / "data" / "london" / "manifest.csv", dtype={"subject": str})
    ita = table["ita_deg"].to_numpy(np.float64)
    found = retest(ita, bands_of(ita), pd.factorize(table["subject"])[0].astype(np.int64), level=0.95, min_people=10)
    assert (found.people, found.changed.count) == (102, 16)
    assert found.largest.value == pytest.approx(19.1)
    assert found.correlation.value == pytest.approx(0.986, abs=0.004)  # ours counts the shift of smiles too


def test_how_well_it_is_repeated_on_real_people(london: AuditResults) -> None:
    correlation = london["skin_tone/ita.retest_correlation"].estimate
    assert correlation.value is not None
    assert correlation.low is not None
    assert (correlation.n, correlation.subjects) == (204, 102)
    assert 0.97 < correlation.low < correlation.value < 1
    assert 2 < value(london, "ita.retest_sem") < 5
    assert 10 < value(london, "ita.retest_largest") < 40
    changed, chance = (value(london, f"ita.retest_band_change{end}") for end in ("", ".null_other_people"))
    assert changed < 0.2 < 0.5 < chance
    assert 1 < value(london, "ita.between_cheeks") < 8


def test_the_distribution_by_band(london: AuditResults) -> None:
    shares = [item.estimate.value for item in london.measurements() if item.metric == "ita.share"]
    assert len(shares) == len(BANDS)
    assert sum(share or 0 for share in shares) == pytest.approx(1)


def test_the_finding_says_what_it_is(london: AuditResults) -> None:
    (finding,) = (each for probe in london.probes for each in probe.findings)
    assert finding.severity == "note"
    assert "no measured skin colour" in finding.claim
    assert "Of 102 people with two pictures or more" in finding.claim
    assert "standard error of measurement" in finding.claim
    assert "skin_tone/ita.retest_band_change" in finding.evidence
    assert any("colorimeter" in caveat for caveat in finding.caveats)


def test_drawn_people_come_out_in_the_order_of_their_tones() -> None:
    """A positive control: the tone is drawn, and the angle falls as it darkens; light and shade of the drawing stay."""
    from PIL import Image

    from countenance.synth.dataset import faces_of
    from countenance.synth.draw import draw_face

    tones, angles = [], []
    for _, face in faces_of(20, 1, seed=3):
        drawn = draw_face(face, 256)
        found = cheek_tone(Image.fromarray(drawn.image), drawn.landmarks.astype(np.float64))
        if isinstance(found, CheekTone):
            tones.append(face.person.look.monk_tone)
            angles.append(found.ita)
    assert len(tones) >= 15
    assert spearmanr(tones, angles).statistic < -0.9


def test_another_attribute_by_other_bins_is_told_apart(shared: Path, root: Path) -> None:
    loaded = london_plan(root, ["skin_tone"])
    content = loaded.plan.model_dump(mode="json", exclude_unset=True)
    content["data"]["attributes"]["coarse"] = {"assigned_by": "derived", "derive": "ita", "bins": [-90, 20, 90]}
    content["probes"] = [{"probe": "skin_tone"}]
    results = run_plan(check_plan(read_yaml(yaml.safe_dump(content, sort_keys=False)), loaded.folder, Problems("two")))
    assert results.probe("skin_tone").status == "ok"
    fine, coarse = (value(results, f"ita.retest_band_change{end}") for end in ("", "[attribute=coarse]"))
    assert coarse < fine


def test_nothing_derived_is_told_and_not_measured(shared: Path, root: Path) -> None:
    loaded = london_plan(root, ["skin_tone"])
    content = loaded.plan.model_dump(mode="json", exclude_unset=True)
    content["data"]["attributes"] = {"ita_group": {"assigned_by": "derived", "of": "image"}}
    content["probes"] = [{"probe": "skin_tone"}]
    results = run_plan(check_plan(read_yaml(yaml.safe_dump(content)), loaded.folder, Problems("none")))
    probe = results.probe("skin_tone")
    assert (probe.status, probe.measurements, probe.findings) == ("ok", [], [])
    assert "no attribute of the plan is derived" in probe.notes[0]
