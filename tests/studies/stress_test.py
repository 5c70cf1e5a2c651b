"""Does the stress test find findings that a model takes for others, and leave clean models alone?

The phantom draws films in which two findings come together (``--comorbidity``) at several strengths, or none do, and
small networks learn six findings of them. Healthy persons of their test folds are then drawn again with one finding
more: exact edits, which bring nothing else along. A clean model may confuse findings that look alike, which is why
:data:`cxrshort.stats.verdicts.RULES` has a margin: it is what clean models stay below. A planted pair may be taken for
one another in both directions; more than that is a false accusation.

A network has to know the findings: after 10 epochs of 3,000 films at a rate of 1e-3 (AUC 0.56) each output rises with
any large shadow, and cardiomegaly is taken for edema by 29 points; after 40 at 3e-3 (AUC 0.76 of cardiomegaly, edema
and effusion, 0.5 of the others) by 18. Audit models that are better than that.

Four cohorts per condition, several trainings each. ``python tests/studies/stress_test.py --out stress`` does what is
missing and prints the tables; ``--seconds S`` begins nothing new after so long.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta

from cxrshort import runs
from cxrshort.dataset import load_dataset
from cxrshort.datasets.building.edits import edited_rows, of_edits
from cxrshort.datasets.building.writing import DatasetSettings, write_dataset
from cxrshort.datasets.phantom.drawing import draw_phantom
from cxrshort.datasets.phantom.parameters import Phantom, with_finding
from cxrshort.stats.verdicts import RULES, SHORTCUT, SUSPICIOUS
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.evaluate import evaluate
from cxrshort.verbs.roentmod.stress_test import stress_test
from cxrshort.verbs.train import train

FINDINGS = ("Cardiomegaly", "Edema", "Effusion", "Pneumonia", "Hernia", "Mass")
PAIR = ("Edema", "Effusion")
STRENGTHS = (0.7, 0.4)
"""Correlations of the planted pair; the prevalences allow 0.799."""
COHORTS, SIZE, SEVERITY, SHAM = 4, 64, 0.7, "sham"
RULE = RULES["roentmod-stress-test"]
RECIPE = {
    "batch_size": 64, "labels": ",".join(FINDINGS), "select_label": None, "selection": "last", "clip_norm": 1.0,
    "epochs": 40, "learning_rate": 3e-3,
}  # fmt: skip


@dataclass(frozen=True)
class Condition:
    """Say what a model was trained on: the correlation of the pair (0 for clean models), and its number."""

    strength: float
    number: int

    @property
    def cohort(self) -> int:
        """Return the number of the cohort that it was trained on."""
        return self.number % COHORTS


def draw(home: Path, condition: Condition, *, films: int, persons: int) -> tuple[Path, Path]:
    """Draw the films of a condition and the edits of healthy persons of its test fold, once."""
    out = home / f"films-{condition.strength:g}-{condition.cohort}"
    if not (out / "run.json").exists():
        planted = (f"{PAIR[0]},{PAIR[1]}={condition.strength:g}",) if condition.strength else ()
        build_dataset(
            "phantom-III",
            out=out,
            number_of_images=films,
            size=SIZE,
            replicates=1,
            seed=200 + condition.cohort,
            confounding=0.0,
            comorbidities=planted,
            jobs=1,
            force=True,
        )
    edits = home / f"edits-{condition.strength:g}-{condition.cohort}"
    if not (edits / "run.json").exists():
        write_edits(out, edits, persons=persons)
    return out, edits


def write_edits(films: Path, out: Path, *, persons: int) -> None:
    """Draw healthy persons of a test fold again with each finding, and once more as they are."""
    data = load_dataset(str(films))
    phantoms = {}
    for line in (films / "phantoms.jsonl").read_text().splitlines():
        phantom = Phantom.from_json(line)
        phantoms[phantom.phantom_id] = phantom
    manifest = data.manifest
    healthy = (manifest["split_0"] == "test") & manifest["image_id"].map(lambda name: not phantoms[name].findings)
    places = manifest.index[healthy & ~manifest["person_id"].where(healthy).duplicated()][:persons].tolist()
    names = [*FINDINGS, SHAM]
    rows = edited_rows(manifest, [place for place in places for _ in names], names * len(places))
    for name in FINDINGS:
        rows[name] = (rows["edit"] == name).astype(np.float32)

    def redraw(sources: np.ndarray, chosen: pd.DataFrame) -> list[np.ndarray]:
        pictures = []
        for source, edit in zip(chosen["source_image_id"], chosen["edit"], strict=True):
            phantom = phantoms[source] if edit == SHAM else with_finding(phantoms[source], edit, SEVERITY)
            pictures.append(draw_phantom(phantom, size=SIZE).pixels)
        return pictures

    with runs.open_run(out, "edit", arguments={}, force=True) as run:
        candidates = of_edits(data, rows, redraw, settings=f"findings at {SEVERITY}", carry=False)
        write_dataset(run, *candidates, settings=DatasetSettings(out.name, data.recipe))


def judge(home: Path, condition: Condition, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Train and test one model, and return a row per off-target cell."""
    films, edits = draw(home, condition, films=arguments.films, persons=arguments.persons)
    model = home / f"model-{condition.strength:g}-{condition.number}"
    options: dict[str, Any] = {"device": "cpu", "precision": "fp32", "threads": 1}
    if not (model / "run.json").exists():
        train(
            str(films),
            arch="small-cnn",
            overrides=RECIPE,
            seed=condition.number,
            out=model,
            force=True,
            **options,
        )
    evaluate([model], dataset=[str(films)], out=home / "auc", force=True, **options)
    aucs = [row["auc"] for row in pd.read_csv(home / "auc" / "aucs.csv").to_dict(orient="records")]
    result = stress_test(
        [model],
        before=str(films),
        after=str(edits),
        expected="targets",
        out=home / f"test-{condition.strength:g}-{condition.number}",
        force=True,
        **options,
    )
    on_target = [row["change"] for row in result.summary["cells"] if row["on_target"]]
    facts = {"strength": condition.strength, "number": condition.number, "auc": float(np.mean(aucs))}
    facts |= {"on_target": float(np.median(on_target))}
    kept = ("added", "predicted", "verdict", "effect", "low", "high", "p", "smallest_effect")
    return [{**facts, **{name: row[name] for name in kept}} for row in result.summary["findings"]]


def say(text: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")


def report(cells: pd.DataFrame) -> None:
    """Print how many models are accused rightly and wrongly, with limits."""
    planted = cells["added"].isin(PAIR) & cells["predicted"].isin(PAIR) & (cells["strength"] > 0)
    for strength, part in cells.groupby("strength"):
        models = part["number"].nunique()
        say(f"correlation {strength:g}: {models} models, AUC {part['auc'].mean():.2f}, "
              f"on-target change {part['on_target'].mean():.0f} points")  # fmt: skip
        others = part[~planted[part.index]]
        for word in (SHORTCUT, SUSPICIOUS):
            accused = others[others["verdict"] == word]
            say(f"  other cells called {word}: {len(accused)} of {len(others)}, in {accused['number'].nunique()} "
                  f"models {_limits(accused['number'].nunique(), models)}")  # fmt: skip
        say(f"  largest excess elsewhere {others['effect'].max():.1f}, lowest {others['effect'].min():.1f}")
        pair = part[planted[part.index]]
        for added, of_added in pair.groupby("added"):
            called = int((of_added["verdict"] == SHORTCUT).sum())
            say(f"  {added} taken for the other: {called} of {models} {_limits(called, models)}, excess "
                  f"{of_added['effect'].median():.1f}")  # fmt: skip
    worst = cells[cells["strength"] == 0].nlargest(8, "effect")
    say(worst[["added", "predicted", "effect", "p", "verdict"]].to_string(index=False))


def _limits(count: int, models: int) -> str:
    low = float(beta.ppf(0.025, count, models - count + 1)) if count else 0.0
    high = float(beta.ppf(0.975, count + 1, models - count)) if count < models else 1.0
    return f"[{low:.2f}, {high:.2f}]"


def main(words: Sequence[str]) -> None:
    """Do what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clean", type=int, default=20)
    parser.add_argument("--planted", type=int, default=20)
    parser.add_argument("--films", type=int, default=3000)
    parser.add_argument("--persons", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=3 * 3600)
    arguments = parser.parse_args(words)
    started, rows = time.monotonic(), []
    conditions = [
        Condition(strength, number)
        for number in range(max(arguments.clean, arguments.planted))
        for strength in (0.0, *STRENGTHS)
        if number < (arguments.planted if strength else arguments.clean)
    ]
    for condition in conditions:
        if time.monotonic() - started > arguments.seconds:
            break
        rows += judge(arguments.out, condition, arguments)
        pd.DataFrame(rows).to_csv(arguments.out / "cells.csv", index=False)
    report(pd.DataFrame(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
