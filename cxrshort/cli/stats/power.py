"""``cxrshort stats power``."""

from typing import Annotated

import typer

from cxrshort.cli.options import Force, Json, Out, Quiet, Verbose, check_loudness, option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import STATISTIC, Figures, Label, Level, Person, Target

PLAN = "Planned test set"


def power(
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="[TABLE]",
            help="Test set at hand: predictions.csv of evaluate or its folder, any table with targets, or -.",
            show_default=False,
        ),
    ] = None,
    target: Target = None,
    person: Person = None,
    label: Label = None,
    auc: Annotated[
        list[float] | None,
        option(
            "--auc",
            text="Expected AUC; may be repeated.",
            metavar="X",
            panel=PLAN,
            default="0.7, 0.8, 0.9, 0.95",
        ),
    ] = None,
    half_width: Annotated[
        float,
        option("--half-width", text="Half the width of the wanted interval.", metavar="X", panel=PLAN, default=True),
    ] = 0.05,
    difference: Annotated[
        float,
        option(
            "--difference",
            text="Paired difference of two AUCs that is to be shown.",
            metavar="X",
            panel=PLAN,
            default=True,
        ),
    ] = 0.05,
    prevalence: Annotated[
        float | None,
        option(
            "--prevalence",
            text="Share of positives among the images.",
            metavar="X",
            panel=PLAN,
            default="that of TABLE",
        ),
    ] = None,
    images_per_person: Annotated[
        float | None,
        option(
            "--images-per-person",
            text="Mean number of images per person.",
            metavar="X",
            panel=PLAN,
            default="that of TABLE, or 1",
        ),
    ] = None,
    person_correlation: Annotated[
        float,
        option(
            "--person-correlation",
            text="Correlation of scores of images of one person.",
            metavar="X",
            panel=STATISTIC,
            default=True,
        ),
    ] = 0.5,
    correlation: Annotated[
        float,
        option(
            "--correlation",
            text="Correlation of the AUCs of two models on the same images.",
            metavar="X",
            panel=STATISTIC,
            default=True,
        ),
    ] = 0.5,
    chance: Annotated[
        float,
        option(
            "--power",
            text="Power with which the difference is to be shown.",
            metavar="X",
            panel=STATISTIC,
            default=True,
        ),
    ] = 0.8,
    level: Level = 0.95,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compute how many images and positives an AUC needs, and what the test set at hand can show.

    Two goals are planned for: a confidence interval of the AUC of a given half width, and a paired difference of two
    AUCs that a two-sided test shows with the given power. With TABLE, the smallest drop is the difference to an AUC
    that its images would show. Scores play no part; only targets and persons are read.

    The errors are those of Hanley and McNeil. Several images per person count less: by 1 + (k - 1) times the
    correlation of images of one person, where k is their number.

    --out writes designs.csv, reach.csv (with TABLE), summary.json and run.json; --figures adds power.png.

    Example: cxrshort stats power --auc 0.85 --half-width 0.04 --prevalence 0.15
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.stats.power import LIKELY_AUCS
    from cxrshort.verbs.stats.power import power as run

    result = run(
        table,
        target=target,
        person=person,
        label=label,
        aucs=auc or LIKELY_AUCS,
        half_width=half_width,
        difference=difference,
        prevalence=prevalence,
        images_per_person=images_per_person,
        person_correlation=person_correlation,
        correlation=correlation,
        chance=chance,
        level=level,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
