"""``cxrshort stats leakage``."""

from typing import Annotated

import typer

from cxrshort.cli import gate
from cxrshort.cli.options import (
    DATA,
    TERMINAL,
    Force,
    Jobs,
    Json,
    Out,
    Quiet,
    Verbose,
    check_loudness,
    option,
    seed_option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import STATISTIC, Figures, Level

LEVELS = {"leak": ("leak",), "suspicious": ("leak", "suspicious")}
"""What ``--fail-on`` takes, and the verdicts that each of its levels stops at."""


def leakage(
    datasets: Annotated[
        list[str],
        typer.Argument(
            metavar="DATASET...",
            help="Dataset folders, manifests, names of datasets, any CSV or Parquet tables, or - for standard input.",
            show_default=False,
        ),
    ],
    person: Annotated[
        str | None,
        option(
            "--person",
            text="Column of person identifiers.",
            metavar="COLUMN",
            panel=DATA,
            default="person_id, or patient_id",
        ),
    ] = None,
    study: Annotated[
        str | None,
        option("--study", text="Column of study identifiers.", metavar="COLUMN", panel=DATA, default="study_id"),
    ] = None,
    image: Annotated[
        str | None,
        option("--image", text="Column of image identifiers.", metavar="COLUMN", panel=DATA, default="image_id"),
    ] = None,
    date: Annotated[
        str | None,
        option(
            "--date",
            text="Column of study dates (YYYY-MM-DD), or of numbers that grow with time.",
            metavar="COLUMN",
            panel=DATA,
            default="study_date",
        ),
    ] = None,
    split: Annotated[
        list[str] | None,
        option(
            "--fold",
            text="Column of folds, such as train, val and test; repeatable.",
            metavar="COLUMN",
            panel=DATA,
            default="split_0, split_1, ..., or split",
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        option(
            "--label",
            text="Column of labels, 0 or 1; repeatable.",
            metavar="COLUMN",
            panel=DATA,
            default="the labels of a dataset",
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        option(
            "--column",
            text="Column of metadata that may give a label away; repeatable.",
            metavar="COLUMN",
            panel=DATA,
            default="all but identifiers",
        ),
    ] = None,
    no_pixels: Annotated[
        bool, option("--no-pixels", text="Do not look for near-identical images.", panel=STATISTIC)
    ] = False,
    level: Level = 0.95,
    seed: Annotated[
        int, seed_option("Random seed of the halves of the persons that columns are tested on.", panel=STATISTIC)
    ] = 0,
    jobs: Jobs = None,
    fail_on: Annotated[
        str | None,
        option(
            "--fail-on",
            text="Exit with code 3 if there is a leak; with suspicious, also if anything is suspicious.",
            metavar="VERDICT",
            panel=TERMINAL,
            default="never",
        ),
    ] = None,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Look for persons, studies and near-identical images that are shared between folds or between datasets.

    Follow-ups are persons with an earlier study on one side and a later one on the other. Near-identical images are
    copies under different persons: re-encoded, resized, cropped or brightened ones are seen, mirrored ones are not.
    Columns of metadata are tested for giving a label away, by the strength |2 AUC - 1| on persons that they were not
    learned on: 0 for chance, also for a column of many values, and 1 for a column that knows the label.

    leak: shared by two folds, or by development in one dataset and a test in another; near-identical images that
    correlate by at least 0.85; a strength of at least 0.9 whose lower limit is at least 0.5. suspicious: shared by two
    datasets without crossing from development to a test; a correlation of 0.75 to 0.85, which films of one person on
    different days reach too, or images below 64 pixels; a strength of at least 0.8. no evidence: none of these. not
    testable: what is missing is stated.

    --out writes findings.csv, and where they are not empty shared.csv, follow-ups.csv, pairs.csv and columns.csv;
    --figures adds near-identical.png, the pairs side by side.

    Example: cxrshort stats leakage phantom-I phantom-external
    """
    check_loudness(quiet=quiet, verbose=verbose)
    gate.check_level(fail_on, LEVELS)
    from cxrshort.verbs.stats.cohort_tables import ColumnNames
    from cxrshort.verbs.stats.leakage import leakage as run

    columns = ColumnNames(person, study, image, date, split or (), label or (), column or ())
    result = run(
        datasets,
        columns=columns,
        compare_pixels=not no_pixels,
        jobs=jobs or -1,
        level=level,
        seed=seed,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
    gate.exit_on_verdict(result, fail_on, LEVELS)
