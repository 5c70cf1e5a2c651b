"""Predictions with groups, for the tests of subgroups and slices."""

from pathlib import Path

import numpy as np
import pandas as pd

from ...stats.planted_errors import simulate
from .scored import written


def grouped_predictions(
    images: int = 480, *, labels: tuple[str, ...] = ("Edema", "Mass"), seed: int = 0
) -> pd.DataFrame:
    """Return predictions of two images a person; the first label is missed in women from 60 on."""
    rng = np.random.default_rng(seed)
    person = np.arange(images) // 2
    sex = np.where(rng.random(images // 2) < 0.5, "F", "M")[person]
    age = rng.integers(20, 90, images // 2)[person]
    columns = {
        "model": "runs/0",
        "model_id": "m0",
        "training": "a/small-cnn/erm",
        "training_id": "t",
        "dataset": "hospital-b",
        "dataset_id": "idb",
        "replicate": 0,
        "role": "external",
        "image_id": [f"b/{number}" for number in range(images)],
        "person_id": [f"b:{number}" for number in person],
        "repository": np.where(person % 3 == 0, "nih", "padchest"),
        "view": np.where(rng.random(images) < 0.4, "AP", "PA"),
        "sex": np.where(person % 40 == 0, "", sex),
        "age_years": age,
        "manufacturer": np.where(person < 3, "Agfa", "GE"),
        "split": "test",
    }
    for label in labels:
        truth = (rng.random(images // 2) < 0.4)[person]
        seen = truth & ~((sex == "F") & (age >= 60) & (label == labels[0]))
        columns[f"target.{label}"] = truth.astype(float)
        columns[f"logit.{label}"] = 2.5 * seen + rng.normal(size=images) - 1.2
    return pd.DataFrame(columns)


def sliced_predictions(
    folder: Path, *, planted: float = 0.7, seed: int = 0, images: int = 1600
) -> tuple[Path, np.ndarray]:
    """Write predictions with features beside them, and return the folder and who is of the planted cluster."""
    made, member = simulate(seed, planted=planted, images=images)
    rng, count = np.random.default_rng(seed), len(member)
    probabilities = np.clip(made.probabilities, 1e-12, 1 - 1e-12)
    table = pd.DataFrame(
        {
            "model": "runs/0",
            "model_id": "m0",
            "training": "a/small-cnn/erm",
            "training_id": "t",
            "dataset": "tiny",
            "dataset_id": "idb",
            "replicate": 0,
            "role": "external",
            "image_id": [f"tiny/{number}" for number in range(count)],
            "person_id": [f"tiny/P{number}" for number in made.codes],
            "view": np.where(rng.random(count) < np.where(member, 0.95, 0.2), "AP", "PA"),
            "target.Edema": made.positive.astype(float),
            "logit.Edema": np.log(probabilities / (1 - probabilities)),
        }
    )
    folder.mkdir(exist_ok=True)
    written(table, folder)
    np.save(folder / "features.npy", made.embeddings)
    names = ["model", "model_id", "dataset", "dataset_id", "image_id"]
    written(table[names].assign(file="features.npy", row=range(count)), folder, "features.csv")
    return folder, member
