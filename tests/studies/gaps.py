"""Does external testing find what a phantom planted, and no more? ``make study`` prints the tables.

Small networks at 64 px, five seeds; a seed draws the patients, the initial weights and the order. Everything goes
through build-dataset, train and evaluate, as a user's work does. Numbers are means over seeds with 95 % t intervals.
What was measured stays in ``study/gaps.csv``; a seed that is there already is not trained again.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from cxrshort.stats.auc import auc
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.evaluate import evaluate
from cxrshort.verbs.train import train

SIZE, EPOCHS = 64, 10
CPU: dict[str, Any] = {"device": "cpu", "threads": 1, "force": True}
COVID = "COVID-19"


def learn(data: Path, out: Path, *, seed: int, **overrides: Any) -> Path:
    """Train the small network for COVID-19 alone and return its folder."""
    usual = {"epochs": EPOCHS, "batch_size": 64, "labels": COVID, "select_label": None}
    train(str(data), arch="small-cnn", overrides={**usual, **overrides}, seed=seed, out=out, **CPU)
    return out


def predictions(model: Path, data: Path, *, split: str = "all") -> pd.DataFrame:
    """Return what a model says of a dataset."""
    out = model.parent / "results"
    evaluate([model], dataset=[str(data)], split=split, out=out, **CPU)
    return pd.read_csv(out / "predictions.csv")


def label_auc(table: pd.DataFrame, label: str = COVID) -> float:
    """Return the AUC of one label."""
    actual = auc(table[f"target.{label}"].to_numpy(), table[f"logit.{label}"].to_numpy())
    return np.nan if actual is None else float(actual)


def draw(home: Path, name: str, *, images: int, seed: int, confounding: float | None = None) -> Path:
    """Draw a phantom dataset."""
    out = home / f"{name}-{seed}-{confounding}"
    build_dataset(
        name, out=out, number_of_images=images, size=SIZE, replicates=1, seed=seed, confounding=confounding, force=True
    )
    return out


def gaps(home: Path, seed: int) -> Iterator[tuple[str, str, float]]:
    """Train inside phantom-I and inside phantom-III, and test inside and outside."""
    external = draw(home, "phantom-external", images=1500, seed=1000 + seed)
    deceiving = draw(home, "phantom-deceiving", images=4000, seed=seed)
    for name in ("phantom-I", "phantom-III"):
        data = draw(home, name, images=4000, seed=seed)
        model = learn(data, home / "model", seed=seed)
        inside = label_auc(predictions(model, data, split="test"))
        outside = label_auc(predictions(model, external))
        yield name, "AUC inside", inside
        yield name, "AUC outside", outside
        yield name, "gap", inside - outside
        if name == "phantom-I":  # the persons of its own test fold, in the other class's style
            yield name, "AUC, styles exchanged", label_auc(predictions(model, deceiving, split="test"))
    for label in ("sex", "view"):
        probe = learn(data, home / "probe", seed=seed, labels=label)
        yield f"probe: {label}", "AUC inside", label_auc(predictions(probe, data, split="test"), label)
        yield f"probe: {label}", "AUC outside", label_auc(predictions(probe, external), label)


def interval(values: "pd.Series[float]") -> str:
    """Return the mean over seeds with its 95 % interval."""
    mean, count = values.mean(), len(values)
    if count < 2:
        return f"{mean:.3f}"
    half = float(student.ppf(0.975, count - 1)) * values.std(ddof=1) / count**0.5
    return f"{mean:.3f} [{mean - half:.3f}, {mean + half:.3f}]"


def show(measured: pd.DataFrame) -> None:
    """Print the table."""
    table = measured.groupby(["what", "measure"], sort=False)["value"].apply(interval).unstack(sort=False)
    sys.stdout.write(f"\n{measured['seed'].nunique()} seeds\n{table.to_string()}\n")


def main() -> None:
    """Measure what is missing, and print all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("study"))
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / "gaps.csv"
    measured = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=["seed", "what", "measure", "value"])
    for seed in set(range(arguments.seeds)) - set(measured["seed"]):
        home, started = arguments.out / f"gaps-{seed}", time.monotonic()
        rows = [(seed, *row) for row in gaps(home, seed)]
        measured = pd.concat([measured, pd.DataFrame(rows, columns=list(measured))], ignore_index=True)
        measured.to_csv(file, index=False)
        shutil.rmtree(home)
        sys.stderr.write(f"seed {seed}: {time.monotonic() - started:.0f} s\n")
    show(measured)


if __name__ == "__main__":
    main()
