"""``cxrshort stats empirical-p``."""

from typing import Annotated

import typer

from cxrshort.cli.options import DATA, Force, Json, Out, Quiet, Verbose, check_loudness, option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import STATISTIC, Figures


def empirical_p(
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="TABLE",
            help="Any CSV or Parquet table, or - for standard input; none with --r and --n.",
            show_default=False,
        ),
    ] = None,
    observed: Annotated[
        str | None,
        option(
            "--observed",
            text="Column of observed numbers, a test for each row; or a number, for one test of all rows.",
            metavar="COLUMN",
            panel=DATA,
        ),
    ] = None,
    null: Annotated[
        list[str] | None,
        option(
            "--null", text="Columns of random numbers, such as 'random_*'; repeatable.", metavar="COLUMN", panel=DATA
        ),
    ] = None,
    extreme: Annotated[
        int | None,
        option("--r", text="Random numbers at least as extreme, counted already.", metavar="R", panel=DATA, least=0),
    ] = None,
    draws: Annotated[
        int | None, option("--n", text="Random numbers that were drawn.", metavar="N", panel=DATA, least=1)
    ] = None,
    direction: Annotated[
        str,
        option(
            "--direction",
            text="What is more extreme: increase (larger), decrease (smaller) or either (farther from 0).",
            metavar="NAME",
            panel=STATISTIC,
            default=True,
        ),
    ] = "increase",
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compute the empirical p-value of a number among random ones: (r + 1) / (n + 1).

    Of n random numbers r are at least as extreme as the observed one; ties count, so that a p-value is valid and never
    0. The strict one, in which r is larger ones alone, as DeGrave et al. 2021 word it, stands beside it. Several tests
    of one table are adjusted by Holm's method; a P above 0.05 reads "not shown".

    With --out it writes tests.csv, summary.json and run.json, with --figures null.png, of the first test.

    Example: cxrshort stats empirical-p --r 12 --n 1000
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.verbs.stats.empirical_p import empirical_p as run

    result = run(
        table,
        extreme=extreme,
        draws=draws,
        observed=observed,
        null=null or (),
        direction=direction,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
