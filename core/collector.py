"""What becomes of what a probe yields: scores become measurements, tables and arrays become files."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from .faces import Faces
from .keys import format_pairs, parse_key
from .probes import ArrayOutput, JsonOutput, Note, Output, PairedScores, Scores, TableOutput
from .results import Artifact, Finding, Measurement
from .run_folder import RunFolder
from .statistics.gap_findings import gap_findings, gap_notes
from .statistics.gap_questions import OpenQuestion, close
from .statistics.slicing import Slicer


class Collector:
    """Takes what one probe yields: scores become measurements, tables and arrays become files."""

    def __init__(self, probe_id: str, faces: Faces, slicer: Slicer, folder: RunFolder | None) -> None:
        self.probe_id = probe_id
        self.faces = faces
        self.slicer = slicer
        self.folder = folder
        self.measurements: list[Measurement] = []
        self.findings: list[Finding] = []
        self.artifacts: list[Artifact] = []
        self.notes: list[str] = []
        self._parts: list[pd.DataFrame] = []
        self._keys: set[str] = set()
        self._questions: list[OpenQuestion] = []

    def take(self, output: Output) -> None:
        """Take one thing a probe yielded; raises ``TypeError`` for what a probe may not yield."""
        if isinstance(output, (Scores, PairedScores)):
            self._add(self.slicer.measure(output, self.probe_id))
            self._questions += self.slicer.ask(output, self.probe_id)
            if isinstance(output, Scores) and output.keep and self.folder is not None:
                self._parts.append(self._rows_of(output))
        elif isinstance(output, Measurement):
            self._add([output])
        elif isinstance(output, Finding):
            self.findings.append(output)
        elif isinstance(output, Note):
            self.notes.append(output.text)
        elif self.folder is None:
            return  # nowhere to put files: results are kept in memory only
        elif isinstance(output, TableOutput):
            self.artifacts.append(self.folder.write_table(self.probe_id, output.name, output.frame, output.title))
        elif isinstance(output, ArrayOutput):
            self.artifacts.append(self.folder.write_arrays(self.probe_id, output.name, output.arrays, output.title))
        elif isinstance(output, JsonOutput):
            self.artifacts.append(self.folder.write_json(self.probe_id, output.name, output.content, output.title))
        else:
            raise TypeError(f"a probe may not yield {type(output).__name__}")

    def _add(self, measurements: list[Measurement]) -> None:
        """Keep measurements; a key that stands twice would spoil the results of all probes."""
        for item in measurements:
            if item.key in self._keys or not item.key.startswith(f"{self.probe_id}/"):
                raise ValueError(f"the key {item.key} stands twice, or belongs to another probe")
            self._keys.add(item.key)
        self.measurements += measurements

    def finish(self) -> None:
        """Say which gaps hold among all that were asked, and write the per-face scores."""
        questions = close(self._questions)
        for question in questions:
            self._add(question.measurements())
        self.findings += map(self._with_reliability, gap_findings(questions))
        self.notes += gap_notes(questions)
        sliced = {name for item in self.measurements for name in (*item.slice, *_attributes(item.slice))}
        self.notes += [f"{name}: {told}." for name, told in self.faces.reliability.items() if name in sliced]
        if self.folder is not None:
            self.folder.write_scores(self.probe_id, self._parts)

    def _with_reliability(self, finding: Finding) -> Finding:
        """Add to a finding on groups derived from pictures how well another picture repeats the group."""
        grouped_by = _attributes(parse_key(finding.evidence[0]).slice) if finding.evidence else []
        told = [f"{name}: {text}." for name, text in self.faces.reliability.items() if name in grouped_by]
        return finding.model_copy(update={"caveats": [*finding.caveats, *told]}) if told else finding

    def _rows_of(self, scores: Scores) -> pd.DataFrame:
        name = scores.metric + (f"[{format_pairs(scores.slice)}]" if scores.slice else "")
        ids = self.faces.frame["face_id"].to_numpy(dtype=object)[scores.rows]
        return pd.DataFrame(
            {
                "face_id": ids,
                "probe_id": self.probe_id,
                "score": name,
                "condition": format_pairs(scores.condition),
                "value": np.asarray(scores.values, dtype=np.float64),
                "weight": 1.0 if scores.weights is None else np.asarray(scores.weights, dtype=np.float64),
            }
        )


def _attributes(slice: Mapping[str, str]) -> list[str]:
    """Return the attributes whose groups a difference is between."""
    return slice["attribute"].split("&") if "attribute" in slice else []
