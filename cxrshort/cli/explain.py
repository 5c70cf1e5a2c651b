"""``cxrshort explain``."""

from pathlib import Path
from typing import Annotated

import typer

from cxrshort.cli import early, gate
from cxrshort.cli.options import (
    DATA,
    LARGEST_SEED,
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
from cxrshort.errors import UsageError

METHOD = "Attribution"
REGIONS = "Regions"


def explain(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Model file, run folder, or model trained elsewhere.",
            show_default=False,
        ),
    ] = "",
    dataset: Dataset = "",
    split: Annotated[
        str,
        option("--split", text="Fold to explain: test, val, train or all.", metavar="S", panel=DATA, default=True),
    ] = "test",
    label: Annotated[
        list[str] | None,
        option(
            "--label",
            text="Label to explain; repeatable.",
            metavar="LABEL",
            panel=DATA,
            default="COVID-19, else the first",
        ),
    ] = None,
    images: Annotated[
        int | None,
        option(
            "--images",
            text="Explain a random sample of so many images, balanced over the classes.",
            metavar="N",
            panel=DATA,
            default="all",
            least=1,
        ),
    ] = None,
    method: Annotated[
        str,
        option("--method", text="Attribution method; help lists them.", metavar="NAME", panel=METHOD, default=True),
    ] = "expected-gradients",
    settings: Annotated[
        list[str] | None,
        option(
            "--set",
            text="Setting of the method, such as samples=500; repeatable; help lists them.",
            metavar="NAME=VALUE",
            panel=METHOD,
        ),
    ] = None,
    background: Annotated[
        str | None,
        option(
            "--background",
            text="Dataset whose training fold gives the references.",
            metavar="D",
            panel=METHOD,
            default="the explained one",
        ),
    ] = None,
    references: Annotated[
        int,
        option(
            "--references",
            text="Reference images without the label.",
            metavar="N",
            panel=METHOD,
            default=True,
            least=1,
        ),
    ] = 200,
    batch_size: Annotated[
        int,
        option(
            "--batch-size",
            text="Images, or pairs of an image and a reference, in the network at a time.",
            metavar="N",
            panel=METHOD,
            default=True,
            least=1,
        ),
    ] = 32,
    clusters: Annotated[
        int | None,
        option(
            "--clusters",
            text="Number of clusters of maps.",
            metavar="K",
            panel=METHOD,
            default="left to the maps",
            least=1,
        ),
    ] = None,
    sanity: Annotated[
        bool,
        option(
            "--sanity",
            text="Check whether the maps mean anything: randomised layers, another background, hidden cells.",
            panel=METHOD,
        ),
    ] = False,
    seed: Annotated[
        int,
        option(
            "--seed",
            text="Seed of samples and random draws.",
            metavar="N",
            panel=METHOD,
            default=True,
            least=0,
            most=LARGEST_SEED,
        ),
    ] = 0,
    masks: Annotated[
        Path | None,
        option(
            "--masks",
            text="Lung masks: a folder of mask files, or a .npy file with a mask for each row of images.npy.",
            metavar="DIR",
            panel=REGIONS,
        ),
    ] = None,
    segmenter: Annotated[
        str | None,
        option(
            "--segmenter",
            text="Draw the lungs of images without a mask with this segmenter.",
            metavar="MODEL",
            panel=REGIONS,
        ),
    ] = None,
    regions: Annotated[
        Path | None,
        option(
            "--regions",
            text="Boxes: image_id,region,x0,y0,x1,y1, in pixels of the dataset's images.",
            metavar="CSV",
            panel=REGIONS,
        ),
    ] = None,
    expected: Annotated[
        str,
        option(
            "--expected",
            text="Regions where the finding may lie, which no verdict accuses.",
            metavar="A,B",
            panel=REGIONS,
            default=True,
        ),
    ] = "lungs,heart,mediastinum,diaphragm",
    out: Out = None,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    dry_run: DryRun = False,
    force: Force = False,
    resume: Resume = False,
    fail_on: FailOn = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Show where a model looks: attribution maps of a whole fold, the share of each region, and a verdict on it.

    Writes maps.npy (a signed map for each image, in logits) with maps.csv, shares.csv (share of absolute attribution
    beside the share of the area, by region and class), findings.csv (the verdicts), visible.csv (AUC of images of which
    only the border or the lungs are shown, or hidden), localisation.csv (maps of positives against lung masks and boxes
    of the finding, where there are any), clusters.csv, most-driven.csv, maps.png, mean-maps.png, shares.png,
    clusters.png, summary.json and run.json into results/MODEL/DATASET-explain (or --out). Patients seen in training are
    refused, unless --split train asks for them.

    The verdict on a region is shortcut where it carries at least 25 % of what tells the maps of positives and negatives
    apart (p at most 0.05, persons compared, Holm over regions); suspicious where it does so at p of at most 0.2, or
    where it holds at least 4 times the attribution that its area has by chance; no evidence (with the smallest effect
    that so many images would have shown); or not testable (why). Regions in --expected are not accused. --fail-on gives
    exit code 3 where something was found. Of 60 clean models of the phantom (small networks and ResNet-18), 0 were
    accused and 1 called suspicious; of 80 whose marker or border gave the class away in 90 % or all of their films,
    all were accused.

    Regions are the dataset's masks and boxes, or those of --masks, --segmenter and --regions; where nothing knows the
    lungs, an average anatomy stands in for them. Borders and corners are strips and squares of the image.

    expected-gradients compares each image with --references images of the training fold that do not have the label.
    --method occlusion explains any model, ONNX files among them. --set samples=500 makes maps steadier.

    --sanity explains up to 30 images for each label again and again: with layers initialised anew, where maps must be
    lost; with another background, where they must stay; and it hides cells in the order of the map, which must move the
    logit sooner than a random order. sanity.csv and sanity.png hold the curves; where maps fail, that is said beside
    every number that rests on them.

    Under torchrun several processes explain a share of the images each; the first one writes and prints. --resume
    continues an interrupted run; the files are the same, byte for byte.

    Example: cxrshort explain runs/phantom-I/small-cnn/erm/replicate-0 --dataset phantom-I
    """
    check_loudness(quiet=quiet, verbose=verbose)
    if "help" in (method, *(settings or [])):
        from cxrshort.verbs import listings

        listed = listings.list_attribution_methods() if method == "help" else listings.list_attribution_settings()
        return print_result(listed, json=json)
    if not (model and dataset):
        missing = "--dataset" if model else "MODEL"
        raise UsageError(
            f"{missing} is missing", "cxrshort explain runs/phantom-I/small-cnn/erm/replicate-0 --dataset phantom-I"
        )
    first = early.is_first()
    with quiet_unless(first):
        gate.check_level(fail_on)
        early.attribution_method(method)
        early.models([model, *([segmenter] if segmenter else [])])
        for name in (dataset, *([background] if background else [])):
            early.dataset(name)
    early.spare_threads(device=device, precision=precision, threads=threads, quiet=quiet)
    from cxrshort.verbs.explain import explain as run

    with progress(quiet=quiet or not first) as report, quiet_unless(first):
        result = run(
            model,
            dataset=dataset,
            split=split,
            label=label or (),
            method=method,
            settings=settings or (),
            background=background,
            references=references,
            images=images,
            masks=masks,
            segmenter=segmenter,
            regions=regions,
            expected=[name.strip() for name in expected.split(",") if name.strip()],
            clusters=clusters,
            sanity=sanity,
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
        gate.exit_if_found(result, fail_on)
