"""``cxrshort stats empirical-p``."""

from typing import Annotated

from cxrshort.cli.options import DATA, Force, Json, Out, Quiet, Verbose, argument, check_loudness, option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import STATISTIC, Figures, column_option


def empirical_p(
    table: Annotated[
        str | None,
        argument("TABLE", "Any CSV or Parquet table, or - for standard input; not needed with --r and --n."),
    ] = None,
    observed: Annotated[
        str | None,
        column_option(
            "--observed", "Column of observed values, one test per row; or a number, tested against all rows at once."
        ),
    ] = None,
    null: Annotated[
        list[str] | None,
        column_option(
            "--null", "Column of draws from the null distribution, or a pattern such as 'random_*'; repeatable."
        ),
    ] = None,
    extreme: Annotated[
        int | None,
        option(
            "--r",
            text="Number of draws at least as extreme as the observed value, in place of TABLE.",
            metavar="R",
            panel=DATA,
            least=0,
        ),
    ] = None,
    draws: Annotated[
        int | None, option("--n", text="Number of draws, with --r.", metavar="N", panel=DATA, least=1)
    ] = None,
    direction: Annotated[
        str,
        option(
            "--direction",
            text="Direction of more extreme values: increase (larger), decrease (smaller) or either (farther from 0).",
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
    """Compute the empirical p-value of an observed value against random draws: (r + 1) / (n + 1).

    Of the n draws from the null distribution, r are at least as extreme as the observed value. Ties count, so that the
    p-value is valid and never 0. The strict p-value, which counts only draws that are more extreme, follows the wording
    of DeGrave et al. 2021. Several tests in one table are adjusted by Holm's method; a p-value above 0.05 reads "not
    shown".

    --out writes tests.csv, summary.json and run.json; --figures adds null.png, the null distribution of the first test.

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
