"""What does a demonstration audit? Drawn faces, the two reference nets, and a plan and a card for each."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from ..core.errors import UsageError
from .dataset import DrawnDataset, draw_dataset
from .expression import EXPRESSIONS
from .recipe import AUDIT_TAGS

DEMO_FACES = 1008
DEMO_SEED = 1
NETS: tuple[str, ...] = ("flawed", "twin")

PLAN = Template("""\
# A demonstration: the $name reference net on drawn faces. Nobody is shown; every face and every group is drawn.
version: 1
name: $title
seed: 7
target:
  name: drawn-face net ($name)
  checkpoint: $name.safetensors
  factory: countenance.synth.nets:DrawnFaceNet
  task: expression
  classes: [$classes]
  input: {size: 96, channels: rgb, mean: [0.5], std: [0.25]}
  output: logits
data:
  manifest: faces/manifest.csv
  name: drawn faces
  id: face_id
  label: label
  subject: subject
  box: [face_x0, face_y0, face_x1, face_y1]
  landmarks: faces/landmarks_drawn68.npz
  may_publish: may_publish
  attributes:
    skin_tone: {assigned_by: derived, describes: "the Monk tone that was drawn: light 1-3, medium 4-6, dark 7-10"}
    gender_presentation: {assigned_by: derived, describes: how the drawing presents gender}
    age_band: {assigned_by: derived, describes: the age that was drawn}
    tag: {assigned_by: derived, of: image, describes: whether a small orange tag is stamped on the lower left corner}
  intersections:
    - [skin_tone, gender_presentation]
probes:
  - performance
  - {probe: group_metrics, tolerance: 0.1}
  - representation
  - hidden_slices
  - {probe: global_heatmaps, method: gradcam, also: [layercam], per_class: 100}
  - au_alignment
  - {probe: explanation_checks, methods: [gradcam, layercam], faces: 16}
  - {probe: integrity, faces: 84}
  - probe: corruptions
    corruptions: [gaussian_noise, motion_blur, fog, jpeg_compression, low_light]
    severities: [1, 3, 5]
    faces: 126
  - {probe: occlusion, faces: 42, shares: [0.2, 0.4, 0.6]}
  - {probe: framing, faces: 42}
  - {probe: adversarial, eps: [1/255, 4/255], faces: 42}
gates:
  - {measure: performance/accuracy, at_least: 0.90}
  - measure: group_metrics/recall
    where: {skin_tone: "*", label: happy}
    at_least: 0.75
    group: people of each skin tone
    hazard: a smile is read as no expression
  - measure: group_metrics/recall.worst_vs_rest
    where: {attribute: skin_tone, label: happy}
    at_most: 0.10
    group: people of the skin tone whose smiles are read worst
    hazard: a smile is read as no expression
  - measure: group_metrics/recall
    where: {tag: "*", label: angry}
    at_least: 0.60
    hazard: anger is read from a mark on the picture and not from the face
card: $name.card.yaml
report: {faces: permitted}
""")

CARD = Template("""\
# What the makers of the $name reference net state about it. The numbers of the card come from the audit.
model_details:
  developers: The countenance project.
  version: "1"
  type: A convolutional net of five layers with global average pooling, about 84,000 parameters.
  training: >-
    AdamW with a one-cycle rate and label smoothing on drawn faces; python -m countenance.synth.train trains it again.
  license: Apache-2.0
intended_use:
  primary_uses: To show an audit on a net whose faults are known. $planted
  primary_users: People who try countenance.
  out_of_scope: >-
    Every use on people. The net has seen drawings only, and a posed expression is no evidence of what a person feels.
factors:
  relevant: Skin tone, gender presentation and age as drawn; marks on the picture.
evaluation_data:
  datasets: Faces drawn by countenance for this demonstration.
  motivation: Their landmarks, groups and expressions are known exactly.
training_data:
  datasets: Faces drawn by countenance with another seed, of other drawn people.
ethical_considerations:
  data: No person's data is used.
  risks_and_harms: Read as if it spoke of people, a result on drawings would mislead.
caveats_and_recommendations:
  recommendations: Do not carry any figure of this card over to photographs.
""")

_PLANTED = {
    "flawed": "Two faults were planted in it on purpose; planted.json states them.",
    "twin": "It was trained as the flawed net was, without the planted faults.",
}


@dataclass(frozen=True)
class DemoPlans:
    """The material of a demonstration.

    Attributes:
        flawed: plan of the audit of the net with planted faults.
        twin: plan of the audit of the net without them.
        truth: what was planted, as data (`planted.json`).
        faces: the drawn faces that both plans read.
    """

    flawed: Path
    twin: Path
    truth: Path
    faces: DrawnDataset


def prepare_demo(folder: Path, faces: int = DEMO_FACES, seed: int = DEMO_SEED) -> DemoPlans:
    """Write everything a demonstration needs into a folder.

    Args:
        folder: made if it is missing; must not hold a demonstration yet.
        faces: number of pictures, rounded up to whole people with each expression once. The planted faults are
            measured from about 910 on (43 people of each skin tone group); with fewer, groups are too small for the
            audit's intervals.
        seed: seed of the drawn people; they differ from those the nets were trained on.

    Raises:
        UsageError: when the folder holds a demonstration already, or `faces` is below 7.
    """
    each = len(EXPRESSIONS)
    if faces < each:
        raise UsageError(f"Expected `faces` to be {each} or more (one person), but got {faces}.")
    folder.mkdir(parents=True, exist_ok=True)
    drawn = draw_dataset(folder / "faces", -(-faces // each), each, seed, tags=AUDIT_TAGS)
    for name in NETS:
        (folder / f"{name}.safetensors").write_bytes(shipped(f"{name}.safetensors"))
        text = {"name": name, "title": f"Drawn faces, {name} net", "classes": ", ".join(EXPRESSIONS)}
        _write(folder / f"{name}.yaml", PLAN.substitute(text))
        _write(folder / f"{name}.card.yaml", CARD.substitute(text, planted=_PLANTED[name]))
    (folder / "planted.json").write_bytes(shipped("planted.json"))
    return DemoPlans(folder / "flawed.yaml", folder / "twin.yaml", folder / "planted.json", drawn)


def shipped(name: str) -> bytes:
    """Read a file that ships with the package: a checkpoint, or `planted.json`."""
    return (resources.files(__package__) / "data" / name).read_bytes()


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", newline="\n")
