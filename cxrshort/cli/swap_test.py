"""``cxrshort swap-test``."""

from typing import Annotated

from cxrshort.cli import early, gate
from cxrshort.cli.options import (
    DATA,
    MACHINE,
    REGIONS,
    Dataset,
    Device,
    DryRun,
    FailOn,
    Force,
    Json,
    LungMasks,
    LungSegmenter,
    ModelArgument,
    Out,
    Precision,
    Quiet,
    RegionBoxes,
    Resume,
    Split,
    ThreadsKept,
    Verbose,
    check_loudness,
    option,
    seed_option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.processes import quiet_unless
from cxrshort.cli.progress import progress

TRIALS = "Trials"


def swap_test(
    model: ModelArgument,
    dataset: Dataset,
    split: Split = "test",
    label: Annotated[
        str | None,
        option(
            "--label",
            text="Label whose logit is the score.",
            metavar="LABEL",
            panel=DATA,
            default="COVID-19, else the first",
        ),
    ] = None,
    regions: RegionBoxes = None,
    preset: Annotated[
        list[str] | None,
        option(
            "--preset",
            text="Detect boxes in the films: markers, shoulders or borders; joined by commas, or repeatable.",
            metavar="NAME",
            panel=REGIONS,
            default="all regions of the dataset",
        ),
    ] = None,
    original_pixels: Annotated[
        bool,
        option("--original-pixels", text="Read the boxes of --regions in pixels of the original films.", panel=REGIONS),
    ] = False,
    masks: LungMasks = None,
    segmenter: LungSegmenter = None,
    intervention: Annotated[
        str | None,
        option(
            "--intervention",
            text="Intervention in a region: replace, swap, move, blur, inpaint or mean.",
            metavar="NAME",
            panel=TRIALS,
            default="replace",
        ),
    ] = None,
    pairs: Annotated[
        int,
        option(
            "--pairs",
            text="Pairs per region: a positive and a negative of different persons.",
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
            text="Random patches per image, for the null distribution.",
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
            text="Destination of moved regions: corner, top, left, right or bottom.",
            metavar="EDGE",
            panel=TRIALS,
            default=True,
        ),
    ] = "corner",
    seed: Annotated[int, seed_option("Random seed of pairs, patches and intervals.", panel=TRIALS)] = 0,
    out: Out = None,
    resume: Resume = False,
    force: Force = False,
    dry_run: DryRun = False,
    batch_size: Annotated[
        int,
        option("--batch-size", text="Images per forward pass.", metavar="N", panel=MACHINE, default=True, least=1),
    ] = 64,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: ThreadsKept = None,
    fail_on: FailOn = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Exchange regions between a positive and a negative radiograph, and test whether the model relies on them.

    Each region gets a verdict: shortcut, suspicious, no evidence (with the smallest detectable effect), or not
    testable. Writes findings.csv (the verdicts), population.csv (the published test), changes.csv (one row per trial),
    null.npy (logits with random patches), boxes.csv, figures, summary.json and run.json into
    results/MODEL/DATASET-swap-test (or --out).

    replace, the default intervention, copies the partner's pixels into the boxes of an image, and also where the
    partner's own boxes lie elsewhere, so that a marker is transferred together with its position. If the model relies
    on it, the logit of the positive falls and that of the negative rises. The verdict rests on the median change in
    this direction, in standard deviations of the logits, compared with the mean change by random patches of the same
    size (Wilcoxon signed-rank test over pairs, Holm correction over regions). blur, inpaint and mean need no partner
    and predict no direction.

    The published test (DeGrave et al. 2021) is printed beside the verdicts: the contents of markers swapped in both
    directions, by magnitude; the shoulders of negatives moved to the top corners.

    shortcut: an effect of at least 0.25 at p of at most 0.05. suspicious: such an effect at p of at most 0.2, or one as
    large against the predicted direction. no evidence: anything else. not testable: one class only, too few pairs or
    boxes, or a model that gives every image the same score.

    The thresholds were checked on phantoms with small networks and ResNet-18. Of 60 models trained without a shortcut,
    none got the verdict shortcut, and 0 got suspicious; 80 models were trained with a marker or border that matched the
    class in 90 or 100 % of the films, and all of them got the verdict shortcut for it, as did 17 of 20 for shoulders
    that matched it in all films. Planted exposure was missed.

    The boxes of a --preset are written to boxes.csv; correct them there, and read them back with --regions. Controls
    follow the verdicts: the lungs replaced (a good model reacts), a box exchanged with itself (exactly 0), and
    exchanges within one class (no change).

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
        gate.exit_on_verdict(result, fail_on)
