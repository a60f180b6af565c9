"""Looking for the trigger of a backdoor in one checkpoint, beside clean nets of the same recipe."""
