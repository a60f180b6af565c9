"""Run the probe on a table of 60 people."""

import confident  # importing it registers it; an installed package names it as an entry point instead
import numpy as np
import pandas as pd

import countenance

assert confident.confident
random = np.random.default_rng(3)
happy = random.random(60)
frame = pd.DataFrame(
    {
        "face_id": [f"face{place}" for place in range(60)],
        "subject": [f"person{place}" for place in range(60)],
        "label": np.where(happy > 0.5, "happy", "neutral"),
        "p_neutral": 1 - happy,
        "p_happy": happy,
        "glasses": ["yes", "no"] * 30,
    }
)
frame.to_csv("predictions.csv", index=False)
results = countenance.run("sure.yaml", out="runs/sure")
print(results["confident/sure"].estimate)
print(results["confident/sure[glasses=yes]"].estimate)
