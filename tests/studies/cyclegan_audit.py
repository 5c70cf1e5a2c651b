"""Does an audit by a CycleGAN find what was planted, and leave unconfounded data and clean classifiers alone?

Phantoms of 64 px in which one style gives the class away (bias 1.0: every film of a class has its style), or none does,
and a CycleGAN between films with and without COVID-19 of each. Their audits are compared with what was planted: the
rank of the planted region among all, flips of a classifier of the same films and of a clean one, verdicts, and the
correlation of the learned differences with the exact ones, of the same patients in the style of the other hospital
(:func:`cxrshort.datasets.phantom.parameters.with_site`).

Exposure changes the whole film and has no region: an audit cannot find it there, and should accuse no region. Networks
are far smaller than the published ones (width 8, 3 blocks) and trained for minutes instead of a week, so that what
they miss says little about what the published ones would.

A classifier that flips need not rely on what was planted: generators leave traces in any image. So the change of the
log-odds stands beside that of images that were of the other side already, and the clean classifier, of 5,000 films of
its own, beside the one of these films.

``python tests/studies/cyclegan_audit.py --out audits`` does what is missing and prints the table; ``--seeds`` and
``--epochs`` make it larger, ``--seconds S`` begins nothing new after so long, and ``--report`` prints alone.
"""

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.attribution.explained_regions import RegionSources, read_regions
from cxrshort.compute import Compute
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.datasets.phantom.catalogue import DATASETS
from cxrshort.datasets.phantom.drawing import draw_phantom
from cxrshort.datasets.phantom.parameters import Phantom, with_site
from cxrshort.generative.cyclegan.model import CycleGan, load_cyclegan
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.cyclegan.audit import audit
from cxrshort.verbs.cyclegan.train import train as train_cyclegan
from cxrshort.verbs.evaluate import evaluate
from cxrshort.verbs.train import train

CLEAN = "none"
PLANTED = {
    "marker": ("marker",),
    "border": ("border", "border_top", "border_bottom", "border_left", "border_right"),
    "exposure": (),
    CLEAN: (),
}
"""What is planted, and the regions that it lies in."""
NAME, SIZE, LABEL = "phantom-I", 64, "COVID-19"
SIDES = {"negative": DATASETS[NAME].negative[0], "positive": DATASETS[NAME].positive[0]}
CPU: dict[str, Any] = {"device": "cpu", "precision": "fp32", "threads": 1}
CLASSIFIER = {"labels": LABEL, "epochs": 30, "learning_rate": 3e-3, "batch_size": 32, "selection": "last"}
GAN = {"width": 8, "blocks": 3, "discriminator_width": 16, "batch_size": 4, "ema": 0.99}
CHOSEN_REGIONS = ("lungs", "marker", "border", "shoulders")
"""Regions in which learned and exact differences are compared, besides the whole film."""


def draw(home: Path, planted: str, seed: int, *, films: int, confounding: float, tag: str) -> Path:
    """Draw films in which one style goes with COVID-19, or does not, once."""
    out = home / f"films-{planted}-{tag}-{seed}"
    if not (out / "run.json").exists():
        build_dataset(
            NAME,
            out=out,
            number_of_images=films,
            size=SIZE,
            replicates=1,
            seed=seed,
            confounding=confounding,
            shortcuts=[planted] if planted != CLEAN else ["marker"],
            jobs=1,
            force=True,
        )
    return out


def classifier_of(films: Path, seed: int) -> Path:
    """Train a small classifier of films, once."""
    out = films.parent / f"{films.name}-classifier"
    if not (out / "run.json").exists():
        train(str(films), arch="small-cnn", overrides=CLASSIFIER, seed=seed, out=out, force=True, **CPU)
    return out


def generator_of(films: Path, seed: int, *, epochs: int, per_class: int) -> Path:
    """Train a CycleGAN between films without and with COVID-19, once."""
    out = films.parent / f"{films.name}-gan"
    if not (out / "run.json").exists():
        train_cyclegan(
            str(films),
            from_side=f"{LABEL} == 0",
            to_side=f"{LABEL} == 1",
            overrides={**GAN, "epochs": epochs, "per_class": per_class},
            seed=seed,
            sample_every=500,
            out=out,
            force=True,
            **CPU,
        )
    return out


def exact_pictures(films: Path, data: Dataset, shortcut: str) -> tuple[np.ndarray, np.ndarray]:
    """Return films drawn from their parameters, and the same patients in the other hospital's style, (N, H, W)."""
    phantoms = {}
    for line in (films / "phantoms.jsonl").read_text().splitlines():
        phantom = Phantom.from_json(line)
        phantoms[phantom.phantom_id] = phantom
    before, after = [], []
    for name in data.manifest["image_id"]:
        phantom = phantoms[name]
        other = SIDES["positive"] if phantom.site == SIDES["negative"] else SIDES["negative"]
        before.append(draw_phantom(phantom, size=SIZE).pixels)
        exchanged = with_site(phantom, other, shortcuts=[shortcut])
        after.append(draw_phantom(dataclasses.replace(exchanged, site=phantom.site), size=SIZE).pixels)
    return np.stack(before), np.stack(after)


def correlations(films: Path, generator: CycleGan, shortcut: str, *, images: int) -> dict[str, float]:
    """Return the correlation of learned and exact signed differences over the pixels of each region."""
    fold = load_dataset(str(films)).fold("test", replicate=0)
    fold = dataclasses.replace(fold, manifest=fold.manifest.head(images).reset_index(drop=True))
    before, exact = exact_pictures(films, fold, shortcut)
    positive = fold.manifest[LABEL].to_numpy(dtype=float) == 1
    learned = np.empty_like(before)
    for side, direction in ((positive, "from"), (~positive, "to")):
        learned[side] = generator.transform_pixels(before[side], direction)  # type: ignore[arg-type]
    cut, _ = read_regions(fold, RegionSources(), compute=Compute("cpu", "fp32", 1))
    areas = cut.take(np.arange(len(fold.manifest))).areas
    first, second = learned.astype(float) - before, exact.astype(float) - before
    values = {"whole": _correlation(first.ravel(), second.ravel())}
    for name in CHOSEN_REGIONS:
        inside = areas[:, cut.names.index(name)]
        values[name] = _correlation(first[inside], second[inside])
    return values


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    if len(first) < 3 or first.std() == 0 or second.std() == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def judge(home: Path, planted: str, seed: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Train what is missing, audit, and return a row per classifier."""
    confounding = 0.0 if planted == CLEAN else 1.0
    films = draw(home, planted, seed, films=arguments.films, confounding=confounding, tag="planted")
    other = draw(home, planted, 1000 + seed, films=arguments.clean_films, confounding=0.0, tag="clean")
    gan = generator_of(films, seed, epochs=arguments.epochs, per_class=arguments.per_class)
    classifiers = {"of these films": classifier_of(films, seed), "clean": classifier_of(other, seed)}
    result = audit(
        gan,
        list(classifiers.values()),
        dataset=str(films),
        images=arguments.images,
        out=home / f"audit-{planted}-{seed}",
        force=True,
        **CPU,
    )
    summary = result.summary
    both = [row for row in summary["regions"] if row["direction"] == "both"]
    own = [row["rank"] for row in both if row["region"] in PLANTED[planted]]
    facts: dict[str, Any] = {"planted": planted, "seed": seed, "epochs": arguments.epochs}
    facts |= {"rank": min(own) if own else None, "first": both[0]["region"], "first_ratio": both[0]["ratio"]}
    facts |= {"ratio": max((row["ratio"] for row in both if row["region"] in PLANTED[planted]), default=None)}
    if planted != CLEAN:
        generator = load_cyclegan(gan, Compute("cpu", "fp32", 1))
        agreement = correlations(films, generator, planted, images=arguments.images)
        facts |= {f"r_{name}": value for name, value in agreement.items()}
    return [{**facts, **_of_classifier(summary, name, path, home)} for name, path in classifiers.items()]


def _of_classifier(summary: dict[str, Any], name: str, path: Path, home: Path) -> dict[str, Any]:
    """Return the flips and verdicts of one classifier, and its AUC on its own test fold."""
    title = next(row["classifier"] for row in summary["classifiers"] if path.name in row["classifier"])
    own = [row for row in summary["population"] if row["classifier"] == title and row["decision"] == "p 0.5"]
    films = path.parent / path.name.removesuffix("-classifier")
    evaluate([path], dataset=[str(films)], out=home / "auc", force=True, **CPU)
    auc = float(pd.read_csv(home / "auc" / "aucs.csv")["auc"].iloc[0])
    findings = [row for row in summary["findings"] if row["classifier"] == title]
    words = {
        word: "+".join(row["region"] for row in findings if row["verdict"] == word)
        for word in ("shortcut", "suspicious")
    }
    flips = {f"reached_{row['predicted']}": row["reached"] for row in own}
    changes = {f"change_{row['predicted']}": row["median_change"] for row in own}
    names = "sham_change", "beyond_sham", "beyond_sham_low", "beyond_sham_high"
    shams = {f"{part}_{row['predicted']}": row[part] for part in names for row in own}
    effects = {f"effect_{row['region']}": row["effect"] for row in findings if row["effect"] is not None}
    largest = max(effects, key=lambda region: effects[region], default="")
    strongest = {"strongest": largest.removeprefix("effect_"), "effect": effects.get(largest)}
    return {"classifier": name, "auc": auc, **flips, **changes, **shams, **words, **strongest}


def report(path: Path) -> None:
    """Print the table."""
    table = pd.read_csv(path)
    sys.stdout.write(table.round(2).to_string(index=False) + "\n")


def main(words: Sequence[str]) -> None:
    """Do what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--planted", default=",".join(PLANTED))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--films", type=int, default=1200)
    parser.add_argument("--clean-films", type=int, default=5000)
    parser.add_argument("--per-class", type=int, default=250)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=3 * 3600)
    parser.add_argument("--report", action="store_true")
    arguments = parser.parse_args(words)
    arguments.out.mkdir(parents=True, exist_ok=True)
    path, started = arguments.out / "audits.csv", time.monotonic()
    rows = pd.read_csv(path).to_dict(orient="records") if path.exists() else []
    done = {(row["planted"], row["seed"]) for row in rows}
    for seed in range(arguments.seeds):
        for planted in arguments.planted.split(","):
            late = time.monotonic() - started > arguments.seconds
            if arguments.report or late or (planted, seed) in done:
                continue
            rows += judge(arguments.out, planted, seed, arguments)
            pd.DataFrame(rows).to_csv(path, index=False)
    report(path)


if __name__ == "__main__":
    main(sys.argv[1:])
