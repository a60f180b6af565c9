"""Runs an audit: predictions once, then probe by probe, with seeds, timing, errors, skipping and writing."""

from __future__ import annotations

import logging
import platform
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from .batch_size import choose_batch_size
from .collector import Collector
from .errors import AuditError, ResultsError, UsageError
from .faces import Faces, decoding_workers, processors
from .files import sha256_of_file
from .foresight import prepared
from .gates import floors, judge_plan
from .judge_run import face_by_face
from .needs import missing_needs, not_measurable
from .plan_file import LoadedPlan
from .policy import policy_findings, stated_contexts
from .portraits import Portraits, compare
from .predict import Pass, cached_predict, clean_predictions, package_versions
from .predictions import Predictions, to_table
from .probes import (
    Advance,
    Probe,
    ProbeContext,
    ProbeParams,
    ProgressFactory,
    find_probe,
)
from .progress import Reporter, SilentReporter
from .publishable import without_paths
from .results import AuditResults, DataSummary, ProbeResult, Quarantined
from .results_file import load_results, write_results
from .run_folder import CARD_FILE, RunFolder
from .setup import Material, predictions_summary
from .statistics.rules import StatisticsRules
from .statistics.slicing import Slicer
from .target import Target

LOG = logging.getLogger("countenance")


@dataclass(frozen=True)
class _Ready:
    """An audit whose predictions are made: what every probe shares."""

    faces: Faces
    target: Target | None
    predictions: Predictions
    batch_size: int
    data_hash: str
    padded: int
    quarantined: tuple[Quarantined, ...]
    notes: tuple[str, ...]
    portraits: Portraits | None = None

    @property
    def pictured(self) -> Faces:
        """The faces that have pictures: the audited ones, or the single ones behind audited pairs."""
        return self.faces if self.portraits is None else self.portraits.faces


class Runner:
    """One run of one plan.

    Args:
        loaded: the checked plan.
        folder: where to write, or ``None`` to keep the results in memory only.
        cache: where predictions are kept, or ``None``.
        reporter: is told what happens.
        inputs: files to keep in the run folder as used, by name.
    """

    def __init__(
        self,
        loaded: LoadedPlan,
        folder: RunFolder | None = None,
        cache: Path | None = None,
        reporter: Reporter | None = None,
        inputs: Mapping[str, bytes] | None = None,
    ) -> None:
        self.loaded = loaded
        self.plan = loaded.plan
        self.folder = folder
        self.cache = cache
        self.reporter = reporter or SilentReporter()
        self.inputs = inputs or {}
        self.rules = StatisticsRules(min_subjects=self.plan.data.min_subjects)
        target, card = self.plan.target, self.inputs.get(CARD_FILE, b"")
        self.policy = policy_findings(target.task, target.class_names, self.plan.deployment, stated_contexts(card))
        self.baseline = load_results(loaded.path(self.plan.baseline)) if self.plan.baseline is not None else None
        self.started = datetime.now(UTC)
        self._clock = time.perf_counter()

    def run(self, load: Callable[[], Material], earlier: AuditResults | None = None) -> AuditResults:
        """Run every probe of the plan and return the results, which are also written after each probe.

        Args:
            load: gives target and faces; called with the run's thread settings in place.
            earlier: results of a broken-off run of the same plan to go on with.

        Raises:
            CountenanceError: when the audit cannot begin, or the run folder cannot be written.
            KeyboardInterrupt: after what was measured has been written.
        """
        threads = torch.get_num_threads()
        torch.set_num_threads(compute_threads())
        for finding in self.policy:
            if finding.severity == "high":
                self.reporter.message(finding.claim)  # before hours of computing, not after
        try:
            ready = self._prepare(load(), earlier)
            kept = self._kept(earlier, ready)
            if self.folder is not None:
                self.folder.begin(self.inputs, going_on=earlier is not None)
                self.folder.write_predictions(to_table(ready.predictions, ready.faces))
            results = self._results(ready, [])
            slicer = Slicer(ready.faces.subject_codes, ready.faces.groupings, self.rules, self.plan.seed)
            done: list[ProbeResult] = []
            try:
                for entry in self.plan.probes:
                    result = kept.get(entry.key)
                    if result is None:
                        result = self._run_probe(entry.key, find_probe(entry.probe), ready, slicer)
                    results = self._add(result, done, kept, ready)
                    self.reporter.finished(done[-1])
            except KeyboardInterrupt:
                self._write(self._results(ready, _standing(done, kept)))
                raise
            if self.folder is not None:
                self.folder.join_scores([entry.key for entry in self.plan.probes])
            path = self.folder.path if self.folder is not None else None
            before = self.loaded.path(self.plan.baseline) if self.plan.baseline is not None else None
            paired = face_by_face(results, self.baseline, path, before, self.plan.gates)
            gates = judge_plan(self.plan, results, self.baseline, self.started.date(), paired)
            results = results.model_copy(update={"gates": gates})
            self._write(results)
            return results
        finally:
            torch.set_num_threads(threads)

    def _prepare(self, material: Material, earlier: AuditResults | None) -> _Ready:
        material = prepared(material, self.loaded, self.rules, self.reporter, self.cache)
        if material.predictions is not None:
            path = self.loaded.path(self.plan.target.predictions or "")
            given = sha256_of_file(path) if path.is_file() else ""
            ready = _Ready(material.faces, None, material.predictions, 0, given, 0, (), material.notes)
        else:
            assert material.target is not None
            ready = self._predict(material, material.target, earlier)
        return ready

    def _add(
        self, result: ProbeResult, done: list[ProbeResult], kept: Mapping[str, ProbeResult], ready: _Ready
    ) -> AuditResults:
        """Add a probe's result and write all; one that is too large for the file fails alone."""
        done.append(result)
        try:
            results = self._results(ready, _standing(done, kept))
            self._write(results)
        except ResultsError as error:
            LOG.error("%s failed: %s", result.id, error)
            emptied: dict[str, Any] = {"measurements": [], "findings": [], "artifacts": [], "notes": []}
            done[-1] = result.model_copy(update={"status": "failed", "reason": str(error), **emptied})
            results = self._results(ready, _standing(done, kept))
            self._write(results)
        return results

    def _predict(self, material: Material, target: Target, earlier: AuditResults | None) -> _Ready:
        faces = material.faces
        asked = self.plan.run.batch_size
        if earlier is not None and asked == "auto" and earlier.target.sha256 == target.sha256:
            asked = earlier.plan.get("run", {}).get("batch_size", asked)  # rounding depends on it
        batch_size = choose_batch_size(asked, target, self.cache)
        with self.reporter.progress("predictions", "faces", len(faces)) as advance:
            found, data_hash = cached_predict(target, faces, batch_size, self.plan.seed, advance, self.cache)
        LOG.info(
            "%d faces predicted (%s), batch size %d, %d unusable images",
            len(found.rows), "kept from before" if found.reused else "run now", batch_size, len(found.faults),
        )  # fmt: skip
        usable = faces.take(found.rows)
        about: dict[str, Any] = {
            "target": target,
            "batch_size": batch_size,
            "padded": len(found.padded),
            "quarantined": tuple(_quarantined(faces, found)),
        }
        if material.pairs is not None:
            pairs = compare(usable, found.rows, found.values, material.pairs)
            return _Ready(
                faces=pairs.faces,
                predictions=pairs.predictions,
                data_hash=material.pairs.hash_with(data_hash),
                notes=(*material.notes, *pairs.notes),
                portraits=pairs.portraits,
                **about,
            )
        predictions = clean_predictions(found, target, usable)
        return _Ready(faces=usable, predictions=predictions, data_hash=data_hash, notes=material.notes, **about)

    def _kept(self, earlier: AuditResults | None, ready: _Ready) -> dict[str, ProbeResult]:
        """Return the probes of a broken-off run that need not run again, if nothing they depend on changed."""
        if earlier is None:
            return {}
        now = self._results(ready, [])
        pairs = {
            "the plan": (_lasting(earlier.plan), _lasting(now.plan)),
            "the data": (earlier.data.sha256, now.data.sha256),
            "the target": (earlier.target, now.target),
            "the versions or the machine": (earlier.tool, now.tool),
        }
        changed = [name for name, (before, after) in pairs.items() if before != after]
        if changed:
            raise UsageError(
                f"{' and '.join(changed)} changed since the run that is to be gone on with: "
                "say --overwrite to start again, or --out for another folder"
            )
        self.started = datetime.fromisoformat(earlier.started)
        return {probe.id: probe for probe in earlier.probes if self._still_holds(probe)}

    def _still_holds(self, result: ProbeResult) -> bool:
        """Tell whether an earlier result is what the plan's probe of this id would give again."""
        params = self.loaded.params.get(result.id)
        if params is None or result.status == "failed":
            return False
        probe = find_probe(next(entry.probe for entry in self.plan.probes if entry.key == result.id))
        about = _about(result.id, probe, params)
        return all(getattr(result, name) == about[name] for name in ("probe", "version", "params"))

    def _run_probe(self, probe_id: str, probe: Probe, ready: _Ready, slicer: Slicer) -> ProbeResult:
        params = self.loaded.params[probe_id]
        about = _about(probe_id, probe, params)
        missing = missing_needs(
            probe,
            ready.faces,
            ready.predictions,
            ready.target,
            params.further_needs(),
            params.without_gradients(),
        )
        if missing:
            LOG.info("%s skipped: %s", probe_id, missing)
            return ProbeResult(**about, status="skipped", reason=missing)
        LOG.info("%s starts", probe_id)
        start = time.perf_counter()
        collector = Collector(probe_id, ready.faces, slicer, self.folder)
        context = ProbeContext(
            probe_id=probe_id,
            faces=ready.faces,
            predictions=ready.predictions,
            target=ready.target,
            rules=self.rules,
            seed=self.plan.seed,
            batch_size=ready.batch_size,
            progress=_progress_of(self.reporter, probe_id),
            faces_permitted=self.plan.report.faces == "permitted",
            portraits=ready.portraits,
            floors=floors(self.plan.gates, probe_id),
        )
        failure = None
        try:
            for output in probe.function(context, params):
                collector.take(output)
            collector.finish()
        except AuditError as error:
            failure = str(error)
            LOG.error("%s failed: %s", probe_id, error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - one probe's fault must not cost the others' results
            failure = f"{type(error).__name__}: {error}"
            LOG.error("%s failed:\n%s", probe_id, traceback.format_exc())
        seconds = round(time.perf_counter() - start, 3)
        if failure is not None:
            failure = without_paths(failure, frozenset(ready.pictured.frame["path"].astype(str)) - {""})
            return ProbeResult(**about, status="failed", reason=failure, seconds=seconds)
        LOG.info("%s took %.1f s", probe_id, seconds)
        return ProbeResult(
            **about,
            status="ok",
            seconds=seconds,
            notes=collector.notes,
            measurements=collector.measurements,
            findings=collector.findings,
            artifacts=collector.artifacts,
        )

    def _results(self, ready: _Ready, probes: list[ProbeResult]) -> AuditResults:
        resolved = self.plan.model_dump(mode="json")
        resolved["run"]["batch_size"] = ready.batch_size or self.plan.run.batch_size
        resolved["run"]["workers"] = decoding_workers(self.plan.run.workers)
        for entry, written in zip(self.plan.probes, resolved["probes"], strict=True):
            written.update(id=entry.key, **self.loaded.params[entry.key].model_dump(mode="json"))
        device = str(ready.target.device) if ready.target else "none"
        resolved["run"]["device"] = device
        target = ready.target.summary() if ready.target else predictions_summary(self.plan, ready.data_hash)
        versions = package_versions()
        tool = {
            **versions,
            "python": platform.python_version(),
            "device": device,
            "threads": str(compute_threads()),
            "machine": platform.machine(),
        }
        return AuditResults(
            name=self.plan.name,
            tool=tool,
            started=self.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
            seconds=round(time.perf_counter() - self._clock, 3),
            target=target,
            data=self._data_summary(ready),
            plan=resolved,
            probes=list(probes),
            policy=list(self.policy),
        )

    def _data_summary(self, ready: _Ready) -> DataSummary:
        faces = ready.faces
        data = self.plan.data
        labels = faces.frame["label"].dropna().value_counts().to_dict()
        source = self.loaded.path(data.manifest or self.plan.target.predictions or "")
        name = data.name or source.resolve().parent.name
        return DataSummary(
            name=name,
            faces=len(faces),
            subjects=faces.people if faces.has_subjects else None,
            sha256=ready.data_hash,
            labels={str(label): int(count) for label, count in sorted(labels.items())},
            attributes=faces.summaries(),
            intersections=[list(names) for names in faces.intersections],
            landmarks=ready.pictured.landmarks_kind,
            boxes_padded=ready.padded,
            quarantined=list(ready.quarantined),
            not_measured=not_measurable(faces, ready.predictions),
            notes=list(ready.notes),
        )

    def _write(self, results: AuditResults) -> None:
        if self.folder is not None:
            write_results(results, self.folder.path)


def compute_threads() -> int:
    """Return how many threads the model computes with.

    One fewer than the processors this process may use, which decode images meanwhile, and never more than torch was
    told to use (``OMP_NUM_THREADS``, ``torch.set_num_threads``).
    """
    return max(1, min(torch.get_num_threads(), processors() - 1))


def _standing(done: list[ProbeResult], kept: Mapping[str, ProbeResult]) -> list[ProbeResult]:
    """Return what is measured so far: what this run did, and what it will take over from the one it goes on with."""
    ended = {result.id for result in done}
    return [*done, *(result for probe_id, result in kept.items() if probe_id not in ended)]


def _lasting(plan: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a resolved plan on which every measurement depends; probes are compared one by one."""
    judged_after = {"name", "probes", "gates", "waivers", "baseline", "deployment", "card", "report"}
    return {name: part for name, part in plan.items() if name not in judged_after}


def _progress_of(reporter: Reporter, title: str) -> ProgressFactory:
    def open_bar(unit: str, total: int) -> AbstractContextManager[Advance]:
        return reporter.progress(title, unit, total)

    return open_bar


def _about(probe_id: str, probe: Probe, params: ProbeParams) -> dict[str, Any]:
    written = params.model_dump(mode="json")
    digest = params.digest_of_files()
    if digest:
        written["files_sha256"] = digest
    return {
        "id": probe_id,
        "probe": probe.name,
        "version": probe.version,
        "title": probe.title,
        "pillar": probe.pillar,
        "shows": probe.shows,
        "hides": probe.hides,
        "citation": probe.citation,
        "params": written,
    }


def _quarantined(faces: Faces, found: Pass) -> Iterable[Quarantined]:
    for row, reason in sorted(found.faults.items()):
        number = int(faces.rows_of_source[row]) + 1
        yield Quarantined(row=number, face_id=str(faces.frame["face_id"].iat[row]), reason=reason)
