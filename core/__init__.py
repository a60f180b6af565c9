"""Records, targets, faces, predictions, statistics, plan, runner, gates and comparison."""
