"""The probe on tables of predictions made elsewhere: numbers, groups, findings, bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn import metrics

import countenance
from countenance.core.errors import CountenanceError
from countenance.core.results import AuditResults, Finding

METHODS = {"strong": 3.0, "weak": 0.0}
PLAN: dict[str, Any] = {
    "version": 1,
    "name": "a detector",
    "seed": 3,
    "target": {"predictions": "predictions.csv", "task": "forgery", "classes": ["genuine", "forged"]},
    "data": {"subject": "subject", "attributes": {"gender": {"assigned_by": "self-reported"}}},
}


def table(seed: int = 0, people: int = 60, gap: float = 0.0, methods: dict[str, float] | None = None) -> pd.DataFrame:
    """Two genuine faces of each person and one forgery of each method, scores on the logit alike within a person."""
    rng = np.random.default_rng(seed)
    lines = []
    for person in range(people):
        gender = ("female", "male")[person % 2]
        own = rng.normal(0, 0.5)
        for method, shift in [("", 0.0), ("", 0.0), *(METHODS if methods is None else methods).items()]:
            hidden = gap if method and gender == "female" else 0.0
            score = 1 / (1 + np.exp(-(own + shift - hidden - 1 + rng.normal())))
            label = "forged" if method else "genuine"
            lines.append({"subject": person, "gender": gender, "label": label, "method": method, "p_forged": score})
    frame = pd.DataFrame(lines)
    frame.insert(0, "face_id", [f"f{row}" for row in range(len(frame))])
    return frame


def run(folder: Path, frame: pd.DataFrame, out: str | None = None, also: tuple[str, ...] = (), **params: Any) -> Any:
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / "predictions.csv", index=False)
    plan = {**PLAN, "probes": [*also, {"probe": "forgery_detection", **params}]}
    if "subject" not in frame:
        plan["data"] = {"attributes": PLAN["data"]["attributes"]}
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    return countenance.run(folder / "plan.yaml", out=None if out is None else folder / out)


def findings(results: AuditResults) -> dict[str, Finding]:
    probe = results.probe("forgery_detection")
    assert probe.status == "ok", probe.reason
    return {finding.id.removeprefix("forgery_detection."): finding for finding in probe.findings}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return table()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame) -> tuple[AuditResults, Path]:
    folder = tmp_path_factory.mktemp("detection")
    return run(folder, frame, "run", threshold=0.4), folder / "run"


def value(results: AuditResults, key: str) -> float:
    found = results[f"forgery_detection/{key}"].estimate
    assert found.value is not None, found.reason
    assert found.low is None or found.low <= found.value <= found.high
    return float(found.value)


def test_numbers_equal_scikit_learns_overall_by_method_and_by_group(results, frame):
    found, _ = results
    forged = (frame["label"] == "forged").to_numpy()
    scores, called = frame["p_forged"].to_numpy(), frame["p_forged"].to_numpy() >= 0.4
    female = (frame["gender"] == "female").to_numpy()
    strong = (frame["method"] == "strong").to_numpy()
    parts = {
        "": np.ones(len(frame), dtype=bool),
        "[gender=female]": female,
        "[method=strong]": strong | ~forged,
        "[gender=female,method=strong]": female & (strong | ~forged),
    }
    for place, of in parts.items():
        assert value(found, f"auroc{place}") == pytest.approx(metrics.roc_auc_score(forged[of], scores[of]))
        assert value(found, f"apcer{place}") == pytest.approx((~called[of & forged]).mean())
        if place != "[gender=female,method=strong]":
            weights = np.where(forged, 0.5 / (of & forged).sum(), 0.5 / (of & ~forged).sum())[of]
            precision = metrics.average_precision_score(forged[of], scores[of], sample_weight=weights)
            assert value(found, f"ap{place}") == pytest.approx(precision)
            fpr, tpr, _ = metrics.roc_curve(forged[of], scores[of], drop_intermediate=False)
            at = np.argmin(np.abs(fpr + tpr - 1))
            assert value(found, f"eer{place}") == pytest.approx((fpr[at] + 1 - tpr[at]) / 2, abs=0.01)
    for place, of in list(parts.items())[:2]:
        assert value(found, f"bpcer{place}") == pytest.approx(called[of & ~forged].mean())
        assert value(found, f"accuracy{place}") == pytest.approx((called == forged)[of].mean())
    assert value(found, "ap") == pytest.approx(metrics.average_precision_score(forged, scores))
    assert [value(found, f"{name}.null") for name in ("auroc", "eer")] == [0.5, 0.5]
    threshold = value(found, "eer.threshold")
    at_equal = scores >= threshold
    assert (~at_equal[forged]).mean() == pytest.approx(at_equal[~forged].mean(), abs=0.02)


@pytest.mark.parametrize("place", ["", "[gender=female]", "[method=strong]"])
def test_the_null_of_average_precision_is_what_labels_dealt_at_random_reach(results, frame, place):
    found, _ = results
    forged, scores = (frame["label"] == "forged").to_numpy(), frame["p_forged"].to_numpy()
    of = np.ones(len(frame), dtype=bool)
    if place:
        of = (frame["gender"] == "female").to_numpy() if "gender" in place else (frame["method"] != "weak").to_numpy()
    random, drawn = np.random.default_rng(0), []
    for _ in range(600):
        dealt = random.permutation(forged[of])
        weights = np.where(dealt, 0.5 / dealt.sum(), 0.5 / (~dealt).sum())
        drawn.append(metrics.average_precision_score(dealt, scores[of], sample_weight=weights))
    error = np.std(drawn) / np.sqrt(len(drawn))
    null = value(found, f"ap.null{place}")
    assert null == pytest.approx(np.mean(drawn), abs=3.5 * error)
    assert null > 0.51  # the share of forgeries, 0.5, would be too low


def test_compressed_and_unmeasured_faces_have_no_null_of_their_own(results, tmp_path):
    assert not any("ap.null" in item.key and "@" in item.key for item in results[0].measurements())
    few = run(tmp_path, table(people=12))
    keys = {item.key: item.estimate for item in few.measurements()}
    assert keys["forgery_detection/ap[gender=female]"].value is None
    assert "forgery_detection/ap.null[gender=female]" not in keys


def test_tables_have_what_figures_are_drawn_from(results, frame):
    _, folder = results
    read = {
        name: pd.read_csv(folder / f"tables/forgery_detection.{name}.csv") for name in ("roc", "densities", "methods")
    }
    assert read["roc"].columns.tolist() == ["method", "false_alarms", "detected", "low", "high", "level"]
    assert read["roc"]["method"].unique().tolist() == ["all", "strong", "weak"]
    assert read["densities"].columns.tolist() == ["kind", "edge_low", "edge_high", "share", "faces"]
    shares = read["densities"].groupby("kind")["share"].sum()
    assert shares.index.tolist() == ["genuine", "strong", "weak"]
    assert shares.to_numpy() == pytest.approx(1)
    lines = read["methods"].set_index("method")
    assert lines.index.tolist() == ["all", "strong", "weak"]
    assert lines.loc["strong", ["faces", "people"]].tolist() == [60, 60]
    assert lines.loc["all", "faces"] == 120
    assert (lines["low"] < lines["auroc"]).all()
    assert (lines["apcer_low"] <= lines["apcer"]).all()


def test_scores_that_lie_close_together_get_bins_of_their_own(tmp_path, frame):
    close = frame.assign(p_forged=0.1 + frame["p_forged"] / 50)
    run(tmp_path, close, "run")
    bins = pd.read_csv(tmp_path / "run/tables/forgery_detection.densities.csv")
    assert bins["edge_low"].min() == pytest.approx(0.1, abs=0.005)
    assert bins["edge_high"].max() == pytest.approx(0.12, abs=0.005)
    assert bins.groupby("kind")["share"].sum().to_numpy() == pytest.approx(1)


def test_a_method_near_chance_is_a_finding_and_one_that_is_seen_is_none(results, tmp_path):
    found = findings(results[0])
    assert set(found) == {"near_chance"}
    near = found["near_chance"]
    assert near.severity == "high"
    assert "does not tell weak (AUROC 0.5" in near.claim
    assert "strong" not in near.claim
    assert "pass as genuine" in near.claim
    assert "protects nobody" in near.claim
    assert "forgery_detection/auroc[method=weak]" in near.evidence
    assert any("differ from tool to tool" in text for text in near.caveats)
    assert any("among the genuine faces too" in text for text in near.caveats)
    assert findings(run(tmp_path, table(methods={"strong": 3.0, "other": 2.5}))) == {}


def test_too_few_people_to_tell_are_not_called_near_chance(tmp_path):
    found = findings(run(tmp_path, table(seed=5, people=14, methods={"weak": 0.5})))
    assert "near_chance" not in found
    assert "do not show that the model tells weak" in found["not_shown"].claim
    assert "More people would settle it" in found["not_shown"].claim


def test_a_method_that_is_hardly_told_is_a_finding_though_it_is_above_chance(tmp_path):
    results = run(tmp_path, table(seed=1, people=300, methods={"strong": 3.0, "faint": 0.3}))
    low = results["forgery_detection/auroc[method=faint]"].estimate.low
    found = findings(results)
    assert low > 0.5
    assert set(found) == {"barely_above_chance"}
    barely = found["barely_above_chance"]
    assert barely.severity == "high"
    assert "The model hardly tells faint (AUROC 0.5" in barely.claim
    assert "strong" not in barely.claim
    assert "in 35 of 100 pairs or more" in barely.claim
    assert "pass as genuine" in barely.claim
    assert "forgery_detection/auroc[method=faint]" in barely.evidence
    assert any("hold for all 2 methods together" in text for text in barely.caveats)


def test_what_is_told_of_a_method_holds_for_all_methods_together(tmp_path):
    """Of twenty methods near chance, each alone at 95 %, one is found above or below it by luck."""
    methods = {f"m{number:02}": 0.0 for number in range(20)}
    results = run(tmp_path, table(seed=4, people=250, methods=methods), gaps=[])
    alone = [results[f"forgery_detection/auroc[method={name}]"].estimate for name in methods]
    assert any(each.low > 0.5 or each.high < 0.5 for each in alone)
    found = findings(results)
    assert set(found) == {"near_chance"}
    assert all(name in found["near_chance"].claim for name in methods)
    assert "surely a little below" not in found["near_chance"].claim
    assert any("hold for all 20 methods together" in text for text in found["near_chance"].caveats)


def test_a_method_a_little_below_chance_is_near_it_and_told_to_be_below(tmp_path):
    found = findings(run(tmp_path, table(seed=2, people=300, methods={"strong": 3.0, "smooth": -0.25})))
    assert set(found) == {"near_chance"}
    assert "Of smooth it is surely a little below" in found["near_chance"].claim


def test_without_methods_all_forgeries_are_one(tmp_path):
    results = run(tmp_path, table(methods={"weak": 0.0}).drop(columns="method"), "run")
    assert "does not tell forged (AUROC" in findings(results)["near_chance"].claim
    assert any("data.forgeries.method" in note for note in results.probe("forgery_detection").notes)
    assert pd.read_csv(tmp_path / "run/tables/forgery_detection.methods.csv")["method"].tolist() == ["all"]


@pytest.mark.parametrize(("there", "lacking", "rate"), [("forged", "genuine", "apcer"), ("genuine", "forged", "bpcer")])
def test_labels_of_one_side_say_which_is_missing_and_what_is_left(tmp_path, frame, there, lacking, rate):
    results = run(tmp_path, frame[frame["label"] == there])
    found = findings(results)
    assert set(found) == {"side_missing"}
    assert f"faces are {there}, none is {lacking}" in found["side_missing"].claim
    for metric in ("auroc", "eer", "ap"):
        reason = results[f"forgery_detection/{metric}"].estimate.reason
        assert f"no face is labelled {lacking}" in reason
    assert value(results, rate) > 0
    other = "bpcer" if rate == "apcer" else "apcer"
    assert results[f"forgery_detection/{other}"].estimate.reason == f"no face is labelled {lacking}"


def test_a_turned_sign_is_a_finding_of_both_probes_in_the_same_words(tmp_path):
    frame = table(methods={"strong": 3.0})
    results = run(tmp_path, frame.assign(p_forged=1 - frame["p_forged"]), also=("performance",))
    found = findings(results)
    assert found["sign_turned"].severity == "high"
    assert "The column p_forged may hold the probability of a genuine face" in found["sign_turned"].claim
    assert "near_chance" not in found
    assert "ranked_below" not in found
    of_performance = {finding.id: finding for finding in results.probe("performance").findings}
    assert of_performance["performance.sign_turned"].claim == found["sign_turned"].claim


def test_a_method_that_is_not_seen_is_told_beside_a_turned_sign(tmp_path):
    frame = table(people=100, methods={"strong": 3.0, "other": 3.0, "weak": 0.0})
    found = findings(run(tmp_path, frame.assign(p_forged=1 - frame["p_forged"])))
    assert "sign_turned" in found
    assert "does not tell weak" in found["near_chance"].claim
    assert "ranked_below" not in found


def test_one_method_below_chance_is_told_apart_from_a_turned_sign(tmp_path):
    found = findings(run(tmp_path, table(methods={"strong": 3.0, "sly": -2.0})))
    assert "sign_turned" not in found
    assert "takes sly (AUROC 0." in found["ranked_below"].claim
    assert "worse than chance" in found["ranked_below"].claim
    assert "Of sly it is so far below" in found["ranked_below"].claim


def test_a_method_below_chance_though_not_far_is_told(tmp_path):
    results = run(tmp_path, table(seed=3, people=60, methods={"strong": 3.0, "sly": -0.5}))
    assert results["forgery_detection/auroc[method=sly]"].estimate.high > 0.35
    found = findings(results)
    assert "worse than chance" in found["ranked_below"].claim
    assert "so far below" not in found["ranked_below"].claim


def test_a_threshold_with_every_face_on_one_side_is_a_finding(tmp_path, frame):
    found = findings(run(tmp_path, frame.assign(p_forged=frame["p_forged"] / 10)))["one_sided"]
    assert "At the threshold 0.5 the model calls all 240 faces genuine: every forgery passes" in found.claim
    assert "has to be set on others" in found.caveats[0]
    upper = findings(run(tmp_path / "upper", frame.assign(p_forged=0.6 + frame["p_forged"] / 10)))["one_sided"]
    assert "every genuine face is called one" in upper.claim
    assert "one_sided" not in findings(
        run(tmp_path / "lower", frame.assign(p_forged=frame["p_forged"] / 10), threshold=0.03)
    )


def test_one_score_for_all_faces_is_a_finding_and_nothing_is_ranked(tmp_path, frame):
    results = run(tmp_path, frame.assign(p_forged=0.25))
    found = findings(results)
    assert set(found) == {"same_scores"}
    assert "one and the same probability of a forgery, 0.25" in found["same_scores"].claim
    assert results["forgery_detection/eer"].estimate.reason == "all faces have the same score"
    assert results["forgery_detection/auroc"].estimate.reason == "all faces have the same score"
    assert value(results, "bpcer") == 0


def test_a_planted_gap_between_groups_is_found_and_a_fair_detector_is_not_flagged(tmp_path):
    unfair = run(tmp_path, table(people=120, gap=2.5, methods={"strong": 3.5}))
    claims = " ".join(finding.claim for finding in unfair.probe("forgery_detection").findings)
    assert "Grouped by gender" in claims
    assert "AUROC of forged against genuine faces" in claims
    assert unfair["forgery_detection/auroc.gap[attribute=gender]"].estimate.value > 0.2
    assert unfair["forgery_detection/apcer.worst_vs_rest[attribute=gender]"].estimate.low > 0.1
    fair = run(tmp_path / "fair", table(seed=2, people=120, methods={"strong": 3.5}))
    assert fair.probe("forgery_detection").findings == []
    assert fair["forgery_detection/auroc.gap.p_adjusted[attribute=gender]"].estimate.value > 0.05
    none = run(tmp_path / "none", table(people=40, methods={"strong": 3.5}), gaps=[])
    assert not any(".gap" in item.key for item in none.probe("forgery_detection").measurements)


def test_apcer_and_bpcer_are_the_error_rates_of_group_metrics_at_one_half(tmp_path, frame):
    results = run(tmp_path, frame, also=("group_metrics",))
    for ours, theirs in (("apcer", "fnr"), ("bpcer", "fpr")):
        group = results[f"group_metrics/{theirs}[gender=female,label=forged]"].estimate
        assert results[f"forgery_detection/{ours}[gender=female]"].estimate.value == pytest.approx(group.value)


def test_compressed_faces_are_not_measured_without_a_model_and_it_is_said_why(results):
    found = results[0]
    for condition in ("compression=jpeg,quality=30", "size=0.5"):
        reason = found[f"forgery_detection/auroc@{condition}"].estimate.reason
        assert "the target is a table of predictions" in reason
    assert any("were not measured" in note for note in found.probe("forgery_detection").notes)


def test_a_genuine_face_with_a_method_of_forging_is_told(tmp_path, frame):
    odd = frame.copy()
    odd.loc[odd.index[:3], "method"] = ["strong", "none", "youtube"]
    found = findings(run(tmp_path, odd))
    assert "1 faces are labelled genuine and yet name a method of forging: strong" in found["genuine_with_method"].claim


def test_faces_without_a_label_are_left_out_and_counted(tmp_path, frame):
    some = frame.copy()
    some.loc[some.index[::6], "label"] = ""
    results = run(tmp_path, some)
    assert results["forgery_detection/auroc"].estimate.n == 200
    assert any("40 of 240 faces have no label" in note for note in results.probe("forgery_detection").notes)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"threshold": 1.0}, "threshold"),
        ({"quality": [0]}, "quality"),
        ({"size": 1.5}, "size"),
        ({"gaps": ["eer"]}, "gaps"),
        ({"quality": [50, 50]}, "expected each value once"),
        ({"treshold": 0.5}, "treshold"),
    ],
)
def test_wrong_parameters_are_refused(tmp_path, frame, params, message):
    with pytest.raises(CountenanceError, match=message):
        run(tmp_path, frame, **params)


def test_the_same_seed_gives_the_same_numbers(tmp_path, frame, results):
    again = run(tmp_path, frame, "run", threshold=0.4)
    for name in ("roc", "methods", "densities"):
        first = (results[1] / f"tables/forgery_detection.{name}.csv").read_text()
        assert (tmp_path / f"run/tables/forgery_detection.{name}.csv").read_text() == first
    keys = {item.key: item.estimate for item in again.probe("forgery_detection").measurements}
    assert keys == {item.key: item.estimate for item in results[0].probe("forgery_detection").measurements}
