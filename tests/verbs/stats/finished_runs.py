"""Run folders as evaluate, explain, swap-test and train leave them, for the tests of statistics of runs."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

START = datetime(2026, 3, 1, 10, tzinfo=UTC)


def finished(folder: Path, verb: str, *, day: int = 0, minutes: float = 10, **record: Any) -> Path:
    """Write a run.json and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    begun = START + timedelta(days=day)
    times = {"started": begun.isoformat(), "ended": (begun + timedelta(minutes=minutes)).isoformat()}
    facts = {"verb": verb, "state": "done", "arguments": {}, "summary": {}, "inputs": {}, **times, **record}
    (folder / "run.json").write_text(json.dumps(facts))
    return folder


def scores(
    model: int, *, replicate: int = 0, images: int = 120, dataset: str = "I", skill: float = 1.2
) -> pd.DataFrame:
    """Return one model's predictions on one test fold; models share most of their errors."""
    targets = (np.arange(images) % 4 == 0).astype(float)
    common = np.random.default_rng(99).normal(size=images)
    own = np.random.default_rng(model).normal(size=images)
    names = [f"{dataset}/{number}" for number in range(images)]
    facts = {"model": f"runs/{model}", "model_id": f"m{model}", "training": f"t{model}", "training_id": f"t{model}"}
    facts |= {"dataset": dataset, "dataset_id": f"id-{dataset}", "role": "internal"}
    columns = {"replicate": replicate, "image_id": names, "person_id": names, "target.Edema": targets}
    return pd.DataFrame({**facts, **columns, "logit.Edema": skill * targets + common + 0.7 * own})


def evaluation(folder: Path, *tables: pd.DataFrame, day: int = 0, split: str = "test", **record: Any) -> Path:
    """Write the run folder of an evaluation and return it."""
    made = finished(folder, "evaluate", day=day, arguments={"split": split}, summary={"label": "Edema"}, **record)
    pd.concat(tables).to_csv(made / "predictions.csv", index=False)
    return made
