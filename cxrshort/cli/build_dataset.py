"""``cxrshort build-dataset``."""

from pathlib import Path
from typing import Annotated

from cxrshort.cli import early
from cxrshort.cli.options import (
    DATA,
    FILES,
    DryRun,
    Force,
    Jobs,
    Json,
    Out,
    Quiet,
    Resume,
    Verbose,
    check_loudness,
    option,
    seed_option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.progress import progress
from cxrshort.errors import UsageError
from cxrshort.results import Result

SQUARES = "From files to images"
ROWS = "Rows and splits"
OWN = "Your own files (--dataset folder)"
DRAWN = "Phantoms"
SHARED = "Several machines"


def build_dataset(
    dataset: Annotated[
        str,
        option(
            "--dataset",
            text="Cohort, repository (several joined by commas), benchmark or phantom; 'help' lists the names.",
            metavar="NAME",
            panel=DATA,
        ),
    ] = "",
    root: Annotated[
        Path | None,
        option(
            "--root",
            text="Folder of the downloaded repositories.",
            metavar="DIR",
            panel=DATA,
            default="$CXRSHORT_DATA, else data",
        ),
    ] = None,
    name: Annotated[
        str | None,
        option(
            "--name",
            text="Name of the dataset in models, tables and figures.",
            metavar="NAME",
            panel=DATA,
            default="the name of its folder",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        option(
            "--set",
            text="Setting of one reader or benchmark; repeatable; 'help' lists them with type and default.",
            metavar="NAME=VALUE",
            panel=DATA,
        ),
    ] = None,
    no_header_cache: Annotated[
        bool,
        option(
            "--no-header-cache",
            text="Keep nothing of DICOM headers, which hold patient ids, in the cache folder (see cxrshort paths).",
            panel=DATA,
        ),
    ] = False,
    out: Out = None,
    where: Annotated[
        str,
        option(
            "--where",
            text="Keep the rows that fulfil an expression: view == 'PA' and age_years >= 18.",
            metavar="EXPR",
            panel=ROWS,
        ),
    ] = "",
    views: Annotated[
        str, option("--views", text="Projections to keep, joined by commas.", metavar="V,V", panel=ROWS, default=True)
    ] = "PA,AP",
    sample: Annotated[int | None, option("--sample", text="Keep at most N images.", metavar="N", panel=ROWS)] = None,
    per: Annotated[
        str | None,
        option(
            "--per", text="With --sample: at most N images of each value of a column.", metavar="COLUMN", panel=ROWS
        ),
    ] = None,
    replicates: Annotated[
        int,
        option(
            "--replicates",
            text="Number of independent splits into train, val and test, by person.",
            metavar="N",
            panel=ROWS,
            default=True,
        ),
    ] = 5,
    seed: Annotated[int, seed_option("Random seed of splits, samples and phantoms.", panel=ROWS)] = 0,
    corrections: Annotated[
        Path | None,
        option("--corrections", text="Table of images to drop, invert or rename.", metavar="CSV", panel=ROWS),
    ] = None,
    size: Annotated[
        int | None,
        option("--size", text="Side of the cached images, in pixels.", metavar="N", panel=SQUARES, default="224"),
    ] = None,
    recipe: Annotated[
        str | None,
        option(
            "--recipe",
            text="Preprocessing as published: degrave2021 or tea2025; 'help' describes them.",
            metavar="NAME",
            panel=SQUARES,
            default="degrave2021",
        ),
    ] = None,
    fit: Annotated[
        str | None,
        option(
            "--fit",
            text="How films become squares, in place of the recipe's way: crop (centre), pad or squash.",
            metavar="FIT",
            panel=SQUARES,
        ),
    ] = None,
    equalise: Annotated[
        bool, option("--equalise", text="Equalise the histogram of each image.", panel=SQUARES)
    ] = False,
    masks: Annotated[
        Path | None, option("--masks", text="Folder of lung masks, one file per image.", metavar="DIR", panel=SQUARES)
    ] = None,
    mask_pattern: Annotated[
        list[str] | None,
        option(
            "--mask-pattern",
            text="Name of a mask file; {stem} stands for the image's name without its suffix; repeatable.",
            metavar="NAME",
            panel=SQUARES,
            default="{stem}_mask.png, ...",
        ),
    ] = None,
    metadata_only: Annotated[
        bool, option("--metadata-only", text="Write manifest and splits without reading an image.", panel=SQUARES)
    ] = False,
    same_patients: Annotated[
        str | None,
        option(
            "--same-patients",
            text="Earlier dataset of your own files whose patient ids mean the same persons.",
            metavar="D",
            panel=OWN,
        ),
    ] = None,
    table: Annotated[
        Path | None,
        option("--table", text="Table of the files and what is known about them.", metavar="CSV", panel=OWN),
    ] = None,
    column: Annotated[
        list[str] | None,
        option(
            "--column",
            text="The table's COLUMN holds NAME: a label such as COVID-19, or path, patient_id, study_id, study_date, "
            "view, sex, age_years, manufacturer, modality; repeatable.",
            metavar="NAME=COLUMN",
            panel=OWN,
        ),
    ] = None,
    day_first: Annotated[
        bool, option("--day-first", text="Dates have their day first: 03/04/2021 is 3 April.", panel=OWN)
    ] = False,
    images: Annotated[
        int | None, option("--images", text="Number of images.", metavar="N", panel=DRAWN, default="2000")
    ] = None,
    confounding: Annotated[
        float | None,
        option(
            "--confounding",
            text="Probability that the class decides the style, 0 to 1; C gives (1 + C) / 2 of a class its style.",
            metavar="C",
            panel=DRAWN,
            default="the dataset's own",
        ),
    ] = None,
    bias: Annotated[
        float | None,
        option(
            "--bias",
            text="In place of --confounding: share of a class that has its style, P(style | class), 0.5 (chance) to 1.",
            metavar="P",
            panel=DRAWN,
        ),
    ] = None,
    shortcut: Annotated[
        list[str] | None,
        option(
            "--shortcut",
            text="Style in which rooms differ, all others being alike; repeatable; 'help' lists them.",
            metavar="S",
            panel=DRAWN,
            default="all",
        ),
    ] = None,
    comorbidity: Annotated[
        list[str] | None,
        option(
            "--comorbidity",
            text="Two findings whose correlation over patients is R, prevalences unchanged; repeatable.",
            metavar="A,B=R",
            panel=DRAWN,
        ),
    ] = None,
    shard: Annotated[
        str | None, option("--shard", text="Make every N-th image only; see --merge.", metavar="I/N", panel=SHARED)
    ] = None,
    merge: Annotated[bool, option("--merge", text="Build the dataset from its N shards.", panel=SHARED)] = False,
    scheduler: Annotated[
        str | None,
        option(
            "--scheduler", text="Decode on a Dask cluster, such as tcp://host:8786.", metavar="ADDRESS", panel=SHARED
        ),
    ] = None,
    jobs: Jobs = None,
    figures: Annotated[
        bool, option("--figures", text="Also draw average images and a contact sheet.", panel=FILES)
    ] = False,
    dry_run: DryRun = False,
    force: Force = False,
    resume: Resume = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Build a dataset from downloaded repositories, from your own files, or draw a phantom.

    Writes manifest.csv, images.npy, excluded.csv and run.json into datasets/NAME (or --out). Every candidate image is
    a row of the manifest or listed in excluded.csv with the reason. --dataset help lists all names.

    Several machines share the work without communicating: run the same command with --shard 1/N to --shard N/N (a Slurm
    array), then once with --merge. The bytes are those of a single run.

    Example: cxrshort build-dataset --dataset phantom-I --images 1000 --size 64
    """
    check_loudness(quiet=quiet, verbose=verbose)
    if "help" in (dataset, recipe, *(settings or []), *(shortcut or [])):
        return print_result(_listing(dataset=dataset, recipe=recipe, shortcut=shortcut), json=json)
    if not dataset:
        raise UsageError("--dataset is missing", "cxrshort build-dataset --dataset help lists the names")
    early.buildable(dataset)
    if same_patients is not None:
        early.dataset(same_patients)
    from cxrshort.datasets.building.settings import READER, parse_settings
    from cxrshort.datasets.repositories.reading import ReadOptions
    from cxrshort.verbs.build_dataset import build_dataset as run

    values = parse_settings(settings or [])
    options = ReadOptions(
        views=tuple(view.strip() for view in views.split(",")),
        table=table,
        column_map=tuple(_pair(text) for text in column or []),
        corrections=corrections,
        day_first=day_first,
        **{name: value for name, value in values.items() if name in READER},
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
            test_fit=values.get("test_fit") or None,
            equalise=equalise,
            replicates=replicates,
            seed=seed,
            jobs=jobs,
            number_of_images=images,
            confounding=confounding,
            bias=bias,
            shortcuts=tuple(shortcut or ()),
            comorbidities=tuple(comorbidity or ()),
            confounder_strength=values.get("confounder_strength"),
            masks=masks,
            mask_patterns=tuple(mask_pattern or ()),
            options=options,
            where=where,
            sample=sample,
            per=per,
            metadata_only=metadata_only,
            header_cache=not no_header_cache,
            figures=figures,
            shard=shard,
            merge=merge,
            scheduler=scheduler,
            dry_run=dry_run,
            force=force,
            resume=resume,
            report=report,
        )
    print_result(result, json=json, quiet=quiet, verbose=verbose)


def _listing(*, dataset: str, recipe: str | None, shortcut: list[str] | None) -> Result:
    """Return what ``help`` in the place of a value asks for."""
    from cxrshort.verbs import listings

    if dataset == "help":
        return listings.list_datasets()
    if recipe == "help":
        return listings.list_pixel_recipes()
    if "help" in (shortcut or []):
        return listings.list_shortcuts()
    return listings.list_build_settings()


def _pair(text: str) -> tuple[str, str]:
    name, sign, column = text.partition("=")
    if not (name and sign and column):
        raise UsageError(f"--column '{text}' is not of the form NAME=COLUMN", "such as --column patient_id=MRN")
    return name.strip(), column.strip()
