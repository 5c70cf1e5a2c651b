"""``cxrshort stats wilcoxon``."""

from typing import Annotated

import typer

from cxrshort.cli.options import DATA, LARGEST_SEED, Force, Json, Out, Quiet, Verbose, check_loudness, option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import STATISTIC, By, Figures, Level, Person


def wilcoxon(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="Any CSV or Parquet table with a row for each pair, or - for standard input.",
            show_default=False,
        ),
    ],
    before: Annotated[
        str | None, option("--before", text="Column of the first numbers.", metavar="COLUMN", panel=DATA)
    ] = None,
    after: Annotated[
        str | None, option("--after", text="Column of the second numbers.", metavar="COLUMN", panel=DATA)
    ] = None,
    difference: Annotated[
        str | None,
        option("--difference", text="Column of differences, instead of both.", metavar="COLUMN", panel=DATA),
    ] = None,
    person: Person = None,
    by: By = None,
    level: Level = 0.95,
    seed: Annotated[
        int,
        option(
            "--seed",
            text="Seed of the populations behind the smallest shift that would have been shown.",
            metavar="N",
            panel=STATISTIC,
            default=True,
            least=0,
            most=LARGEST_SEED,
        ),
    ] = 0,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Test paired numbers by Wilcoxon's signed ranks, two-sided: the exact P, with ties too, and the normal one.

    The difference is after minus before; those of one person are averaged first. The median difference has the interval
    of its order statistics, which covers at least what it says. Differences of 0 are left out of the test, and counted.
    P by the normal approximation, without correction for continuity, is what papers of older software report.

    A P above 1 - LEVEL (Holm's, with --by) reads "not shown"; beside it stands the detectable shift, which so many
    persons would have shown in 80 % of studies. With --out it writes tests.csv, summary.json and run.json, with
    --figures wilcoxon.png.

    Example: cxrshort stats wilcoxon changes.csv --before logit_before --after logit_after --person patient
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.verbs.stats.wilcoxon import wilcoxon as run

    result = run(
        table,
        before=before,
        after=after,
        difference=difference,
        person=person,
        by=by,
        level=level,
        seed=seed,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
