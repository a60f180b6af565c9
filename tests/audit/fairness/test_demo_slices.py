"""The demonstration's trained nets: the planted faults are among the slices nobody named, and absent in the twin."""

from __future__ import annotations

import pytest
import yaml

import countenance
from countenance.synth.demo import prepare_demo

HAPPY, ANGRY = "labelled happy with skin_tone: dark", "labelled angry with tag: no"


@pytest.mark.slow
def test_faults_of_the_flawed_net_are_found_and_its_twin_has_none(tmp_path):
    plans = prepare_demo(tmp_path)
    claims = {}
    for file in (plans.flawed, plans.twin):
        plan = {**yaml.safe_load(file.read_text()), "gates": [], "probes": ["hidden_slices"]}
        plan["data"]["intersections"] = []
        name = file.with_name(f"slices_{file.name}")
        name.write_text(yaml.safe_dump(plan))
        results = countenance.run(name)
        claims[file.stem] = [one.claim for one in results.findings()]
        print(file.stem, *claims[file.stem], *results.probes[0].notes, sep="\n  ")
    assert any(HAPPY in claim for claim in claims["flawed"])
    assert any(ANGRY in claim for claim in claims["flawed"])
    assert not any(HAPPY in claim or ANGRY in claim for claim in claims["twin"])
