"""The card as a tree: nine sections, numbers from results only, what is missing said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from countenance.cards import Statements, build_card, card_of, load_statements, to_json, write_card
from countenance.cards.absent import reasons_in_short
from countenance.cards.measured import quarantine_reasons
from countenance.cards.tree import BulletList, Card, Heading, Item, Paragraph, Statement, TableBlock
from countenance.core.results import AuditResults, DataSummary, Estimate, Measurement, Quarantined
from countenance.core.results_file import load_results

SECTIONS = [
    "Model Details",
    "Intended Use",
    "Factors",
    "Metrics",
    "Evaluation Data",
    "Training Data",
    "Quantitative Analyses",
    "Ethical Considerations",
    "Caveats and Recommendations",
]


@pytest.fixture(scope="module")
def results(run_folder: Path) -> AuditResults:
    return load_results(run_folder)


@pytest.fixture(scope="module")
def card(run_folder: Path) -> Card:
    return card_of(run_folder)


def words(item: Item | None) -> str:
    """Everything an item says."""
    assert item is not None
    said = [item.title, item.reason]
    for block in item.blocks:
        if isinstance(block, Heading):
            said.append(block.text)
        elif isinstance(block, Statement):
            said += block.paragraphs
        else:
            rows = (
                [block.parts]
                if isinstance(block, Paragraph)
                else [entry.parts for entry in block.items]
                if isinstance(block, BulletList)
                else [*block.rows, (block.caption,)]
            )
            said += [part if isinstance(part, str) else str(part.estimate) for row in rows for part in row]
    return "\n".join(said)


def everything(card: Card) -> str:
    sections = (*card.sections, card.absent)
    parts = [part for part in card.summary.parts if isinstance(part, str)]
    return "\n".join([*parts, *(words(item) for section in sections for item in section.items)])


def test_nine_sections_in_order_with_all_sub_items(card: Card) -> None:
    assert [section.title for section in card.sections] == SECTIONS
    assert [section.number for section in card.sections] == list(range(1, 10))
    named = {item.name for section in card.sections for item in section.items}
    for section, model in Statements.model_fields.items():
        block = type(getattr(Statements(), section))
        assert model is not None
        assert {f"{section}.{item}" for item in block.model_fields} <= named


def test_every_number_is_the_one_in_results(card: Card, results: AuditResults) -> None:
    refs = list(card.refs())
    assert len(refs) > 100
    for ref in refs:
        assert ref.estimate == results[ref.key].estimate


def test_no_sentence_holds_a_decimal_that_results_do_not_quote(card: Card) -> None:
    """Text of this package carries no measured number: they stand as references."""
    import re

    for section in card.sections[6].items[:1], card.sections[6].items[1:]:
        for item in section:
            for block in item.blocks:
                if isinstance(block, (Paragraph, BulletList)):
                    parts = block.parts if isinstance(block, Paragraph) else [p for e in block.items for p in e.parts]
                    for part in parts:
                        assert not (isinstance(part, str) and re.search(r"\b0\.\d{2,}", part)), part


def test_unitary_and_intersectional_results_with_base_rate_beside_fdr_and_for(card: Card) -> None:
    for name, heading in (("unitary", "gender"), ("intersectional", "ethnicity × gender")):
        item = card.item(f"quantitative_analyses.{name}")
        assert item is not None
        assert item.status == "measured"
        tables = [block for block in item.blocks if isinstance(block, TableBlock) and block.columns[0] == heading]
        of_label = next(table for table in tables if "label = happy" in table.caption)
        columns = of_label.columns
        assert columns.index("base rate") + 1 == columns.index("FDR") == columns.index("FOR") - 1
        assert {"recall", "FNR", "FPR"} <= set(columns)


def test_small_groups_are_named_with_what_they_lack(card: Card) -> None:
    text = words(card.item("quantitative_analyses.unitary"))
    assert "Not measured: east_asian · east_asian/white (held back: fewer than 5 people" in text


def test_what_is_not_stated_and_not_measured_stands_at_the_end(card: Card) -> None:
    stated = words(card.item("absent.stated"))
    assert "Primary intended users" in stated
    assert "Training algorithms" in stated
    assert "License" not in stated  # it was stated
    measured = words(card.item("absent.measured"))
    assert "the whole probe skipped" in measured
    assert "the target is a table of predictions" in measured
    assert "the whole probe failed" in measured
    assert "10 are needed" in measured
    assert "the plan names no split" in measured
    table = card.absent.items[1].blocks[0]
    assert isinstance(table, TableBlock)
    assert len(table.rows) < 25  # summed up, although hundreds of measurements are missing


def test_without_statements_nothing_is_made_up(results: AuditResults, run_folder: Path) -> None:
    card = build_card(results, Statements(), run_folder)
    item = card.item("model_details.license")
    assert item is not None
    assert item.status == "not stated"
    assert item.blocks == ()
    assert card.license is None
    owned = [item for section in card.sections for item in section.items if item.status == "not stated"]
    assert len(owned) >= 20


def test_statements_are_marked_as_the_authors(card: Card) -> None:
    item = card.item("intended_use.out_of_scope")
    assert item is not None
    assert item.status == "stated"
    assert isinstance(item.blocks[0], Statement)
    assert len(item.blocks[0].paragraphs) == 2


def test_ethics_say_what_labels_masks_and_attributes_are(card: Card) -> None:
    text = words(card.item("ethical_considerations.reading"))
    assert "posed or perceived" in text
    assert "not evidence of what a person feels" in text
    assert "Barrett et al. 2019" in text
    assert "contested account" in text
    assert "derived" in text
    assert "reported by the people themselves" in words(card.item("factors.evaluation"))


def test_heatmaps_stand_beside_their_nulls(card: Card) -> None:
    text = words(card.item("quantitative_analyses.overall")).replace("\n", "")
    assert "by comparison IoU of all-ones" in text
    assert "it exceeds IoU of all-ones, IoU of random maps and IoU with other masks" in text


def test_sentences_against_nulls_follow_the_interval(results: AuditResults) -> None:
    from countenance.cards.sentences import against_nulls

    probe = results.probe("global_heatmaps")
    assert probe is not None

    def sentence(low: float, high: float) -> str:
        iou = Measurement.of("x", "iou", Estimate(value=(low + high) / 2, low=low, high=high))
        null = Measurement.of("x", "iou.null_ones", Estimate(value=0.25))
        found = against_nulls(iou, probe.model_copy(update={"measurements": [iou, null]}))
        assert found is not None
        return str(found.parts[-1])

    assert "it exceeds IoU of all-ones" in sentence(0.3, 0.4)
    assert "it falls short of IoU of all-ones" in sentence(0.1, 0.2)
    assert "it does not differ from IoU of all-ones beyond the sampling error" in sentence(0.2, 0.3)


@pytest.mark.parametrize(
    ("interval", "told"),
    [
        ((0.185, 0.195, 0.205), "it lies within the range of IoU of random maps"),
        ((0.2, 0.25, 0.3), "it lies within the range of IoU of random maps"),
        ((0.24, 0.25, 0.3), "it exceeds IoU of random maps"),
    ],
)
def test_a_null_with_a_range_is_exceeded_only_above_its_range(
    results: AuditResults, interval: tuple[float, float, float], told: str
) -> None:
    """London smiles: IoU .195, where the same area put anywhere gives .000 to .239, .084 on average."""
    from countenance.cards.sentences import against_nulls

    probe = results.probe("global_heatmaps")
    assert probe is not None
    low, value, high = interval
    iou = Measurement.of("x", "iou", Estimate(value=value, low=low, high=high))
    random = Estimate(value=0.084, low=0.0, high=0.239, level=0.95, method="every_shift")
    null = Measurement.of("x", "iou.null_random", random)
    found = against_nulls(iou, probe.model_copy(update={"measurements": [iou, null]}))
    assert found is not None
    assert found.parts[-1] == f". By its interval {told}."


def test_a_null_that_was_sampled_too_is_held_against_by_its_interval(results: AuditResults) -> None:
    """The same maps are in both numbers, so intervals that overlap say nothing; their difference is measured apart."""
    from countenance.cards.sentences import against_nulls

    probe = results.probe("global_heatmaps")
    assert probe is not None
    iou = Measurement.of("x", "iou", Estimate(value=0.195, low=0.184, high=0.206))

    def told(low: float, value: float, high: float) -> object:
        other = Estimate(value=value, low=low, high=high, level=0.95, method="jackknife_of_people")
        null = Measurement.of("x", "iou.null_other_masks", other)
        found = against_nulls(iou, probe.model_copy(update={"measurements": [iou, null]}))
        assert found is not None
        return found.parts[-1]

    assert "it overlaps with the interval of IoU with other masks, which is no test" in str(told(0.15, 0.169, 0.189))
    assert "it exceeds IoU with other masks" in str(told(0.15, 0.169, 0.18))


def under_other_ids(results: AuditResults) -> AuditResults:
    """Give every probe another id, as a plan may."""
    probes = []
    for probe in results.probes:
        name = f"my_{probe.id}"
        items = [
            Measurement.of(
                name, m.metric, m.estimate, slice=m.slice, condition=m.condition, direction=m.direction
            )
            for m in probe.measurements
        ]  # fmt: skip
        probes.append(probe.model_copy(update={"id": name, "measurements": items, "findings": []}))
    return results.model_copy(update={"probes": probes, "gates": []})


def test_probes_are_found_by_their_name_and_not_their_id(results: AuditResults, run_folder: Path, card: Card) -> None:
    other = build_card(under_other_ids(results), Statements(), run_folder)
    assert [ref.estimate for ref in other.headline] == [ref.estimate for ref in card.headline]
    assert next(ref.key for ref in other.headline) == "my_performance/accuracy"
    for name in ("unitary", "intersectional"):
        told = words(other.item(f"quantitative_analyses.{name}"))
        assert "accuracy is lowest for" in told
        assert "These are ranges and not tests" in told


def test_groups_that_are_alike_are_told_so(results: AuditResults) -> None:
    from countenance.cards.sentences import group_sentences

    probe = results.probe("group_metrics")
    assert probe is not None

    def told(**values: float) -> str:
        cells = [
            Measurement.of("group_metrics", "accuracy", Estimate(value=value), slice={"gender": name})
            for name, value in values.items()
        ]
        some = results.model_copy(update={"probes": [probe.model_copy(update={"measurements": cells})]})
        parts = next(group_sentences(some, intersectional=False)).parts
        return "".join(part if isinstance(part, str) else str(part.estimate) for part in parts)

    assert told(a=0.5, b=0.5) == "Of 2 measured groups by gender, accuracy is all alike, such as that for a: 0.500."
    assert told(a=0.5, b=0.7) == (
        "Of 2 measured groups by gender, accuracy is lowest for a: 0.500, and highest for b: 0.700."
    )
    assert "highest for b and 1 more group alike: 0.700" in told(a=0.5, b=0.7, c=0.7)
    assert "Of 2 measured groups" in told(a=0.5, b=0.7, **{"(across groups)": 0.9})


def test_no_word_promises_what_no_audit_can(card: Card) -> None:
    text = everything(card).lower()
    for phrase in ("is fair", "is safe", "is unbiased", "is robust", "are fair", "bias-free"):
        assert phrase not in text


def test_nothing_names_a_row(card: Card) -> None:
    text = everything(card)
    assert "person_041" not in text
    assert "secret" not in text


def test_quarantine_is_counted_by_reason_without_ids_or_paths() -> None:
    rows = [
        Quarantined(row=1, face_id="a/1.jpg", reason="the file is missing"),
        Quarantined(row=2, face_id="a/2.jpg", reason="the file is missing"),
        Quarantined(row=3, face_id="anna", reason="anna: cannot open C:\\faces\\anna.png"),
        Quarantined(row=4, face_id="b", reason="the box 1.5, 2, -3, 4 is empty"),
        Quarantined(row=5, face_id="c", reason="the box 7, 8, 3, 4.25 is empty"),
    ]
    found = dict(quarantine_reasons(DataSummary(faces=1, quarantined=rows)))
    assert found["the file is missing"] == 2
    assert found["the box is empty"] == 2
    assert not any("anna" in reason or "faces" in reason for reason in found)
    many = [Quarantined(row=n, face_id=str(n), reason=f"reason {chr(97 + n)}") for n in range(20)]
    assert quarantine_reasons(DataSummary(faces=1, quarantined=many))[-1] == ("12 other reasons", 12)


def test_reasons_that_differ_in_numbers_are_told_once() -> None:
    cells = [
        Measurement.of("p", "accuracy", Estimate.not_measured(reason), slice={"g": str(n)})
        for n, reason in enumerate(
            [
                "1 person; 10 are needed",
                "9 people; 10 are needed",
                "n_eff 19 of 25 needed: about 1,200 more people",
                "n_eff 9 of 25 needed: about 1 more person",
                "no face here counts towards recall of label sad",
                "no face here counts towards fnr of label angry",
            ]
        )
    ]
    assert reasons_in_short(cells) == [
        "1 to 9 people; 10 are needed",
        "n_eff 9 to 19 of 25 needed: about 1 to 1,200 more people",
        "no face counts towards it",
    ]
    assert reasons_in_short(cells[:1]) == ["1 person; 10 are needed"]


@pytest.mark.parametrize("value", ["no", "5", "10", "people", "needed", "{}", "a.b"])
def test_a_reason_is_not_garbled_by_what_groups_and_classes_are_called(value: str) -> None:
    """Groups called "no", or by the tones 1 to 10 of a skin scale, hold words and numbers of the reasons."""

    def short(reason: str) -> list[str]:
        estimate = Estimate.not_measured(reason)
        return reasons_in_short(
            [
                Measurement.of("p", "accuracy", estimate, slice={"beard": value}),
                Measurement.of("p", "recall", estimate, slice={"beard": "x", "label": value}),
            ]
        )

    assert short("5 people; 10 are needed") == ["5 people; 10 are needed"]
    assert short(f"no face here counts towards recall of label {value}") == ["no face counts towards it"]
    assert short(f"no face is labelled {value}") == ["no face has the label"]
    named = Measurement.of(
        "p", "iou", Estimate.not_measured(f"9 people called {value} with a map; 10 are needed"), slice={"label": value}
    )
    assert reasons_in_short([named]) == ["9 people called it with a map; 10 are needed"]
    masked = Estimate.not_measured(f"{value} has no mask: a face at rest moves no region")
    told = reasons_in_short([Measurement.of("p", "iou", masked, slice={"label": value})])
    assert told == ["it has no mask: a face at rest moves no region"]
    assert short("since 1.2.3 of it")[0].startswith("since 1.2")  # no number, and no error


def test_the_card_names_the_evidence_it_was_built_from(card: Card, run_folder: Path) -> None:
    from countenance.core.files import sha256_of_file

    assert card.evidence == sha256_of_file(run_folder / "results.json")


def test_json_holds_the_whole_tree(card: Card) -> None:
    content = json.loads(to_json(card))
    assert content["kind"] == "Card"
    assert [section["title"] for section in content["sections"]] == SECTIONS
    text = json.dumps(content)
    assert all(json.dumps(ref.key) in text for ref in card.refs())


def test_the_same_folder_gives_the_same_card(run_folder: Path) -> None:
    assert card_of(run_folder) == card_of(run_folder)
    assert to_json(card_of(run_folder)) == to_json(card_of(run_folder))


def test_data_without_people_labels_or_attributes(made_run: ModuleType, tmp_path: Path) -> None:
    results = made_run.make_run(tmp_path)
    bare = results.model_copy(update={"data": DataSummary(faces=3), "probes": [], "gates": []})
    card = build_card(bare, load_statements(tmp_path / "card.yaml"), tmp_path)
    assert "unknown number of people" in everything(card)
    item = card.item("quantitative_analyses.overall")
    assert item is not None
    assert item.status == "not measured"
    assert item.reason
    assert "No attribute of people or images" in words(card.item("factors.evaluation"))
    assert "no attribute of people" in words(card.item("quantitative_analyses.unitary"))


def test_cards_and_reports_are_written_without_torch(run_folder: Path) -> None:
    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in {'torch', 'torchvision', 'onnxruntime'}:\n"
        "            raise ImportError(name + ' is not here')\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from pathlib import Path\n"
        "from countenance.cards import write_card\n"
        "from countenance.reports import write_report\n"
        "folder = Path(sys.argv[1])\n"
        "assert write_card(folder).stat().st_size > 1000\n"
        "assert write_report(folder).stat().st_size > 1000\n"
        "assert 'torch' not in sys.modules\n"
        "assert not any(name.startswith(('countenance.audit', 'countenance.explain')) for name in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(run_folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_write_card_puts_markdown_beside_the_results(run_folder: Path) -> None:
    path = write_card(run_folder)
    assert path == run_folder / "MODEL_CARD.md"
    assert path.read_text(encoding="utf-8").startswith("---\n")
