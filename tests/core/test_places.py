from __future__ import annotations

import pytest
import yaml

from countenance.core.places import YamlDocument, read_yaml

TEXT = """\
name: x
target:
  classes: [a, b]

probes:
  - performance
  - probe: pgd
    eps:
      - 1
      - 2
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 1),
        (("target", "classes"), 3),
        (("target", "classes", 1), 3),
        (("probes",), 5),
        (("probes", 0), 6),
        (("probes", 1, "probe"), 7),
        (("probes", 1, "eps"), 8),
        (("probes", 1, "eps", 1), 10),
    ],
)
def test_every_value_has_the_line_of_its_key(path: tuple[str | int, ...], line: int) -> None:
    document = read_yaml(TEXT)
    assert document.place(path) == f"line {line} ({'.'.join(map(str, path))})"


def test_a_value_that_is_not_written_is_placed_at_the_nearest_that_is() -> None:
    assert read_yaml(TEXT).place(("probes", 1, "steps", 3)) == "line 7 (probes.1.steps.3)"
    assert read_yaml(TEXT).place(()) == "line 1 (the whole file)"


def test_without_a_text_there_is_no_line() -> None:
    assert YamlDocument({"target": 1}).place(("target", "classes")) == "target.classes"


def test_a_key_that_stands_twice_is_a_fault_at_any_depth() -> None:
    document = read_yaml("a: 1\nb:\n  - {c: 1,\n     c: 2}\na: 3\n")
    assert document.faults == ["line 4: the key 'c' stands twice", "line 5: the key 'a' stands twice"]


def test_aliases_neither_hang_nor_recurse() -> None:
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    place = read_yaml("\n".join(layers)).place(("a29", 0, 3))
    assert place == "line 30 (a29.0.3)"
    place = read_yaml("a: &a [*a]").place(("a", 0, 0))
    assert place == "line 1 (a.0.0)"


@pytest.mark.parametrize("text", ["a: [1", "a:\n\t- b", "a: !!python/object/apply:os.system [true]", "a: 1\n---\nb: 2"])
def test_what_is_no_yaml_or_would_run_code_raises(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        read_yaml(text)


def test_an_empty_text_is_nothing() -> None:
    assert read_yaml("").content is None
    assert read_yaml("# only a remark\n").content is None
