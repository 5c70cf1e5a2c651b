"""Do the audits find what was planted, and leave clean models alone? Verdicts on models whose shortcut is known.

One shortcut at a time is planted into the phantom (marker, border, shoulders, exposure), at three strengths and not at
all, and models are trained on it: small-cnn from scratch and ResNet-18. Clean models see the same styles, which say
nothing of the class there; the clean ResNet-18 go on from one that was trained on many such films, so that they know
the disease and have something to be audited for. Every model is audited on the test fold of its own films by
``swap-test`` and ``explain``.

Five cohorts per condition, several trainings each; ``--clean``, ``--planted`` and ``--resnets`` say how many. The
numbers in :data:`cxrshort.stats.verdicts.RULES` are what all clean models stay below.

``python tests/studies/verdicts.py --out verdicts`` does what is missing and prints the tables; ``--train-only`` stops
before the audits, ``--shard 1/2`` and ``--shard 2/2`` share the work, ``--seconds S`` begins nothing new after so long.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta

from cxrshort.attribution.explained_regions import PARTS
from cxrshort.columns import COVID
from cxrshort.figures.style import SMALL, add_axes, new_figure, place_text, save_figure
from cxrshort.regions import CORNERS, EDGES
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.evaluate import evaluate
from cxrshort.verbs.explain import explain
from cxrshort.verbs.swap_test import swap_test
from cxrshort.verbs.train import train

SHORTCUTS = ("marker", "border", "shoulders", "exposure")
STRENGTHS = (1.0, 0.8, 0.5)
COHORTS = 5
SIZE = 64
FILMS = {"planted": 1600, "shoulders": 6000, "clean": 4000, "base": 12000}
"""Films per kind of model: from 1,600 films with raised shoulders, networks learn little of them (AUC 0.68)."""
COLUMNS = [
    "shortcut", "confounding", "arch", "number", "cohort", "auc", "audit", "region", "verdict", "effect", "low", "high",
    "p", "smallest_effect", "ratio", "rank", "seconds",
]  # fmt: skip
RECIPE = {
    "batch_size": 64, "labels": COVID, "select_label": None, "selection": "last", "clip_norm": 1.0,
}  # fmt: skip


@dataclass(frozen=True)
class Condition:
    """Say what a model was trained on.

    Args:
        shortcut: the one style in which the hospitals differ.
        confounding: how strongly it goes with the class; 0 for clean models.
        arch: the architecture.
        number: among the models of the same condition.
    """

    shortcut: str
    confounding: float
    arch: str
    number: int

    @property
    def cohort(self) -> int:
        """Return the number of the cohort that it was trained on."""
        return self.number % COHORTS

    @property
    def name(self) -> str:
        """Return the name of its folder."""
        return f"{self.shortcut}-{self.confounding:g}-{self.arch}-{self.number}"


def conditions(arguments: argparse.Namespace) -> list[Condition]:
    """Return all models, those of one number before those of the next."""
    models = []
    for number in range(max(arguments.clean, arguments.planted)):
        for shortcut in SHORTCUTS:
            if number < arguments.clean:
                arch = "resnet18" if number < arguments.clean_resnets else "small-cnn"
                models.append(Condition(shortcut, 0.0, arch, number))
            if number < arguments.planted:
                arch = "resnet18" if number < arguments.resnets else "small-cnn"
                models += [Condition(shortcut, strength, arch, number) for strength in STRENGTHS]
    return models


def draw(home: Path, condition: Condition, *, jobs: int = 1) -> Path:
    """Draw the films of a condition, once."""
    kind = condition.shortcut if condition.shortcut in FILMS else "planted"
    out = home / f"{condition.shortcut}-{condition.confounding:g}-{condition.cohort}"
    if not (out / "run.json").exists():
        build_dataset(
            "phantom-I",
            out=out,
            number_of_images=FILMS[kind if condition.confounding else "clean"],
            size=SIZE,
            replicates=1,
            seed=100 + condition.cohort,
            confounding=condition.confounding,
            shortcuts=(condition.shortcut,),
            jobs=jobs,
            force=True,
        )
    return out


def train_base(home: Path) -> Path:
    """Train the ResNet-18 that clean ones go on from: all styles vary, and none goes with the class."""
    films, out = home / "films/base", home / "models/base"
    if not (films / "run.json").exists():
        build_dataset(
            "phantom-I",
            out=films,
            number_of_images=FILMS["base"],
            size=SIZE,
            replicates=1,
            seed=99,
            confounding=0.0,
            jobs=1,
            force=True,
        )
    if not (out / "run.json").exists():
        train(str(films), arch="resnet18", overrides={**RECIPE, "epochs": 5}, out=out, threads=1, force=True)
    return out / "model.safetensors"


def train_condition(home: Path, condition: Condition) -> Path:
    """Train the model of a condition, once."""
    out = home / "models" / condition.name
    if not (out / "run.json").exists():
        resnet, clean = condition.arch == "resnet18", not condition.confounding
        overrides = {**RECIPE, "epochs": (1 if clean else 2) if resnet else 8}
        if resnet and clean:
            overrides |= {"weights": str(train_base(home)), "learning_rate": 1e-4}
        data = draw(home / "films", condition)
        train(
            str(data),
            arch=condition.arch,
            overrides=overrides,
            seed=condition.number,
            out=out,
            threads=1,
            force=True,
        )
    return out


def audit(home: Path, condition: Condition, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Audit one model by both verbs, and return a row per verdict."""
    model, films = home / "models" / condition.name, home / "films"
    data = films / f"{condition.shortcut}-{condition.confounding:g}-{condition.cohort}"
    resnet = condition.arch == "resnet18"
    results = home / "results" / condition.name
    shared = {"dataset": str(data), "seed": condition.number, "threads": 1, "force": True}
    inside = evaluate([str(model)], dataset=[str(data)], out=results / "evaluate", threads=1, force=True)
    about = {**asdict(condition), "cohort": condition.cohort, "auc": inside.summary["means"][0]["mean"]}
    clock = time.process_time()
    swapped = swap_test(
        str(model), pairs=arguments.pairs, patches=7 if resnet else 17, out=results / "swap-test", **shared
    ).summary
    middle = time.process_time()
    explained = explain(
        str(model),
        images=60,
        references=100,
        settings=[f"samples={20 if resnet else 60}"],
        out=results / "explain",
        **shared,
    ).summary
    ratios = share_ratios(explained["shares"])
    rows = [{**about, **finding, "audit": "swap-test", "seconds": middle - clock} for finding in swapped["findings"]]
    rows += [
        {
            **about,
            **{name: control[name] for name in ("region", "p")},
            "audit": "control",
            "verdict": f"{control['control']}: {control['outcome']}",
            "effect": control["median"],
        }
        for control in swapped["controls"]
    ]
    rows += [
        {
            **about,
            **finding,
            "audit": "explain",
            "seconds": time.process_time() - middle,
            "ratio": ratios.get(finding["region"]),
            "rank": rank_of(finding["region"], ratios),
        }
        for finding in explained["findings"]
    ]
    shutil.rmtree(results)
    return [{name: row.get(name) for name in COLUMNS} for row in rows]


def share_ratios(shares: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return share over area of each region, the mean of the classes; borders and corners count as one."""
    ratios: dict[str, list[float]] = {}
    for row in shares:
        if row["ratio"] is not None and row["region"] not in (*EDGES, *CORNERS, *PARTS):
            ratios.setdefault(row["region"], []).append(row["ratio"])
    return {region: float(np.mean(values)) for region, values in ratios.items()}


def rank_of(region: str, ratios: Mapping[str, float]) -> int | None:
    """Return the place of a region by share over area, from 1."""
    return 1 + sum(ratio > ratios[region] for ratio in ratios.values()) if region in ratios else None


def work(condition: Condition, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Do what is missing for one model, and return its rows."""
    if time.monotonic() >= arguments.until:
        return []
    started = time.process_time()
    train_condition(arguments.out, condition)
    if arguments.train_only:
        rows = []
    else:
        rows = audit(arguments.out, condition, arguments)
    say(f"{condition.name}: {time.process_time() - started:.0f} s")
    return rows


def say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def interval_text(hits: int, count: int) -> str:
    """Return a share with its exact 95 % limits."""
    if not count:
        return "-"
    low, high = limits(hits, count)
    return f"{hits}/{count} = {hits / count:.2f} [{low:.2f}, {high:.2f}]"


def print_tables(table: pd.DataFrame) -> None:
    """Print how often the planted region is accused, how often clean models are, and what sets the margins."""
    for audit_name in ("swap-test", "explain"):
        own = table[table["audit"] == audit_name]
        if own.empty:
            continue
        say(f"\n{audit_name}: planted region accused (shortcut), or at least suspicious; other regions accused\n")
        say("| planted | confounding | network | models | AUC | shortcut | at least suspicious | elsewhere | first |")
        say("|---|---|---|---|---|---|---|---|---|")
        for (shortcut, strength, arch), part in own[own["confounding"] > 0].groupby(
            ["shortcut", "confounding", "arch"], sort=False
        ):
            here, models = part[part["region"] == shortcut], part["number"].nunique()
            elsewhere = part[(part["region"] != shortcut) & (part["verdict"] == "shortcut")]["number"].nunique()
            accused = int((here["verdict"] == "shortcut").sum())
            doubted = int(here["verdict"].isin(["shortcut", "suspicious"]).sum())
            first = int((here["rank"] == 1).sum()) if audit_name == "explain" else 0
            say(
                f"| {shortcut} | {strength:g} | {arch} | {models} | {part['auc'].mean():.3f} | "
                f"{interval_text(accused, models)} | {interval_text(doubted, models)} | "
                f"{interval_text(elsewhere, models)} | "
                f"{interval_text(first, models) if audit_name == 'explain' and len(here) else '-'} |"
            )
        clean = own[own["confounding"] == 0]
        say(f"\n{audit_name}: clean models accused of any region\n")
        say("| network | models | AUC | shortcut | at least suspicious | largest effect (95 %, 99 %, most) | ratio |")
        say("|---|---|---|---|---|---|---|")
        for arch, part in clean.groupby("arch"):
            models = part.groupby(["shortcut", "number"])
            words = models["verdict"].agg(set)
            judged = part[part["verdict"] != "not testable"]
            most = judged.groupby(["shortcut", "number"])["effect"].max().dropna()
            ratios = judged.groupby(["shortcut", "number"])["ratio"].max().dropna()
            accused = sum("shortcut" in verdicts for verdicts in words)
            doubted = sum(bool({"shortcut", "suspicious"} & verdicts) for verdicts in words)
            effects = f"{most.quantile(0.95):.3f}, {most.quantile(0.99):.3f}, {most.max():.3f}" if len(most) else "-"
            say(
                f"| {arch} | {len(words)} | {part['auc'].mean():.3f} | {interval_text(accused, len(words))} | "
                f"{interval_text(doubted, len(words))} | {effects} | {ratios.max() if len(ratios) else '-'} |"
            )


def limits(hits: int, count: int) -> tuple[float, float]:
    """Return exact 95 % limits of a share."""
    low = float(beta.ppf(0.025, hits, count - hits + 1)) if hits else 0.0
    return low, float(beta.ppf(0.975, hits + 1, count - hits)) if hits < count else 1.0


def draw_power(table: pd.DataFrame, path: Path) -> None:
    """Draw how often the planted region is accused, against the strength of the shortcut."""
    panels = ("marker", "border", "shoulders")
    colours = {"swap-test": "#b43335", "explain": "#1e579a"}
    figure = new_figure(7.2, 2.9)
    for place, shortcut in enumerate(panels):
        axes = add_axes(figure, 0.6 + 2.2 * place, 0.5, width=1.8, height=1.7)
        for shift, audit_name in enumerate(colours):
            own = table[
                (table["audit"] == audit_name) & (table["region"] == shortcut) & (table["shortcut"] == shortcut)
            ]
            for strength, part in own.groupby("confounding"):
                hits, count = int((part["verdict"] == "shortcut").sum()), len(part)
                low, high = limits(hits, count)
                where = float(strength) + 0.02 * shift
                axes.plot([where, where], [low, high], color=colours[audit_name], linewidth=1.2)
                axes.plot([where], [hits / count], "o", color=colours[audit_name], markersize=4)
        axes.set(xlim=(-0.08, 1.08), ylim=(-0.03, 1.03), xticks=[0, 0.5, 0.8, 1.0], yticks=[0, 0.5, 1.0])
        axes.set_xlabel("confounding (0: clean)", fontsize=SMALL)
        place_text(figure, shortcut, left=0.6 + 2.2 * place, top=0.2)
    for place, (name, colour) in enumerate(colours.items()):
        place_text(figure, name, left=0.6 + 1.4 * place, top=2.65, size=SMALL, colour=colour)
    place_text(figure, "share of models accused (shortcut)", left=0.05, top=0.02, size=SMALL)
    save_figure(figure, path)


def main() -> None:
    """Train, audit and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("verdicts"))
    parser.add_argument("--clean", type=int, default=15, help="clean models per shortcut")
    parser.add_argument("--clean-resnets", type=int, default=4, help="how many of them are ResNet-18")
    parser.add_argument("--planted", type=int, default=20, help="models per shortcut and strength")
    parser.add_argument("--resnets", type=int, default=2, help="how many of them are ResNet-18")
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--shard", default="1/1", help="2/3: every third model from the second on, beside two others")
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--train-only", action="store_true")
    parser.add_argument("--print-only", action="store_true")
    arguments = parser.parse_args()
    arguments.until = time.monotonic() + arguments.seconds
    path = arguments.out / "verdicts.csv"
    table = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=COLUMNS)
    done = set(zip(table["shortcut"], table["confounding"], table["arch"], table["number"], strict=True))
    models = [] if arguments.print_only else conditions(arguments)
    models = [model for model in models if (model.shortcut, model.confounding, model.arch, model.number) not in done]
    if models:
        for condition in models:
            draw(arguments.out / "films", condition)
        train_base(arguments.out)
        number, count = map(int, arguments.shard.split("/"))
        for condition in models[number - 1 :: count]:
            if rows := work(condition, arguments):
                pd.DataFrame(rows, columns=COLUMNS).to_csv(path, mode="a", header=not path.exists(), index=False)
        table = pd.read_csv(path) if path.exists() else table
    if len(table):
        print_tables(table)
        draw_power(table, arguments.out / "power.png")


if __name__ == "__main__":
    main()
