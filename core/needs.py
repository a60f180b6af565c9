"""What a probe needs and these data and this target cannot give, said in words."""

from __future__ import annotations

from collections.abc import Set

from .faces import Faces
from .predictions import Predictions
from .probes import Need, Probe
from .target import Target


def missing_needs(
    probe: Probe,
    faces: Faces,
    predictions: Predictions,
    target: Target | None,
    further: Set[Need] = frozenset(),
    without_gradients: str = "",
) -> str:
    """Say why a probe cannot run on this target and these faces; an empty text when it can.

    Args:
        probe: whose needs are looked at.
        faces: the audited faces.
        predictions: the clean predictions.
        target: the model, if there is one.
        further: what the probe needs by its parameters.
        without_gradients: what to ask for instead where there are none.
    """
    needs = probe.needs | further
    if predictions.task not in probe.tasks:
        return f"it measures {' and '.join(sorted(probe.tasks))} targets, this one's task is {predictions.task}"
    if target is None and needs & {"model", "gradients", "layers", "images"}:
        return "the target is a table of predictions: there is no model to run"
    reasons = {
        "gradients": f"the target gives no gradients ({target.format if target else ''})"
        + (f"; {without_gradients}" if without_gradients else ""),
        "layers": f"the target has no layers to look into ({target.format if target else ''})",
        "labels": "the faces have no labels",
        "landmarks": "the faces have no landmarks (data.landmarks in the plan)",
    }
    given = {
        "gradients": target is not None and "gradients" in target.gives,
        "layers": target is not None and "layers" in target.gives,
        "labels": predictions.labelled,
        "landmarks": faces.landmarks_kind != "none",
    }
    return "; ".join(reasons[need] for need in reasons if need in needs and not given[need])


def not_measurable(faces: Faces, predictions: Predictions) -> list[str]:
    """Say what these data do not allow to measure."""
    told = []
    if not predictions.labelled:
        told.append("The faces have no labels: accuracy and error rates were not measured.")
    if not faces.has_subjects:
        told.append(
            "No column names the person of each face: every face was taken as another person, so intervals are too "
            "narrow if people appear more than once."
        )
    if not faces.attributes:
        told.append("No attribute of the people was given: nothing was measured by group.")
    if faces.height_width is not None and faces.landmarks_kind == "none":
        told.append("No landmarks were given: nothing was measured on the canonical face.")
    if faces.landmarks_missing:
        told.append(
            f"{faces.landmarks_missing:,} of {len(faces):,} faces have no landmarks: they were left out of what is "
            "measured on the canonical face."
        )
    if faces.aligned:
        told.append("Landmarks were not given: the crops were assumed to be aligned to the five-point template.")
    return told
