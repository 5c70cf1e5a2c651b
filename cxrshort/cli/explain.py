"""``cxrshort explain``."""

from typing import Annotated

from cxrshort.cli import early, gate
from cxrshort.cli.options import (
    DATA,
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
from cxrshort.errors import UsageError

METHOD = "Attribution"


def explain(
    model: ModelArgument = "",
    dataset: Dataset = "",
    split: Split = "test",
    label: Annotated[
        list[str] | None,
        option(
            "--label",
            text="Label whose logit is explained; repeatable.",
            metavar="LABEL",
            panel=DATA,
            default="COVID-19, else the first",
        ),
    ] = None,
    images: Annotated[
        int | None,
        option(
            "--images",
            text="Explain a random sample of N images, balanced over the classes.",
            metavar="N",
            panel=DATA,
            default="all",
            least=1,
        ),
    ] = None,
    method: Annotated[
        str,
        option("--method", text="Attribution method; 'help' lists them.", metavar="NAME", panel=METHOD, default=True),
    ] = "expected-gradients",
    settings: Annotated[
        list[str] | None,
        option(
            "--set",
            text="Setting of the method, such as samples=500; repeatable; 'help' lists them with type and default.",
            metavar="NAME=VALUE",
            panel=METHOD,
        ),
    ] = None,
    background: Annotated[
        str | None,
        option(
            "--background",
            text="Dataset whose training fold supplies the reference distribution.",
            metavar="D",
            panel=METHOD,
            default="that of --dataset",
        ),
    ] = None,
    references: Annotated[
        int,
        option(
            "--references",
            text="Number of images in the reference distribution, all without the label.",
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
            text="Images, or pairs of an image and a reference, per forward pass.",
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
            text="Number of clusters of attribution maps.",
            metavar="K",
            panel=METHOD,
            default="chosen from the maps",
            least=1,
        ),
    ] = None,
    sanity: Annotated[
        bool,
        option(
            "--sanity",
            text="Sanity checks of the maps: randomised layers, other references, deletion of image cells.",
            panel=METHOD,
        ),
    ] = False,
    seed: Annotated[int, seed_option("Random seed of samples, maps and intervals.", panel=METHOD)] = 0,
    masks: LungMasks = None,
    segmenter: LungSegmenter = None,
    regions: RegionBoxes = None,
    expected: Annotated[
        str,
        option(
            "--expected",
            text="Regions in which the finding may lie; they are never called a shortcut.",
            metavar="A,B",
            panel=REGIONS,
            default=True,
        ),
    ] = "lungs,heart,mediastinum,diaphragm",
    out: Out = None,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: ThreadsKept = None,
    dry_run: DryRun = False,
    force: Force = False,
    resume: Resume = False,
    fail_on: FailOn = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Show where a model looks: attribution maps of a whole fold, the share of each region, and a verdict on it.

    Writes maps.npy (one signed map per image, in logits) with maps.csv, shares.csv (share of absolute attribution and
    share of the image area, by region and class), findings.csv (the verdicts), visible.csv (AUC when only the border or
    only the lungs are visible, or are hidden), localisation.csv (agreement of the maps of positives with lung masks and
    with boxes of the finding, where there are any), clusters.csv, most-driven.csv (the images with the most attribution
    in borders and corners), maps.png, mean-maps.png, shares.png, clusters.png, summary.json and run.json into
    results/MODEL/DATASET-explain (or --out). Patients seen in training are refused, unless --split train selects them.

    Each region gets a verdict. shortcut: the region carries at least 25 % of the difference between the maps of
    positives and negatives, at p of at most 0.05 (persons are the unit, Holm correction over regions). suspicious: the
    same at p of at most 0.2, or at least 4 times the attribution that its area has by chance, with an interval above 1.
    no evidence: neither; the smallest detectable effect is printed. not testable: the reason is printed, such as so few
    persons that no p could reach the level. Regions in --expected are not judged.

    The thresholds were checked on phantoms with small networks and ResNet-18. Of 60 models trained without a shortcut,
    none got the verdict shortcut, and 1 got suspicious; 80 models were trained with a marker or border that matched the
    class in 90 or 100 % of the films, and all of them got the verdict shortcut for it, as did 15 of 20 for shoulders
    that matched it in all films. Planted exposure was missed.

    Regions come from the dataset's masks and boxes, or from --masks, --segmenter and --regions. Without lung masks an
    average anatomy stands in for them. Borders and corners are strips and squares of the image.

    expected-gradients takes --references images of the training fold without the label as its reference distribution;
    --set samples=500 makes its maps less noisy. Its maps, and those of integrated-gradients, must add up to a
    difference of logits: maps that miss it by more than 10 % are counted, and maps.csv marks them. --method occlusion
    explains any model, ONNX files included.

    --sanity repeats the attribution for up to 30 images per label: with randomised layers, which must change the maps;
    with another reference distribution, which must not; and with image cells hidden in the order of their attribution,
    which must move the logit sooner than a random order. sanity.csv and sanity.png hold the curves; where maps fail a
    check, every number that rests on them says so.

    Under torchrun several processes explain a share of the images each; the first one writes and prints. --resume
    continues an interrupted run, to the same bytes.

    Example: cxrshort explain runs/phantom-I/small-cnn/erm/replicate-0 --dataset phantom-I
    """
    check_loudness(quiet=quiet, verbose=verbose)
    if "help" in (method, *(settings or [])):
        from cxrshort.verbs import listings

        listing = listings.list_attribution_methods() if method == "help" else listings.list_attribution_settings()
        return print_result(listing, json=json)
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
        gate.exit_on_verdict(result, fail_on)
