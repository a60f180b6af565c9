"""Read what was measured."""

import countenance

results = countenance.load_results("runs/audit")
accuracy = results["performance/accuracy"].estimate
print(f"accuracy {accuracy.value:.3f} [{accuracy.low:.3f}, {accuracy.high:.3f}], {accuracy.subjects} people")
for finding in results.findings()[:3]:
    print(f"{finding.severity}: {finding.id}")
