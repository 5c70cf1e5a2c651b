"""``cxrshort build-dataset``."""

from pathlib import Path
from typing import Annotated

import typer

from cxrshort.cli import show
from cxrshort.cli.options import DryRun, Force, Jobs, Json, Out, Quiet, Resume, Seed, Verbose, check_loudness
from cxrshort.cli.progress import progress
from cxrshort.errors import UsageError


def build_dataset(
    dataset: Annotated[
        str,
        typer.Option(
            "--dataset",
            metavar="NAME",
            help="A cohort, a repository, several joined by commas, or a phantom; 'help' lists them.",
            show_default=False,
        ),
    ] = "",
    root: Annotated[
        Path | None,
        typer.Option("--root", metavar="DIR", help="Folder of the downloads.", show_default="$CXRSHORT_DATA or data"),
    ] = None,
    out: Out = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="What models and tables call the dataset.",
            show_default="the name of its folder",
        ),
    ] = None,
    same_patients: Annotated[
        str | None,
        typer.Option(
            "--same-patients",
            metavar="D",
            help="Earlier dataset of your own films whose patient ids mean the same persons.",
            show_default=False,
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option("--size", metavar="N", help="Side of the cached images, in pixels.", show_default="224"),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            metavar="R",
            help="From files to squares as a paper did: degrave2021 or tea2025; 'help' describes them.",
            show_default="degrave2021",
        ),
    ] = None,
    fit: Annotated[
        str | None,
        typer.Option(
            "--fit",
            metavar="FIT",
            help="crop (shorter side, then centre), pad or squash.",
            show_default="from the recipe",
        ),
    ] = None,
    test_fit: Annotated[
        str | None,
        typer.Option(
            "--test-fit", metavar="FIT", help="Of repositories kept for testing.", show_default="from the recipe"
        ),
    ] = None,
    equalise: Annotated[bool, typer.Option("--equalise", help="Flatten each histogram first.")] = False,
    replicates: Annotated[int, typer.Option("--replicates", metavar="N", help="Number of independent splits.")] = 5,
    seed: Seed = 0,
    images: Annotated[
        int | None, typer.Option("--images", metavar="N", help="Size of a phantom dataset.", show_default="2000")
    ] = None,
    confounding: Annotated[
        float | None,
        typer.Option(
            "--confounding",
            metavar="C",
            help="Phantoms: probability that the class decides the style, 0 to 1; C gives (1 + C) / 2 of a class its "
            "style.",
            show_default="the dataset's own",
        ),
    ] = None,
    bias: Annotated[
        float | None,
        typer.Option(
            "--bias",
            metavar="P",
            help="Phantoms, instead of --confounding: share of a class that has its style, P(style | class), 0.5 "
            "(chance) to 1.",
            show_default=False,
        ),
    ] = None,
    shortcut: Annotated[
        list[str] | None,
        typer.Option(
            "--shortcut",
            metavar="S",
            help="Phantoms: a style in which rooms differ, all others being alike; repeatable; 'help' lists them.",
            show_default="all",
        ),
    ] = None,
    comorbidity: Annotated[
        list[str] | None,
        typer.Option(
            "--comorbidity",
            metavar="A,B=R",
            help="Phantoms: two findings whose correlation over patients is R, prevalences unchanged; repeatable.",
            show_default=False,
        ),
    ] = None,
    confounder_strength: Annotated[
        float | None,
        typer.Option(
            "--confounder-strength",
            metavar="S",
            help="Benchmarks: share of the majority, 0 to 1.",
            show_default="1.0",
        ),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option("--masks", metavar="DIR", help="Lung masks of your own.", show_default=False),
    ] = None,
    mask_pattern: Annotated[
        list[str] | None,
        typer.Option(
            "--mask-pattern",
            metavar="NAME",
            help="How they are named after the image, {stem} without its ending; repeatable.",
            show_default="{stem}_mask.png, ...",
        ),
    ] = None,
    include_other_findings: Annotated[
        bool, typer.Option("--include-other-findings", help="Keep GitHub-COVID images without COVID-19.")
    ] = False,
    covid_labels: Annotated[
        str, typer.Option("--covid-labels", metavar="C", help="BIMCV: molecular (a test), radiologic or certain.")
    ] = "molecular",
    views: Annotated[
        str, typer.Option("--views", metavar="V", help="Projections to keep, joined by commas.")
    ] = "PA,AP",
    uncertain: Annotated[
        str,
        typer.Option("--uncertain", metavar="U", help="Labels that a report leaves open: empty, negative or positive."),
    ] = "empty",
    labeler: Annotated[
        str, typer.Option("--labeler", metavar="L", help="MIMIC-CXR: chexpert or negbio reads the reports.")
    ] = "chexpert",
    age_unit: Annotated[
        str, typer.Option("--age-unit", metavar="U", help="convert reads 011M as 0.9 years; drop reads 11.")
    ] = "convert",
    require_windowing: Annotated[
        bool, typer.Option("--require-windowing", help="BIMCV: leave out images without window or table.")
    ] = False,
    require_report: Annotated[
        bool, typer.Option("--require-report", help="BIMCV: leave out images without a report.")
    ] = False,
    where: Annotated[
        str, typer.Option("--where", metavar="EXPR", help="Keep rows such as: view == 'PA' and age_years >= 18.")
    ] = "",
    sample: Annotated[
        int | None, typer.Option("--sample", metavar="N", help="Keep at most N images.", show_default=False)
    ] = None,
    per: Annotated[
        str | None, typer.Option("--per", metavar="COLUMN", help="With --sample: N of each value.", show_default=False)
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--table", metavar="CSV", help="Metadata of --dataset folder.", show_default=False),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column", metavar="NAME=COLUMN", help="What the table calls it; repeatable.", show_default=False
        ),
    ] = None,
    corrections: Annotated[
        Path | None,
        typer.Option("--corrections", metavar="CSV", help="Images to drop, flip or rename.", show_default=False),
    ] = None,
    metadata_only: Annotated[
        bool, typer.Option("--metadata-only", help="Manifest and splits without touching an image.")
    ] = False,
    figures: Annotated[bool, typer.Option("--figures", help="Also draw average images and a contact sheet.")] = False,
    shard: Annotated[
        str | None,
        typer.Option("--shard", metavar="I/N", help="Make every N-th image only; see --merge.", show_default=False),
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Build the dataset from its N shards.")] = False,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="ADDRESS", help="Decode on a Dask cluster.", show_default=False),
    ] = None,
    jobs: Jobs = None,
    dry_run: DryRun = False,
    force: Force = False,
    resume: Resume = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Build a dataset from downloaded repositories, or draw a phantom one.

    Writes manifest.csv, images.npy, excluded.csv and run.json into datasets/NAME (or --out). Every candidate image is
    either a row or listed with the reason why it is not. --dataset help lists all names.

    Several machines share the work without knowing of each other: run the same command with --shard 1/N to --shard N/N
    (a Slurm array), then once with --merge. The bytes are those of a single run.

    Example: cxrshort build-dataset --dataset phantom-I --images 1000 --size 64
    """
    check_loudness(quiet=quiet, verbose=verbose)
    if dataset == "help":
        from cxrshort.datasets.catalogue import sections

        return show.catalogue(sections(), json=json)
    if recipe == "help":
        from cxrshort.datasets.building.pixel_recipes import catalogue

        return show.catalogue({"pixel recipes": catalogue()}, json=json)
    if "help" in (shortcut or []):
        from cxrshort.datasets.phantom.styles import SHORTCUTS

        return show.catalogue({"shortcuts": SHORTCUTS}, json=json)
    if not dataset:
        raise UsageError("--dataset is missing", "cxrshort build-dataset --dataset help lists the names")
    from cxrshort.datasets.repositories.reading import ReadOptions
    from cxrshort.verbs.build_dataset import build_dataset as run

    options = ReadOptions(
        include_other_findings=include_other_findings,
        covid_labels=covid_labels,
        views=tuple(view.strip() for view in views.split(",")),
        uncertain=uncertain,
        labeler=labeler,
        age_unit=age_unit,
        require_windowing=require_windowing,
        require_report=require_report,
        table=table,
        column_map=tuple(_pair(text) for text in column or []),
        corrections=corrections,
    )
    with progress(quiet=quiet) as report:
        result = run(
            dataset,
            root=root,
            out=out,
            name=name,
            same_patients=same_patients,
            size=size,
            recipe=recipe,
            fit=fit,
            test_fit=test_fit,
            equalise=equalise,
            replicates=replicates,
            seed=seed,
            jobs=jobs,
            number_of_images=images,
            confounding=confounding,
            bias=bias,
            shortcuts=tuple(shortcut or ()),
            comorbidities=tuple(comorbidity or ()),
            confounder_strength=confounder_strength,
            masks=masks,
            mask_patterns=tuple(mask_pattern or ()),
            options=options,
            where=where,
            sample=sample,
            per=per,
            metadata_only=metadata_only,
            figures=figures,
            shard=shard,
            merge=merge,
            scheduler=scheduler,
            dry_run=dry_run,
            force=force,
            resume=resume,
            report=report,
        )
    if "shard" in result:
        return show.shard(result, json=json)
    return show.dataset(result, json=json, quiet=quiet, verbose=verbose)


def _pair(text: str) -> tuple[str, str]:
    name, sign, column = text.partition("=")
    if not (name and sign and column):
        raise UsageError(f"--column '{text}' is not of the form NAME=COLUMN", "such as --column patient_id=MRN")
    return name.strip(), column.strip()
