"""``cxrshort stats wilcoxon``."""

from typing import Annotated

from cxrshort.cli.options import Force, Json, Out, Quiet, Verbose, argument, check_loudness, seed_option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import STATISTIC, By, Figures, Level, Person, column_option


def wilcoxon(
    table: Annotated[
        str, argument("TABLE", "Any CSV or Parquet table with one row per pair, or - for standard input.")
    ],
    before: Annotated[str | None, column_option("--before", "Column of the first value of each pair.")] = None,
    after: Annotated[str | None, column_option("--after", "Column of the second value of each pair.")] = None,
    difference: Annotated[
        str | None, column_option("--difference", "Column of differences, in place of --before and --after.")
    ] = None,
    person: Person = None,
    by: By = None,
    level: Level = 0.95,
    seed: Annotated[
        int, seed_option("Random seed of the simulations for the smallest detectable shift.", panel=STATISTIC)
    ] = 0,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare paired values by the two-sided Wilcoxon signed-rank test, with exact p-values even with ties.

    Differences are after minus before, averaged within persons first. Zero differences are excluded from the test and
    counted. The interval of the median difference is based on order statistics and covers at least its nominal level.
    The p-value of the normal approximation, without continuity correction, is printed beside the exact one, since
    papers that used older software report it.

    A p-value above 1 - LEVEL (after Holm's correction, with --by) reads "not shown"; beside it stands the smallest
    detectable shift, which 80 % of studies with as many persons would have shown.

    --out writes tests.csv, summary.json and run.json; --figures adds wilcoxon.png.

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
