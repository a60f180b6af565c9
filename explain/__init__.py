"""Where a model's evidence lies: canonical face, masks, attribution, alignment scores and their probes."""
