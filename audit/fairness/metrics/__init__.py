"""What ``group_metrics`` measures, one catalogue for each task."""
