"""The triggers that the literature on backdoors names, as marks that can be put on any face."""
