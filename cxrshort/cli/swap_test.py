"""``cxrshort swap-test``."""

from pathlib import Path
from typing import Annotated

import typer

from cxrshort.cli import early, gate
from cxrshort.cli.options import (
    DATA,
    LARGEST_SEED,
    MACHINE,
    Dataset,
    Device,
    DryRun,
    FailOn,
    Force,
    Json,
    Out,
    Precision,
    Quiet,
    Resume,
    Threads,
    Verbose,
    check_loudness,
    option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.processes import quiet_unless
from cxrshort.cli.progress import progress

REGIONS = "Regions"
TRIALS = "Trials"


def swap_test(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Model file, run folder, or a model trained elsewhere (see evaluate).",
            show_default=False,
        ),
    ],
    dataset: Dataset,
    split: Annotated[
        str,
        option("--split", text="Fold to test on: test, val, train or all.", metavar="S", panel=DATA, default=True),
    ] = "test",
    label: Annotated[
        str | None,
        option(
            "--label",
            text="Finding whose logit is the score.",
            metavar="LABEL",
            panel=DATA,
            default="COVID-19, else the first",
        ),
    ] = None,
    regions: Annotated[
        Path | None,
        option(
            "--regions",
            text="Table of boxes: image_id,region,x0,y0,x1,y1, in pixels of the cached square.",
            metavar="CSV",
            panel=REGIONS,
        ),
    ] = None,
    preset: Annotated[
        list[str] | None,
        option(
            "--preset",
            text="Find boxes: markers, shoulders or borders; several joined by commas, or repeatable.",
            metavar="NAME",
            panel=REGIONS,
            default="all regions of the dataset",
        ),
    ] = None,
    original_pixels: Annotated[
        bool,
        option("--original-pixels", text="Boxes of --regions are in pixels of the original films.", panel=REGIONS),
    ] = False,
    masks: Annotated[
        Path | None,
        option(
            "--masks",
            text="Lung masks: a folder with one file per image, or a .npy file with one for each row of images.npy.",
            metavar="PATH",
            panel=REGIONS,
            default="the dataset's",
        ),
    ] = None,
    segmenter: Annotated[
        str | None,
        option(
            "--segmenter", text="Segmenter that draws lungs where there is no mask.", metavar="MODEL", panel=REGIONS
        ),
    ] = None,
    intervention: Annotated[
        str | None,
        option(
            "--intervention",
            text="What is done to a region: swap, replace, move, blur, inpaint or mean.",
            metavar="NAME",
            panel=TRIALS,
            default="replace",
        ),
    ] = None,
    pairs: Annotated[
        int,
        option(
            "--pairs",
            text="Pairs of a positive and a negative of different persons, for each region.",
            metavar="N",
            panel=TRIALS,
            default=True,
            least=1,
            most=10_000,
        ),
    ] = 20,
    patches: Annotated[
        int,
        option(
            "--patches",
            text="Random patches for each image, the null.",
            metavar="N",
            panel=TRIALS,
            default=True,
            least=1,
            most=1_000_000,
        ),
    ] = 1000,
    to: Annotated[
        str,
        option(
            "--to",
            text="Where a moved region goes: corner, top, left, right or bottom.",
            metavar="EDGE",
            panel=TRIALS,
            default=True,
        ),
    ] = "corner",
    seed: Annotated[
        int,
        option(
            "--seed",
            text="Random seed of pairs, patches and intervals.",
            metavar="N",
            panel=TRIALS,
            default=True,
            least=0,
            most=LARGEST_SEED,
        ),
    ] = 0,
    out: Out = None,
    resume: Resume = False,
    force: Force = False,
    dry_run: DryRun = False,
    batch_size: Annotated[
        int,
        option(
            "--batch-size", text="Images in the network at a time.", metavar="N", panel=MACHINE, default=True, least=1
        ),
    ] = 64,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    fail_on: FailOn = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Exchange regions of radiographs between a positive and a negative, and say whether a model leans on them.

    Each region ends in a verdict: shortcut, suspicious, no evidence (with the smallest effect that would have been
    seen), or not testable. Writes findings.csv, population.csv, changes.csv (a row per trial), null.npy, boxes.csv,
    figures, summary.json and run.json into results/MODEL/DATASET-swap-test (or --out).

    An image takes what its partner shows in the same boxes, and in the partner's own boxes that lie elsewhere, so that
    a marker comes with its place (replace). A positive should fall then, and a negative rise. The verdict rests on the
    median change in that direction, in standard deviations of the logits, tested against the mean change by random
    patches of the same size (Wilcoxon signed-rank over pairs, Holm over regions). The published test (DeGrave et al.
    2021) stands beside it: contents of markers swapped both ways, by magnitude; shoulders of negatives moved to the top
    corners. blur, inpaint and mean need no partner and predict no direction.

    shortcut: an effect of at least 0.25 at p of at most 0.05. suspicious: such an effect at p of at most 0.2, or as
    strong a one against the prediction. no evidence: anything else. not testable: one class only, too few pairs or
    boxes, or a model that gives all images one score. Of 60 clean models of the phantom (small networks and ResNet-18),
    0 were accused and 2 called suspicious; of 80 whose marker or border gave the class away in 90 % or all of their
    films, all were.

    Boxes of a --preset are written to boxes.csv: correct them, and give them back by --regions. Controls follow the
    verdicts: the lungs replaced (a good model reacts), a box exchanged with itself (exactly 0), and exchanges within
    one class (no change).

    Under torchrun several processes score a share of the trials each; the first one writes and prints.

    Example: cxrshort swap-test runs/phantom-I/small-cnn/erm/replicate-0 --dataset phantom-I
    """
    check_loudness(quiet=quiet, verbose=verbose)
    gate.check_level(fail_on)
    first = early.is_first()
    with quiet_unless(first):
        early.models([model])
        early.dataset(dataset)
    early.spare_threads(device=device, precision=precision, threads=threads, quiet=quiet)
    from cxrshort.verbs.swap_test import swap_test as run

    with progress(quiet=quiet or not first) as report, quiet_unless(first):
        result = run(
            model,
            dataset=dataset,
            split=split,
            label=label,
            regions=regions,
            preset=preset or (),
            intervention=intervention,
            pairs=pairs,
            patches=patches,
            masks=masks,
            segmenter=segmenter,
            to=to,
            original_pixels=original_pixels,
            batch_size=batch_size,
            seed=seed,
            out=out,
            device=device,
            precision=precision,
            threads=threads,
            resume=resume,
            dry_run=dry_run,
            force=force,
            report=report,
        )
    if first:
        print_result(result, json=json, quiet=quiet, verbose=verbose)
        gate.exit_if_found(result, fail_on)
