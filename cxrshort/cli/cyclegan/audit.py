"""``cxrshort cyclegan audit``."""

from pathlib import Path
from typing import Annotated

from cxrshort.cli import early, gate
from cxrshort.cli.options import (
    DATA,
    MACHINE,
    Dataset,
    Device,
    DryRun,
    FailOn,
    Force,
    Json,
    LungMasks,
    LungSegmenter,
    Out,
    Precision,
    Quiet,
    RegionBoxes,
    Resume,
    Split,
    Threads,
    Verbose,
    argument,
    check_loudness,
    option,
    seed_option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.processes import quiet_unless
from cxrshort.cli.progress import progress

CHANGES = "Transformed images"


def audit(
    model: Annotated[str, argument("MODEL", "CycleGAN: a model file or run folder of cyclegan train.")],
    classifiers: Annotated[
        list[str],
        argument("CLASSIFIER", "Model files, run folders, or models trained elsewhere (see evaluate)."),
    ],
    dataset: Dataset,
    split: Split = "test",
    label: Annotated[
        str | None,
        option(
            "--label",
            text="Label whose log-odds count.",
            metavar="LABEL",
            panel=DATA,
            default="COVID-19, else the first",
        ),
    ] = None,
    regions: RegionBoxes = None,
    masks: LungMasks = None,
    segmenter: LungSegmenter = None,
    images: Annotated[
        int,
        option(
            "--images",
            text="Images of each side at most, a random sample.",
            metavar="N",
            panel=CHANGES,
            default=True,
            least=1,
        ),
    ] = 100,
    places: Annotated[
        int,
        option(
            "--places",
            text="Other places per region and image in which its shape is transformed, for comparison.",
            metavar="N",
            panel=CHANGES,
            default=True,
            least=1,
            most=1000,
        ),
    ] = 4,
    inception: Annotated[
        Path | None,
        option(
            "--inception",
            text="Weights of torchvision's Inception-v3 (safetensors) for the kernel distance.",
            metavar="FILE",
            panel=CHANGES,
            default="the classifiers' own features",
        ),
    ] = None,
    seed: Annotated[int, seed_option("Random seed of samples, places and intervals.", panel=CHANGES)] = 0,
    out: Out = None,
    force: Force = False,
    resume: Resume = False,
    dry_run: DryRun = False,
    batch_size: Annotated[
        int,
        option("--batch-size", text="Images per forward pass.", metavar="N", panel=MACHINE, default=True, least=1),
    ] = 64,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    fail_on: FailOn = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Transform images of both classes by a CycleGAN, and test which changed regions classifiers rely on.

    Each region gets a verdict per classifier: shortcut, suspicious, no evidence (with the smallest detectable effect),
    or not testable. Writes findings.csv (the verdicts), population.csv (flips and changes of the log-odds), regions.csv
    (where images changed), carried.csv (what each region carries of the change), changes.csv (one row per image),
    distances.csv (kernel distances), parts-N-to.npy and parts-N-from.npy (the log-odds of every part by classifier N),
    figures, summary.json and run.json into results/MODELS/DATASET-cyclegan-audit (or --out). --resume scores what an
    interruption left.

    Images are those of the fold that no model was trained on: of the side --from of the training in the direction to
    the other, and the reverse. Decisions are compared at a probability of 0.5, and at Youden's threshold of the
    validation fold. Beside each change of the log-odds stands that of a sham, images that were of the other side
    already: what the traces of the generator do, whatever tells the sides apart.

    Where images changed: the share of the absolute difference that lies in a region, over the share of its area. It is
    tested against whole maps of differences shifted over the image, and against a sham: images that need no change,
    transformed by the same generator. The marker's region is joined by the places where markers of the other side
    usually lie.

    What a region carries: the change of the log-odds where this region alone is transformed, and where all but it is,
    as a share of the change of the whole image. The verdict rests on the median of the former in the predicted
    direction, in standard deviations of the original log-odds, compared with the mean change by the same shape in other
    places of the image (Wilcoxon signed-rank test over persons, Holm correction over regions).

    shortcut: an effect of at least 0.25 at p of at most 0.05, in a region that was changed more than its area says,
    more than other places (p of at most 0.05), and more than in the sham. suspicious: such an effect at p of at most
    0.2, or without these changes, or against the predicted direction. no evidence: anything else. not testable: lungs,
    heart, mediastinum and diaphragm, where findings lie, and regions of too few persons.

    Of 25 models that were trained on phantoms without a shortcut, none got the verdict shortcut, and 0 got suspicious;
    of ten that were trained with a marker or border in every film of a class, all got shortcut for that region.

    A CycleGAN need not change all that a classifier relies on: a region without a verdict is not acquitted. Changes of
    the whole image, such as exposure, have no region.

    Under torchrun several processes transform and score a share each; the first one writes and prints.

    Example: cxrshort cyclegan audit runs/cyclegan runs/phantom-I/small-cnn/erm/replicate-0 --dataset phantom-I
    """
    check_loudness(quiet=quiet, verbose=verbose)
    gate.check_level(fail_on)
    first = early.is_first()
    with quiet_unless(first):
        early.models([model, *classifiers])
        early.dataset(dataset)
    early.spare_threads(device=device, precision=precision, threads=threads, quiet=quiet)
    from cxrshort.verbs.cyclegan.audit import audit as run

    with progress(quiet=quiet or not first) as report, quiet_unless(first):
        result = run(
            model,
            classifiers,
            dataset=dataset,
            split=split,
            label=label,
            images=images,
            places=places,
            masks=masks,
            segmenter=segmenter,
            regions=regions,
            inception=inception,
            batch_size=batch_size,
            seed=seed,
            out=out,
            device=device,
            precision=precision,
            threads=threads,
            dry_run=dry_run,
            force=force,
            resume=resume,
            report=report,
        )
    if first:
        print_result(result, json=json, quiet=quiet, verbose=verbose)
        gate.exit_on_verdict(result, fail_on)
