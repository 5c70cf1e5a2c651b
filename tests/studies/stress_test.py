"""Does the stress test show the pairs that a model was taught to confuse, and leave clean models alone?

The phantom draws films on which two findings come together (``--comorbidity``) at several correlations, or none do, and
small networks learn six findings of them. Healthy persons of their test folds are drawn again with one finding more:
exact edits, which bring nothing else along, all with another noise than the original, as an editor's pictures have; the
sham has that noise alone. The planted pair may be taken for one another in both directions; everything else that is
called is an accusation of a model that nobody taught it.

Such an accusation is false only where the model does not react like that. So every audit of 60 persons is repeated on
250 others, whom no model has seen, and their mean is taken for the truth. The margin of
:data:`cxrshort.stats.verdicts.RULES` is from ``distinct``, where edema and a mass are the most alike; ``alike`` has the
six published findings, two of which, pneumonia and a mass, are opacities of one size.

``counterfactual`` models have the films of the strongest correlation and edits of healthy persons of the train fold:
200 persons with each finding, labelled with that one alone (``more``: 600 persons). ``redrawn`` ones have as many
further films of the same 200 persons in which nothing was added, so that what further films do is told apart from what
counterfactuals do. All see as many images as the others, in fewer epochs.

A network has to know the findings, or each output rises with any large shadow. Findings are therefore frequent (a
quarter of the persons), plain (severity from 0.5 on), and alone: nine others of the phantom are left out.

``python tests/studies/stress_test.py --out study/stress`` measures what ``cells.csv`` lacks and prints the tables (30 s
a model on one free core); ``--seconds S`` begins no further model after so long.
"""

import argparse
import dataclasses
import itertools
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from scipy.stats import beta
from scipy.stats import t as student

from cxrshort import manifest as manifests
from cxrshort import runs
from cxrshort.columns import COVID, LABELS
from cxrshort.compute import choose_compute
from cxrshort.dataset import load_dataset
from cxrshort.datasets.building.edits import edited_rows, of_edits
from cxrshort.datasets.building.image_source import of_phantoms
from cxrshort.datasets.building.writing import DatasetSettings, write_dataset
from cxrshort.datasets.phantom.cohort import sample_phantoms
from cxrshort.datasets.phantom.drawing import draw_phantom
from cxrshort.datasets.phantom.parameters import Phantom, with_finding
from cxrshort.datasets.phantom.planting import PREVALENCE, read_comorbidity
from cxrshort.stats.auc import auc
from cxrshort.stats.verdicts import RULES, SHORTCUT, SUSPICIOUS, Evidence, judge
from cxrshort.verbs.roentmod.scores import ScoreRows, tidy
from cxrshort.verbs.roentmod.stress_test import TARGETS, judge_scores, prepare_scores, score_models
from cxrshort.verbs.train import train

DISTINCT = ("Cardiomegaly", "Edema", "Effusion", "Emphysema", "Hernia", "Mass")
ALIKE = ("Cardiomegaly", "Edema", "Effusion", "Hernia", "Mass", "Pneumonia")
"""The published six."""
WORLDS = {"distinct": DISTINCT, "alike": ALIKE}
PAIR = ("Cardiomegaly", "Effusion")
STRENGTHS = (0.9, 0.6, 0.3)
MARGINS = (10.0, 15.0, 20.0, 25.0, 30.0)
COHORTS, SIZE, FILMS, SHARE, MILDEST, EDITED = 2, 64, 6000, 0.25, 0.5, 0.75
AUDITED, REPEATED, FRESH_FILMS, FRESH_SEED = 60, 250, 3000, 900
SHAM = "sham"
RULE = RULES["roentmod-stress-test"]
CELLS, AUCS = "cells.csv", "aucs.csv"
RECIPE: dict[str, Any] = {
    "select_label": None, "selection": "last", "clip_norm": 1.0, "schedule": "one-cycle", "learning_rate": 5e-3,
    "batch_size": 64,
}  # fmt: skip
COUNTERFACTUAL, MORE, REDRAWN = "counterfactual", "more", "redrawn"
TAUGHT = {COUNTERFACTUAL: 200, MORE: 600, REDRAWN: 200}
EPOCHS, SEEDS = {"real": 12, COUNTERFACTUAL: 9, MORE: 6, REDRAWN: 9}, 5
IDENTITY = ["world", "strength", "training", "number"]


@dataclass(frozen=True)
class Task:
    """Say what a model is trained on: its findings, the correlation of the pair, real films alone or edits too."""

    world: str
    strength: float
    training: str
    number: int

    @property
    def findings(self) -> tuple[str, ...]:
        """Return what it learns."""
        return WORLDS[self.world]

    @property
    def identity(self) -> tuple[object, ...]:
        """Return what tells it apart in the tables."""
        return dataclasses.astuple(self)

    @property
    def name(self) -> str:
        """Return the name of its folder."""
        return f"{self.world}-{self.training}-{self.strength:g}-{self.number}"


def once(out: Path, make: Callable[[Path], None]) -> Path:
    """Make a dataset unless it is there."""
    if not (out / runs.DONE).exists():
        make(out)
    return out


def draw(home: Path, name: str, *, world: str, strength: float, seed: int, films: int) -> Path:
    """Draw phantoms with frequent and plain findings of one world alone, once."""
    shares = dict.fromkeys(set(LABELS) - {COVID}, 0.0) | dict.fromkeys(WORLDS[world], SHARE)

    def make(out: Path) -> None:
        with patch.dict(PREVALENCE, shares):
            pairs = [read_comorbidity(f"{','.join(PAIR)}={strength}")] if strength else []
            phantoms = sample_phantoms(name, images=films, confounding=0.0, seed=seed, comorbidities=pairs)
        plain = [replace(phantom, findings=_plain(phantom, WORLDS[world])) for phantom in phantoms]
        with runs.open_run(out, "draw", arguments={}, force=True) as run:
            settings = DatasetSettings(out.name, {"size": SIZE}, splits="draw", replicates=1, seed=seed)
            write_dataset(run, *of_phantoms(plain, size=SIZE), settings=settings)

    return once(home / f"films-{name}-{world}-{strength:g}-{seed}", make)


def _plain(phantom: Phantom, findings: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Return the findings of this world, of at least the mildest severity."""
    return tuple((label, MILDEST + (1 - MILDEST) * mild) for label, mild in phantom.findings if label in findings)


def draw_edits(films: Path, out: Path, *, findings: Sequence[str], fold: str, persons: int, added: bool = True) -> Path:
    """Draw healthy persons of a fold again with each finding (or, with other noise, without), and as they are, once."""

    def make(folder: Path) -> None:
        data = load_dataset(str(films))
        lines = (films / "phantoms.jsonl").read_text().splitlines()
        phantoms = {phantom.phantom_id: phantom for phantom in map(Phantom.from_json, lines)}
        manifest = data.manifest
        healthy = manifest["image_id"].map(lambda name: not phantoms[name].findings)
        if fold != "all":
            healthy &= manifest["split_0"] == fold
        places = manifest.index[healthy & ~manifest["person_id"].where(healthy).duplicated()][:persons].tolist()
        names = [*findings, SHAM]
        rows = edited_rows(manifest, [place for place in places for _ in names], names * len(places))
        for label in findings:
            rows[label] = (added & (rows["edit"] == label)).astype(np.float32)

        def redraw(sources: np.ndarray, chosen: pd.DataFrame) -> list[np.ndarray]:
            pictures = []
            for source, edit in zip(chosen["source_image_id"], chosen["edit"], strict=True):
                place = 0 if added else names.index(edit)
                other = replace(phantoms[source], seed=phantoms[source].seed + 1 + place)
                edited = with_finding(other, edit, EDITED) if added and edit != SHAM else other
                pictures.append(draw_phantom(edited, size=SIZE).pixels)
            return pictures

        with runs.open_run(folder, "edit", arguments={}, force=True) as run:
            candidates = of_edits(data, rows, redraw, settings=f"findings at {EDITED}", carry=False)
            write_dataset(run, *candidates, settings=DatasetSettings(folder.name, data.recipe))

    return once(out, make)


def join(films: Path, edits: Path, out: Path) -> Path:
    """Write a manifest of real films and edits, without shams."""
    parts = [load_dataset(str(folder)).manifest for folder in (films, edits)]
    joined = pd.concat([parts[0], parts[1][parts[1]["edit"] != SHAM]], ignore_index=True)
    manifests.write_table(joined, out)
    return out


def measure(home: Path, task: Task) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Train and audit one model; return a row per cell, and one per label and test set."""
    seed = 200 + task.number % COHORTS
    films = draw(home, "phantom-III", world=task.world, strength=task.strength, seed=seed, films=FILMS)
    same = {"world": task.world, "strength": 0.0, "seed": FRESH_SEED, "films": FRESH_FILMS}
    fresh, external = (draw(home, name, **same) for name in ("phantom-III", "phantom-external"))
    edits = draw_edits(
        films, films.with_name(f"edits-{films.name}"), findings=task.findings, fold="test", persons=AUDITED
    )
    fresh_edits = draw_edits(
        fresh, fresh.with_name(f"edits-{fresh.name}"), findings=task.findings, fold="all", persons=REPEATED
    )
    data = films
    if persons := TAUGHT.get(task.training):
        lessons, added = films.with_name(f"{task.training}-{films.name}"), task.training != REDRAWN
        draw_edits(films, lessons, findings=task.findings, fold="train", persons=persons, added=added)
        data = join(films, lessons, lessons / "joined.csv")
    model = home / task.name
    overrides = {**RECIPE, "epochs": EPOCHS[task.training], "labels": ",".join(task.findings)}
    options = {"device": "cpu", "precision": "bf16", "threads": 1}
    train(str(data), arch="small-cnn", overrides=overrides, seed=task.number, out=model, force=True, **options)
    own = _scores(model, films, edits, split="test")
    *other, abroad = _scores(model, fresh, fresh_edits, external, split="all")
    shutil.rmtree(model)
    identity = dict(zip(IDENTITY, task.identity, strict=True))
    cells = [{**identity, **row} for row in _cells(own, other, task.findings)]
    tests = {"internal": own[0], "fair": other[0], "external": abroad}
    aucs = [
        {**identity, "films": name, "label": label, "auc": _auc(scores, label)}
        for name, scores in tests.items()
        for label in task.findings
    ]
    return cells, aucs


def _scores(model: Path, before: Path, after: Path, third: Path | None = None, *, split: str) -> list[ScoreRows]:
    """Return what a model says of originals, edits and a third dataset, by the verb's own steps."""
    reference = None if third is None else str(third)
    test, _ = prepare_scores(
        [str(model)],
        {"before": str(before), "after": str(after), "reference": reference},
        split=split,
        sham=None,
        labels=(),
    )
    compute = choose_compute("cpu", precision="fp32", threads=1)
    scored = score_models(test, compute, batch_size=256, report=runs.ignore_event)
    return [ScoreRows(test.data[role].name, tidy(rows, role)) for role, rows in scored.items()]


def _cells(own: list[ScoreRows], other: list[ScoreRows], findings: Sequence[str]) -> list[dict[str, Any]]:
    """Return the matrix of a model, and beside it what other persons say of every cell."""
    options: dict[str, Any] = {"expected": TARGETS, "sham": SHAM, "labels": findings}
    audit, again = judge_scores(*own, **options).summary, judge_scores(*other, own[0], **options).summary
    p_values = {(row["added"], row["predicted"]): row["p"] for row in audit["findings"]}
    repeated = {(row["added"], row["predicted"]): row for row in again["cells"]}
    rows = []
    for row in audit["cells"]:
        pair = row["added"], row["predicted"]
        kept = {name: row[name] for name in ("added", "predicted", "change", "beyond_sham", "reaction", "excess")}
        truth = {f"repeated_{name}": repeated[pair][name] for name in ("change", "excess", "excess_low", "excess_high")}
        rows.append({**kept, "p": p_values.get(pair), **truth})
    return rows


def _auc(scores: ScoreRows, label: str) -> float:
    rows = scores.rows
    return float(auc(rows[f"target.{label}"].to_numpy(), rows[f"logit.{label}"].to_numpy()) or np.nan)


def called(cells: pd.DataFrame, margin: float) -> "pd.Series[str]":
    """Return the verdict of each cell, were this the margin; "" on target."""
    rule = replace(RULE, margin=margin)
    words = []
    for row in cells.to_dict(orient="records"):
        missing = "the model hardly reacts" if row["reaction"] < margin else ""
        evidence = Evidence("", row["excess"], p=row["p"], missing=missing)
        words.append("" if row["added"] == row["predicted"] else judge(evidence, rule).verdict)
    return pd.Series(words, cells.index)


def share(count: int, of: int) -> str:
    """Return a share with its limits (Clopper and Pearson)."""
    low = float(beta.ppf(0.025, count, of - count + 1)) if count else 0.0
    high = float(beta.ppf(0.975, count + 1, of - count)) if count < of else 1.0
    return f"{count} of {of} [{low:.2f}, {high:.2f}]"


def show_networks(cells: pd.DataFrame, aucs: pd.DataFrame) -> None:
    """Print what the models know: AUC where nothing comes together, and reactions to what was added."""
    say("What the networks know: AUC on films without comorbidity, and the change where the finding itself was added")
    reactions = cells[cells["added"] == cells["predicted"]].groupby(IDENTITY[:3])["beyond_sham"].mean()
    for key, part in aucs[aucs["films"] == "fair"].groupby(IDENTITY[:3]):
        by_label = part.groupby("label")["auc"].mean()
        texts = [*(f"{label} {value:.2f}" for label, value in by_label.items()), f"{reactions[key]:.0f} points"]
        say(f"  {_title(key)}, {part['number'].nunique()} models: {', '.join(texts)}")


def show_margins(cells: pd.DataFrame) -> None:
    """Print how many models are accused at each margin, of the planted pair and of others."""
    for key, part in cells[cells["training"] == "real"].groupby(IDENTITY[:3]):
        models = part["number"].nunique()
        say(f"\n{_title(key)}: {models} models")
        planted = part["added"].isin(PAIR) & part["predicted"].isin(PAIR) & (part["strength"] > 0)
        for margin in MARGINS:
            verdicts = called(part, margin)
            others = part[~planted & (verdicts == SHORTCUT)]
            doubtful = part[~planted & (verdicts == SUSPICIOUS)]
            count = int((~planted & (part["added"] != part["predicted"])).sum())
            texts = [f"models accused of others {share(others['number'].nunique(), models)}, "
                     f"cells {len(others)} of {count}, and {len(doubtful)} suspicious"]  # fmt: skip
            for added, predicted in itertools.permutations(PAIR) if key[1] else []:
                cell = (part["added"] == added) & (part["predicted"] == predicted)
                hits = int((verdicts[cell] == SHORTCUT).sum())
                texts.append(f"{added} -> {predicted} {share(hits, models)}")
            say(f"  margin {margin:g}: {'; '.join(texts)}")


def show_truth(cells: pd.DataFrame) -> None:
    """Print whether what is called is there in other persons too, and what clean models confuse."""
    off = cells[(cells["added"] != cells["predicted"]) & (cells["training"] == "real")]
    for key, part in off.groupby(IDENTITY[:3]):
        error = (part["excess"] - part["repeated_excess"]).std()
        say(f"\n{_title(key)}: the audit and its repetition differ by {error:.1f} points (SD)")
        for margin in MARGINS:
            accused = part[called(part, margin) == SHORTCUT]
            there = int((accused["repeated_excess_low"] > 0).sum())
            large = int((accused["repeated_excess"] >= margin).sum())
            say(f"  margin {margin:g}: {len(accused)} called, in other persons {there} above 0, {large} at the margin")
        means = part.groupby(["added", "predicted"])["repeated_excess"].agg(["mean", "min", "max"])
        for (added, predicted), row in means.sort_values("mean", ascending=False).head(6).iterrows():
            say(f"  {added} -> {predicted}: {row['mean']:.1f} [{row['min']:.1f} to {row['max']:.1f}]")


def show_cure(cells: pd.DataFrame, aucs: pd.DataFrame) -> None:
    """Print what further films change, each seed beside its own without them."""
    planted = cells[(cells["strength"] == STRENGTHS[0]) & (cells["world"] == "distinct")]
    scored = aucs[(aucs["strength"] == STRENGTHS[0]) & (aucs["world"] == "distinct")]
    for training in TAUGHT:
        say(f"\n{training} at {STRENGTHS[0]:g}: without, with, difference (means over seeds, 95 % t interval)")
        for added, predicted in itertools.permutations(PAIR):
            rows = planted[(planted["added"] == added) & (planted["predicted"] == predicted)]
            for value in ("excess", "repeated_excess"):
                say(f"  {added} -> {predicted}, {value}: {_paired(rows, value, training, digits=1)}")
        for label in PAIR:
            rows = planted[(planted["added"] == label) & (planted["predicted"] == label)]
            say(f"  {label}, reaction to itself: {_paired(rows, 'beyond_sham', training, digits=1)}")
        for films in ("internal", "fair", "external"):
            here = scored[scored["films"] == films]
            for title, labels in (("the pair", PAIR), ("the others", set(DISTINCT) - set(PAIR))):
                means = here[here["label"].isin(labels)].groupby(["training", "number"], as_index=False)["auc"].mean()
                say(f"  AUC, {films}, {title}: {_paired(means, 'auc', training, digits=3)}")


def _paired(rows: pd.DataFrame, value: str, training: str, *, digits: int) -> str:
    table = rows.pivot(index="number", columns="training", values=value)
    if training not in table or len(table := table[["real", training]].dropna()) < 2:
        return "too few models"
    gain = table[training] - table["real"]
    half = float(student.ppf(0.975, len(gain) - 1)) * gain.std(ddof=1) / len(gain) ** 0.5
    low, high = gain.mean() - half, gain.mean() + half
    before, after, mean, low, high = (
        f"{number:.{digits}f}" for number in (table["real"].mean(), table[training].mean(), gain.mean(), low, high)
    )
    return f"{before}, {after}, {mean} [{low}, {high}], {len(gain)} seeds"


def _title(key: Sequence[object]) -> str:
    world, strength, training = key
    return f"{world}, correlation {strength:g}, {training} films"


def say(text: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")


def report(cells: pd.DataFrame, aucs: pd.DataFrame) -> None:
    """Print the tables."""
    show_networks(cells, aucs)
    show_margins(cells)
    show_truth(cells)
    show_cure(cells, aucs)


def tasks(models: int) -> list[Task]:
    """Return all models, those first without which nothing can be said."""

    def real(strength: float, first: int, last: int, world: str = "distinct") -> list[Task]:
        return [Task(world, strength, "real", number) for number in range(first, min(last, models))]

    def rounds(first: int, last: int) -> list[Task]:
        strongest = real(STRENGTHS[0], first, last)
        cured = [replace(task, training="counterfactual") for task in strongest]
        parts = (real(0.0, first, last), strongest, cured, real(STRENGTHS[-1], first, last))
        return list(itertools.chain(*zip(*parts, strict=True)))

    order = [*rounds(0, 2), *real(0.0, 2, 12), *rounds(2, SEEDS), *real(0.0, 12, models), *real(0.0, 0, SEEDS, "alike")]
    for training in (MORE, REDRAWN):
        order += [replace(task, training=training) for task in real(STRENGTHS[0], 0, SEEDS)]
    for last in (SEEDS, 10, models):
        order += itertools.chain(*(real(strength, 0, last) for strength in STRENGTHS))
    return list(dict.fromkeys(order))


def main(words: Sequence[str]) -> None:
    """Measure what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("study/stress"))
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=np.inf)
    arguments = parser.parse_args(words)
    arguments.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    tables = {name: _read(arguments.out / name) for name in (CELLS, AUCS)}
    completed = {tuple(row) for row in tables[CELLS][IDENTITY].to_numpy().tolist()}
    for task in tasks(arguments.models):
        if task.identity in completed:
            continue
        if time.monotonic() - started >= arguments.seconds:
            break
        for name, rows in zip((AUCS, CELLS), reversed(measure(arguments.out, task)), strict=True):
            tables[name] = pd.concat([tables[name], pd.DataFrame(rows)], ignore_index=True)
            tables[name].to_csv(arguments.out / name, index=False)
        sys.stderr.write(f"{time.monotonic() - started:.0f} s: {task.name}\n")
    report(tables[CELLS], tables[AUCS])


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=IDENTITY)


if __name__ == "__main__":
    main(sys.argv[1:])
