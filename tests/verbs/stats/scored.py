"""Tables of scores for the tests of statistics."""

from pathlib import Path

import numpy as np
import pandas as pd


def predictions(images: int = 60, *, replicates: int = 1, seed: int = 0) -> pd.DataFrame:
    """Return the predictions of models of one training, inside and outside, for two labels; two images a person.

    Bedside views are rare inside and frequent outside, and positives more often have them inside.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for dataset, role in (("hospital-a", "internal"), ("hospital-b", "external")):
        targets = (np.arange(images) // 2) % 3 == 0
        bedside = rng.random(images) < np.where(targets, 0.6, 0.3 if role == "internal" else 0.6)
        for replicate in range(replicates):
            part = {
                "model": f"runs/{replicate}",
                "model_id": f"m{replicate}",
                "training": "a/small-cnn/erm",
                "training_id": "t",
                "dataset": dataset,
                "dataset_id": f"id-{dataset}",
                "replicate": replicate,
                "role": role,
                "image_id": [f"{dataset}/{number}" for number in range(images)],
                "person_id": [f"{dataset}:{number // 2}" for number in range(images)],
                "view": np.where(bedside, "AP", "PA"),
                "target.Edema": targets.astype(float),
                "logit.Edema": 1.2 * targets + 0.8 * bedside + rng.normal(size=images),
                "target.COVID-19": np.roll(targets, 2).astype(float),
                "logit.COVID-19": rng.normal(size=images),
            }
            parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


def written(table: pd.DataFrame, folder: Path, name: str = "predictions.csv") -> Path:
    """Return the file that the table was written to."""
    table.to_csv(folder / name, index=False)
    return folder / name


def plain(folder: Path, **columns: object) -> Path:
    """Return a table of somebody else's scores: twelve rows of six patients, of both classes and views."""
    rows = {
        "label": [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1],
        "score": [0.1, 0.2, 0.3, 0.35, 0.5, 0.55, 0.4, 0.6, 0.7, 0.25, 0.8, 0.9],
        "patient": ["a", "a", "b", "b", "c", "d", "e", "e", "f", "g", "h", "h"],
        "view": ["PA", "AP"] * 6,
    }
    return written(pd.DataFrame(rows | columns), folder, "scores.csv")


def two_trainings(images: int = 60, *, replicates: int = 1) -> pd.DataFrame:
    """Return the predictions of two trainings on the same images, the second one better at Edema."""
    before, after = (predictions(images, replicates=replicates, seed=seed) for seed in (1, 2))
    after = after.assign(training="b/small-cnn/tea", training_id="u", model_id="n" + after["model_id"])
    after["view"] = before["view"]
    after["logit.Edema"] += 0.8 * after["target.Edema"]
    return pd.concat([before, after], ignore_index=True)
