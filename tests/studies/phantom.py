"""Does each way to learn do on phantoms, where the truth is known, what it is for? ``make study`` prints the tables.

Small networks at 64 px, five seeds; a seed draws the patients, the initial weights and the order. Everything goes
through build-dataset, train and evaluate, as a user's work does. Numbers are means over seeds with 95 % t intervals.
What was measured stays in ``study/study.csv``; a seed that is there already is not trained again.
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
import torch
from scipy.stats import t as student

from cxrshort import dataset as datasets
from cxrshort.attribution import grad_cam, lrp
from cxrshort.models import checkpoint, factory
from cxrshort.stats.auc import auc
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.evaluate import evaluate
from cxrshort.verbs.train import train

SIZE, EPOCHS = 64, 10
STRENGTHS = (0.8, 0.95)
SITES = "repository"
CELLS = "repository,COVID-19"
AGREE = "(repository == 'site-b' and COVID-19 == 1) or (repository == 'site-a' and COVID-19 == 0)"
GROUPWISE = {
    "erm": ("erm", ""),
    "group-dro, hospital x diagnosis": ("group-dro", CELLS),
    "pgi, hospital": ("pgi", SITES),
    "irm, hospital": ("irm", SITES),
    "irm, agrees with the shortcut or not": ("irm", AGREE),
}
MASKED = {"erm": "", "rrr": "", "gain": "", "isnet": "plain_epochs=2"}
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
    found = auc(table[f"target.{label}"].to_numpy(), table[f"logit.{label}"].to_numpy())
    return np.nan if found is None else float(found)


def worst_group_error(table: pd.DataFrame) -> float:
    """Return the highest error over hospital and diagnosis, at a probability of one half."""
    sick = table[f"target.{COVID}"] == 1
    wrong = (table[f"logit.{COVID}"] > 0) != sick
    return float(wrong.groupby([table["repository"], sick]).mean().max())


def share_in_lungs(model: Path, data: Path, *, maps: str, images: int = 200) -> float:
    """Return the mean share of the absolute map that lies in the lungs, 0 to 1."""
    network, _ = factory.load(model / checkpoint.FILE)
    loaded = datasets.load(str(data))
    rows = np.arange(images)
    given = torch.from_numpy(loaded.pixels.take(rows)[:, None].astype(np.float32) / 255)
    if maps == "lrp":
        found = lrp.relevance(network, given)
    else:  # of what the model calls: the evidence for its answer
        with torch.no_grad():
            signs = network(given)[:, 0].sign()
        found = grad_cam.explain(network, given, outputs=torch.zeros(images, dtype=torch.int64), signs=signs).maps
    size = found.detach().abs()[:, 0]
    lungs = torch.from_numpy(loaded.masks.take(rows) & 1)  # type: ignore[union-attr]
    return float(((size * lungs).sum((1, 2)) / size.sum((1, 2)).clamp(min=1e-12)).mean())


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


def groupwise(home: Path, seed: int) -> Iterator[tuple[str, str, float]]:
    """Train where hospital and diagnosis go together often, and test where they do not."""
    fair = draw(home, "phantom-I", images=1500, seed=3000 + seed, confounding=0.0)
    for strength in STRENGTHS:
        data = draw(home, "phantom-I", images=4000, seed=seed, confounding=strength)
        for name, (method, group) in GROUPWISE.items():
            # The last epoch: the validation fold is confounded as the training fold is, and would choose the shortcut.
            model = learn(data, home / "model", seed=seed, method=method, group=group or None, selection="last")
            table = predictions(model, fair)
            yield f"{name} @ {strength}", "worst-group error", worst_group_error(table)
            yield f"{name} @ {strength}", "AUC, fair", label_auc(table)


def masked(home: Path, seed: int) -> Iterator[tuple[str, str, float]]:
    """Train with masks of the lungs, and look where the evidence lies."""
    fair = draw(home, "phantom-I", images=1500, seed=3000 + seed, confounding=0.0)
    data = draw(home, "phantom-I", images=4000, seed=seed, confounding=STRENGTHS[0])
    for method, settings in MASKED.items():
        clip = None if method == "erm" else 1.0
        model = learn(
            data, home / "model", seed=seed, method=method, settings=settings or None, clip_norm=clip, selection="last"
        )
        yield method, "LRP in the lungs", share_in_lungs(model, fair, maps="lrp")
        yield method, "Grad-CAM in the lungs", share_in_lungs(model, fair, maps="grad-cam")
        table = predictions(model, fair)
        yield method, "worst-group error", worst_group_error(table)
        yield method, "AUC, fair", label_auc(table)


PARTS = {"gaps": gaps, "groupwise": groupwise, "masked": masked}


def interval(values: "pd.Series[float]") -> str:
    """Return the mean over seeds with its 95 % interval."""
    mean, count = values.mean(), len(values)
    if count < 2:
        return f"{mean:.3f}"
    half = float(student.ppf(0.975, count - 1)) * values.std(ddof=1) / count**0.5
    return f"{mean:.3f} [{mean - half:.3f}, {mean + half:.3f}]"


def show(measured: pd.DataFrame) -> None:
    """Print one table per part."""
    for part, rows in measured.groupby("part", sort=False):
        table = rows.groupby(["what", "measure"], sort=False)["value"].apply(interval).unstack(sort=False)
        sys.stdout.write(f"\n{part}, {rows['seed'].nunique()} seeds\n{table.to_string()}\n")


def main() -> None:
    """Measure what is missing, and print all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("study"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / "study.csv"
    measured = (
        pd.read_csv(file) if file.exists() else pd.DataFrame(columns=["part", "seed", "what", "measure", "value"])
    )
    for part in given.parts:
        for seed in range(given.seeds):
            if len(measured[(measured["part"] == part) & (measured["seed"] == seed)]):
                continue
            home, started = given.out / f"{part}-{seed}", time.monotonic()
            rows = [(part, seed, *each) for each in PARTS[part](home, seed)]
            measured = pd.concat([measured, pd.DataFrame(rows, columns=list(measured))], ignore_index=True)
            measured.to_csv(file, index=False)
            shutil.rmtree(home)
            sys.stderr.write(f"{part}, seed {seed}: {time.monotonic() - started:.0f} s\n")
    show(measured)


if __name__ == "__main__":
    main()
