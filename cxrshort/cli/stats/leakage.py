"""``cxrshort stats leakage``."""

from typing import Annotated

from cxrshort.cli import gate
from cxrshort.cli.options import (
    Force,
    Jobs,
    Json,
    Out,
    Quiet,
    Verbose,
    argument,
    check_loudness,
    fail_on_option,
    option,
    seed_option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import STATISTIC, Figures, Image, Level, column_option


def leakage(
    datasets: Annotated[
        list[str],
        argument("DATASET...", "Dataset names or folders, manifests, CSV or Parquet tables, or - for standard input."),
    ],
    person: Annotated[
        str | None, column_option("--person", "Column of person identifiers.", default="person_id, or patient_id")
    ] = None,
    study: Annotated[str | None, column_option("--study", "Column of study identifiers.", default="study_id")] = None,
    image: Image = None,
    date: Annotated[
        str | None,
        column_option(
            "--date", "Column of study dates (YYYY-MM-DD), or of numbers that grow with time.", default="study_date"
        ),
    ] = None,
    split: Annotated[
        list[str] | None,
        column_option(
            "--fold",
            "Column of folds, such as train, val and test; repeatable.",
            default="split_0, split_1, ..., or split",
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        column_option("--label", "Column of labels, 0 or 1; repeatable.", default="all labels of a dataset"),
    ] = None,
    column: Annotated[
        list[str] | None,
        column_option(
            "--column", "Metadata column to test for label leakage; repeatable.", default="all but identifiers"
        ),
    ] = None,
    no_pixels: Annotated[
        bool, option("--no-pixels", text="Skip the search for near-identical images.", panel=STATISTIC)
    ] = False,
    level: Level = 0.95,
    seed: Annotated[
        int,
        seed_option("Random seed of the halves of persons on which columns are fitted and tested.", panel=STATISTIC),
    ] = 0,
    jobs: Jobs = None,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    fail_on: Annotated[
        str | None,
        fail_on_option("leak: exit with code 3 if there is a leak; suspicious: also if anything is suspicious."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Detect persons, studies and near-identical images shared by folds or datasets, and columns that leak a label.

    Follow-ups are persons with an earlier study on one side and a later one on the other. Near-identical images are
    copies under different person identifiers: re-encoded, resized, cropped or brightened copies are detected, mirrored
    ones are not. Metadata columns are tested for label leakage by their strength |2 AUC - 1| on held-out persons: 0 is
    chance, even for a column of many values, and 1 a column that determines the label.

    leak: shared by two folds, or by development in one dataset and a test in another; near-identical images that
    correlate by at least 0.85; a strength of at least 0.9 whose lower limit is at least 0.5. suspicious: shared by two
    datasets, but not by development and a test; a correlation of 0.75 to 0.85, which films of one person on different
    days reach too, or images below 64 pixels; a strength of at least 0.8. no evidence: none of these. not testable: the
    missing data are stated.

    --out writes findings.csv and, where they are not empty, shared.csv, follow-ups.csv, pairs.csv and columns.csv;
    --figures adds near-identical.png, the pairs side by side.

    Example: cxrshort stats leakage phantom-I phantom-external
    """
    check_loudness(quiet=quiet, verbose=verbose)
    gate.check_level(fail_on, gate.LEAK_LEVELS)
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
    gate.exit_on_verdict(result, fail_on, gate.LEAK_LEVELS)
