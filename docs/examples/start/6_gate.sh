countenance gate runs/audit --plan 5_gates.yaml  # exit 1
