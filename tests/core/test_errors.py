from __future__ import annotations

import pytest

from countenance.core import errors
from countenance.core.errors import CountenanceError, MissingExtraError, PlanError, Problems, nearest


def test_nearest_names_the_likest_and_nothing_when_none_is_like() -> None:
    assert nearest("performence", ["performance", "group_metrics"]) == "; did you mean 'performance'?"
    assert nearest("zzz", ["performance"]) == ""
    assert nearest("x", []) == ""


def test_problems_are_raised_together_and_counted() -> None:
    problems = Problems("audit.yaml")
    problems.raise_as(PlanError)
    problems.add("first")
    with pytest.raises(PlanError, match=r"audit.yaml: 1 problem\n  - first$"):
        problems.raise_as(PlanError)
    problems.add("second")
    with pytest.raises(PlanError, match="2 problems\n  - first\n  - second"):
        problems.raise_as(PlanError)


def test_every_error_of_the_user_has_exit_code_2_but_an_audit_that_broke_off_3() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CountenanceError)]
    assert len(kinds) > 6
    assert {kind.__name__ for kind in kinds if kind.exit_code != 2} == {"AuditError"}
    assert errors.AuditError.exit_code == 3


def test_a_missing_package_names_its_install_line() -> None:
    assert 'pip install "countenance[onnx]"' in str(MissingExtraError("onnxruntime", "onnx", "An .onnx checkpoint"))
