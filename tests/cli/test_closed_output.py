"""Whoever reads the output may stop reading; a net may try to leave Python: neither is a verdict on the model."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from countenance.core.results_file import load_results


def test_a_closed_output_does_not_end_the_audit(study: Any) -> None:
    study.plan["gates"] = [{"measure": "performance/accuracy", "at_least": 0.0}]
    study.write_plan()
    command = [sys.executable, "-m", "countenance.cli", "run", str(study.plan_file), "--out", "run", "--no-report"]
    process = subprocess.Popen(command, cwd=study.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    process.communicate()
    assert process.returncode == 0
    assert load_results(study.folder / "run").gates
