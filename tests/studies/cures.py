"""What cures a planted shortcut? Every method beside plain training, an oracle and a ceiling, judged by interventions.

The shortcut of the phantom is one alone (``--shortcut marker``), or some (``--shortcut marker+border``), so that the
rest of an image says nothing of the hospital. Four kinds of rows, always:

* ``erm``: plain training where the marker gives the class away;
* ``oracle``: plain training on as many films of the same rooms whose markers say nothing, for as long as the ceiling;
* ``ceiling``: plain training on the lungs alone, noise all around: what a method that looks at the lungs can reach;
* the methods, trained on the films of ``erm``; those of the last layer (dfr, p-clarc) start from ``erm`` itself, and
  the distillations (tea, outputs, representations, grad-cam-outputs) have ``ceiling`` as their teacher.

What a model uses is asked by interventions on films of a fair test set, whose markers say nothing, never by where a map
says that it looks: exchange the marker and keep the patient; grey the lungs; black out all but the lungs. Beside it
stands the verdict of swap-test, where the shortcut is a region, on the test fold of the films that it was trained on:
it exchanges the regions of a positive and a negative, which on fair films differ in no direction.

``python tests/studies/cures.py --out study`` measures what ``study/cures.csv`` lacks and prints the tables; ``--arch
resnet18 --size 128 --images 12000`` is meant for a GPU, ``--workers N`` trains N models at the same time, and
``--seconds S`` begins no further training after so long.
"""

import argparse
import itertools
import multiprocessing
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.stats import t as student

from cxrshort.attribution import METHODS
from cxrshort.columns import COVID, MASK_BITS
from cxrshort.compute import Compute, choose_compute
from cxrshort.dataset import load_dataset
from cxrshort.models import checkpoint, factory
from cxrshort.models.classifier import Classifier
from cxrshort.models.pipeline import noise_field
from cxrshort.models.scoring import score
from cxrshort.registry import load_entry
from cxrshort.stats.auc import auc
from cxrshort.training import CURES, DISTILLATIONS
from cxrshort.training.teachers import StudentOptions, TeacherOptions
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.swap_test import swap_test
from cxrshort.verbs.tea_distill import tea_distill
from cxrshort.verbs.train import train

CELLS = f"repository,{COVID}"
AGREE = f"(repository == 'site-b' and {COVID} == 1) or (repository == 'site-a' and {COVID} == 0)"
WEIGHTS = {
    "rrr": ("weight=0.001", "weight=1000"),
    "gain": ("supervision=10",),
    "isnet": ("share=0.7,decay=0.9", "share=0.95,decay=0.996"),
}
"""Of each mask method, the published weight first; the one that is reported is chosen on the validation fold."""
CEILING = {"background": "noise", "masks": True, "epochs": 30}
"""On 6,000 films, one seed, noise reached a validation AUC of .79 in 30 epochs, and black .66 in its best one."""
DISTILLED = ("tea", "outputs", "representations", "grad-cam-outputs")
PRESETS = {"marker": "markers", "border": "borders", "shoulders": "shoulders"}
PAIRS, PATCHES = 60, 200
ACCUSED = {"shortcut": 1.0, "suspicious": 0.5, "no evidence": 0.0}
TEST_FILMS = 3000
GRADIENT_FILMS = 500
TUNING = "tuning: AUC on val, backgrounds exchanged"
COLUMNS = ["arch", "size", "images", "epochs", "shortcut", "bias", "method", "setting", "seed", "measure", "value"]


@dataclass(frozen=True)
class Setting:
    """Say how one row of a table is trained.

    Args:
        method: a row's name.
        overrides: what differs from the plain recipe.
        fair: whether it is trained where the marker says nothing.
        note: what tells it from other settings of the method.
    """

    method: str
    overrides: Mapping[str, Any]
    fair: bool = False
    note: str = ""


def settings(bias: float, shortcut: str) -> list[Setting]:
    """Return the rows of one table: masks where the marker gives all away, groups where there are all four cells."""
    rows = [
        Setting("erm", {}),
        Setting("oracle", {"epochs": CEILING["epochs"]}, fair=True),
        Setting("ceiling", CEILING),
    ]
    if bias < 1:
        rows.append(Setting("group-dro", {"method": "group-dro", "group": CELLS}))
        rows.append(Setting("pgi", {"method": "pgi", "group": "repository"}))
        rows.append(Setting("dfr", {"method": "dfr", "group": "repository"}))
        for text in ("", "within=none", "reactive=true"):
            own = {"method": "p-clarc", "group": "repository", "settings": text}
            rows.append(Setting("p-clarc", own, note=text))
        return [*rows, Setting("irm", {"method": "irm", "group": AGREE})]
    for method, texts in WEIGHTS.items():
        # The first epochs of isnet are plain training: published 5, too many for so short a run.
        more = ",warm_up_epochs=2" if method == "isnet" else ""
        rows += [Setting(method, {"method": method, "settings": text + more}, note=text) for text in texts]
    if "marker" in shortcut:  # dfr has no minority to balance here, and p-clarc no column that differs from the class
        own = {"method": "p-clarc", "settings": "source=masks", "mask_bit": "marker"}
        rows.append(Setting("p-clarc", own, note="source=masks"))
    return [*rows, *(Setting(method, {}) for method in DISTILLED)]


class Films:
    """Hold images in memory as the scan over a dataset takes them.

    Args:
        images: (N, H, W) uint8.
    """

    def __init__(self, images: npt.NDArray[np.uint8]) -> None:
        self.images = images

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Return (H, W)."""
        return self.images.shape[1:]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def take(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Return (n, H, W) uint8."""
        return self.images[np.asarray(indices)]


def draw(home: Path, name: str, *, bias: float, seed: int, images: int, arguments: argparse.Namespace) -> Path:
    """Draw a phantom dataset whose hospitals differ in one shortcut, once."""
    out = home / f"{name}-{arguments.shortcut}-{bias}-{seed}"
    if not (out / "run.json").exists():
        build_dataset(
            name,
            out=out,
            number_of_images=images,
            size=arguments.size,
            replicates=1,
            seed=seed,
            bias=bias,
            shortcuts=tuple(arguments.shortcut.split("+")),
            jobs=arguments.jobs,
            force=True,
        )
    return out


@dataclass(frozen=True)
class Fold:
    """Hold images (N, H, W), the masks of the lungs, the truth (N,) and the hospital of each film."""

    images: npt.NDArray[np.uint8]
    lungs: npt.NDArray[np.bool_]
    truth: npt.NDArray[np.float64]
    hospital: npt.NDArray[np.object_]


def read(folder: Path, split: str) -> Fold:
    """Return a fold in memory, ``"all"`` for every film."""
    data = load_dataset(str(folder)).fold(split, replicate=0)
    rows = np.arange(len(data.manifest))
    masks = data.masks
    if masks is None:
        raise SystemExit(f"{folder} has no masks")
    lungs = (masks.take(rows) & MASK_BITS["lungs"]) > 0
    manifest = data.manifest
    return Fold(
        data.pixels.take(rows), lungs, manifest[COVID].to_numpy(np.float64), manifest["repository"].to_numpy(object)
    )


def logits(model: Classifier, images: npt.NDArray[np.uint8], compute: Compute) -> npt.NDArray[np.float64]:
    """Return the logits (N,) of images (N, H, W)."""
    return score(model, Films(images), compute=compute, batch_size=256)[:, 0].astype(np.float64)


def area(truth: npt.NDArray[np.float64], scores: npt.NDArray[np.float64]) -> float:
    """Return an AUC."""
    value = auc(truth, scores)
    return np.nan if value is None else float(value)


def gradient_outside(model: Classifier, fold: Fold, compute: Compute) -> float:
    """Return the share of the absolute gradient of the logit that lies outside the lungs, over a few hundred films.

    It is what RRR penalises, in another scale: small beside the exchange of markers would mean that the gradients hide
    what the model uses; unchanged beside a small logit, that the penalty was met by scaling all of it down.
    """
    method = load_entry(METHODS, "gradient", kind="attribution method")
    few = slice(0, GRADIENT_FILMS)
    images = torch.from_numpy(fold.images[few]).float()[:, None].to(compute.torch_device) / 255
    maps = method(model, images, torch.zeros(len(images), dtype=torch.int64)).abs().cpu().numpy()
    return float((maps * ~fold.lungs[few]).sum() / maps.sum())


def worst_group_error(fold: Fold, scores: npt.NDArray[np.float64]) -> float:
    """Return the highest error over hospital and diagnosis, at a probability of one half."""
    wrong = (scores > 0) != (fold.truth == 1)
    return float(pd.Series(wrong).groupby([fold.hospital, fold.truth]).mean().max())


def measure(folder: Path, home: Path, *, seed: int, bias: float, arguments: argparse.Namespace) -> dict[str, float]:
    """Return what one trained model uses, by interventions."""
    compute = choose_compute(arguments.device, threads=1 if arguments.device == "cpu" else None)
    model, description = factory.load_model(folder / checkpoint.FILE)
    model = model.to(compute.torch_device)
    train_films = {"bias": bias, "seed": seed, "images": arguments.images, "arguments": arguments}
    fair_films = {"bias": 0.5, "seed": 3000 + seed, "images": arguments.test_images, "arguments": arguments}
    own = read(draw(home, "phantom-I", **train_films), "test")
    val = read(draw(home, "phantom-I", **train_films), "val")
    worst = read(draw(home, "phantom-deceiving", **train_films), "test")
    fair = read(draw(home, "phantom-I", **fair_films), "all")
    other = read(draw(home, "phantom-deceiving", **fair_films), "all")

    def scores(images: npt.NDArray[np.uint8], lungs: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        if not description.background:
            return logits(model, images, compute)
        field = noise_field(description.background, channels=1, size=images.shape[-1]).numpy()
        return logits(model, np.where(lungs, images, np.round(255 * field)).astype(np.uint8), compute)

    usual = scores(fair.images, fair.lungs)
    grey = np.where(fair.lungs, fair.images.mean((1, 2), keepdims=True), fair.images).astype(np.uint8)
    black = np.where(fair.lungs, fair.images, 0).astype(np.uint8)
    # The lungs of each validation film before the background of another one, whatever that one's class: what a user
    # without knowledge of the shortcut can tune on.
    others = np.random.default_rng(seed).permutation(len(val.images))
    mixed = np.where(val.lungs, val.images, val.images[others]).astype(np.uint8)
    return {
        "AUC, own test fold": area(own.truth, scores(own.images, own.lungs)),
        "AUC, styles deceive": area(own.truth, scores(worst.images, worst.lungs)),
        "AUC, fair": area(fair.truth, usual),
        "worst-group error, fair": worst_group_error(fair, usual),
        "effect of exchanging styles, SD": float(
            np.abs(scores(other.images, other.lungs) - usual).mean() / usual.std()
        ),
        "AUC, lungs greyed": area(fair.truth, scores(grey, fair.lungs)),
        "AUC, background black": area(fair.truth, scores(black, fair.lungs)),
        "SD of the logit": float(usual.std()),
        "share of |gradient| outside the lungs": gradient_outside(model, fair, compute),
        TUNING: area(val.truth, scores(mixed, val.lungs)),
        "validation AUC": area(val.truth, scores(val.images, val.lungs)),
    }


def accusation(folder: Path, data: Path, *, seed: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Return what swap-test says of the planted regions of a test fold: 1 accused, 0.5 suspicious, 0 no evidence."""
    accused: dict[str, float] = {}
    for shortcut in arguments.shortcut.split("+"):
        if shortcut not in PRESETS:
            continue
        result = swap_test(
            folder,
            dataset=str(data),
            label=COVID,
            preset=(PRESETS[shortcut],),
            pairs=PAIRS,
            patches=PATCHES,
            seed=seed,
            out=folder.with_name(f"{folder.name}-swap"),
            force=True,
            device=arguments.device,
            threads=1 if arguments.device == "cpu" else None,
        )
        row = max(result.summary["findings"], key=lambda finding: ACCUSED.get(finding["verdict"], -1.0))
        accused[f"swap-test of the {shortcut}, accused"] = ACCUSED.get(row["verdict"], np.nan)
        accused[f"swap-test of the {shortcut}, SD"] = np.nan if row["effect"] is None else float(row["effect"])
    return accused


def learn(task: tuple[Setting, float, int, argparse.Namespace]) -> list[dict[str, Any]]:
    """Train one model, ask what it uses, and return rows of the table."""
    setting, bias, seed, arguments = task
    home = arguments.out / "films"
    trained_on = 0.5 if setting.fair else bias
    data = draw(home, "phantom-I", bias=trained_on, seed=seed, images=arguments.images, arguments=arguments)
    out = (
        arguments.out
        / f"{arguments.shortcut}-{setting.method}-{setting.note.replace('=', '-').replace(',', '-')}-{bias}-{seed}"
    )
    usual = {
        "epochs": arguments.epochs,
        "batch_size": 64,
        "labels": COVID,
        "select_label": None,
        "selection": "last",
        "clip_norm": 1.0,
    }
    started = time.monotonic()
    precision = "fp32" if setting.method in ("rrr", "gain", "isnet") else "auto"
    overrides = {**usual, **setting.overrides}
    same = {"arch": arguments.arch, "seed": seed, "device": arguments.device, "threads": 1}
    if setting.method in CURES:
        start = arguments.out / f"start-{arguments.shortcut}-{bias}-{seed}"
        train(str(data), overrides=usual, out=start, precision="auto", resume=start.exists(), **same)
        overrides, started = {**setting.overrides, "weights": str(start)}, time.monotonic()
    teacher = arguments.out / f"teacher-{arguments.shortcut}-{bias}-{seed}"
    if setting.method in (*DISTILLATIONS, "ceiling"):
        train(str(data), overrides=usual | CEILING, out=teacher, precision="auto", resume=teacher.exists(), **same)
    if setting.method in DISTILLATIONS:
        started = time.monotonic()
        student = StudentOptions(arguments.arch, method=setting.method, overrides=setting.overrides)
        del same["arch"]
        tea_distill(str(data), teacher=TeacherOptions(str(teacher)), student=student, out=out, force=True, **same)
    elif setting.method == "ceiling":
        out = teacher
    else:
        train(str(data), overrides=overrides, out=out, precision=precision, force=True, **same)
    seconds = time.monotonic() - started
    values = measure(out, home, seed=seed, bias=bias, arguments=arguments)
    values |= accusation(out, data, seed=seed, arguments=arguments) | {"seconds": seconds}
    if out != teacher:
        shutil.rmtree(out)
    shutil.rmtree(out.with_name(f"{out.name}-swap"), ignore_errors=True)
    fixed = {
        **{name: getattr(arguments, name) for name in ("arch", "size", "images", "epochs", "shortcut")},
        "bias": bias,
        "method": setting.method,
        "setting": setting.note,
        "seed": seed,
    }
    return [{**fixed, "measure": name, "value": value} for name, value in values.items()]


def interval(values: "pd.Series[float]") -> str:
    """Return the mean over seeds with its 95 % t interval."""
    mean, count = values.mean(), len(values)
    if count < 2:
        return f"{mean:.3f}"
    half = float(student.ppf(0.975, count - 1)) * values.std(ddof=1) / count**0.5
    return f"{mean:.3f} [{mean - half:.3f}, {mean + half:.3f}]"


def chosen_on_val(rows: pd.DataFrame) -> set[tuple[str, str]]:
    """Return the setting of each method with the best tuning measure, a mean over seeds on the validation fold."""
    means = rows[rows["measure"] == TUNING].groupby(["method", "setting"])["value"].mean()
    return {best for _, part in means.groupby("method") if len(part) > 1 for best in [part.idxmax()]}


def show(measured: pd.DataFrame) -> None:
    """Print a table for each bias and network; a star marks the setting of a method that validation chooses."""
    by = ["arch", "size", "images", "epochs", "shortcut", "bias"]
    for key, rows in measured.groupby(by, sort=False):
        rows = rows.fillna("")
        best = chosen_on_val(rows)
        stars = [
            f"{text} *" if (method, text) in best else text
            for method, text in zip(rows["method"], rows["setting"], strict=True)
        ]
        table = rows.assign(setting=stars).groupby(["method", "setting", "measure"], sort=False)["value"]
        title = ", ".join(f"{name} {value}" for name, value in zip(by, key, strict=True))
        text = table.apply(interval).unstack(sort=False).T.to_string()
        sys.stdout.write(f"\n{title}, {rows['seed'].nunique()} seeds\n{text}\n")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("study"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arch", default="small-cnn")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--test-images", type=int, default=TEST_FILMS)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--shortcut", default="marker")
    parser.add_argument("--bias", type=float, nargs="+", default=[1.0, 0.8])
    parser.add_argument("--methods", nargs="+")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=np.inf)
    return parser.parse_args()


def main() -> None:
    """Measure what is missing, and print all."""
    arguments, started = parse(), time.monotonic()
    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / "cures.csv"
    measured = pd.read_csv(file, keep_default_na=False) if file.exists() else pd.DataFrame(columns=COLUMNS)
    identity = ["arch", "shortcut", "bias", "method", "setting", "seed"]
    completed = {tuple(row) for row in measured[identity].to_numpy()}
    tasks = []
    for seed, bias in itertools.product(range(arguments.seeds), arguments.bias):
        for name in ("phantom-I", "phantom-deceiving"):  # drawn before the workers start, which share them
            draw(arguments.out / "films", name, bias=bias, seed=seed, images=arguments.images, arguments=arguments)
            draw(
                arguments.out / "films",
                name,
                bias=0.5,
                seed=3000 + seed,
                images=arguments.test_images,
                arguments=arguments,
            )
        draw(arguments.out / "films", "phantom-I", bias=0.5, seed=seed, images=arguments.images, arguments=arguments)
        tasks += [
            (setting, bias, seed, arguments)
            for setting in settings(bias, arguments.shortcut)
            if (not arguments.methods or setting.method in arguments.methods)
            and (arguments.arch, arguments.shortcut, bias, setting.method, setting.note, seed) not in completed
        ]
    sys.stderr.write(f"films drawn after {time.monotonic() - started:.0f} s; {len(tasks)} trainings\n")
    context = multiprocessing.get_context("spawn")
    with context.Pool(arguments.workers, maxtasksperchild=1 if arguments.workers == 1 else None) as pool:
        for rows in pool.imap_unordered(learn, tasks):
            measured = pd.concat([measured, pd.DataFrame(rows)], ignore_index=True)
            measured.to_csv(file, index=False)
            first = rows[0]
            spent = time.monotonic() - started
            sys.stderr.write(f"{spent:.0f} s: {first['method']} {first['setting']} {first['bias']} {first['seed']}\n")
            if spent > arguments.seconds:
                pool.terminate()
                break
    show(measured)


if __name__ == "__main__":
    main()
