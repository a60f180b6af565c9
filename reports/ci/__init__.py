"""What an audit tells continuous integration: JUnit, SARIF, code quality, step summary and annotations."""

from .places import PlanPlaces
from .writing import CiFiles, tell_runner, write_ci_files

__all__ = ["CiFiles", "PlanPlaces", "tell_runner", "write_ci_files"]
