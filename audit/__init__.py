"""The probes that measure performance, fairness and robustness; importing this package registers them."""
