"""What the probe ``uncertain_attributes`` is made of: who is in which group, rates of true groups, what is told."""
