"""``cxrshort stats gap``."""

from typing import Annotated

from cxrshort.cli.options import DATA, Force, Json, Out, Quiet, Verbose, check_loudness, option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import STATISTIC, Figures, Label, Level, Person, Score, TableArgument, Target


def gap(
    table: TableArgument,
    target: Target = None,
    score: Score = None,
    person: Person = None,
    label: Label = None,
    role: Annotated[
        str,
        option(
            "--role",
            text="Column that says whether a row is internal or external.",
            metavar="COLUMN",
            panel=DATA,
            default=True,
        ),
    ] = "role",
    match: Annotated[
        str | None,
        option(
            "--match",
            text="Column of the case mix to be matched.",
            metavar="COLUMN",
            panel=STATISTIC,
            default="view, if there is one",
        ),
    ] = None,
    level: Level = 0.95,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compute the generalization gap, AUC inside minus outside, as it is and at the case mix of the outside.

    A gap may come of another case mix and not of a shortcut: more bedside films outside, say. So the images inside are
    weighted until their views are as frequent as outside ("view"), and as frequent among positives and among negatives,
    which also matches the prevalence within each view ("view+class"). Prevalence alone does not move an AUC. Views
    that one side lacks cannot be matched and are left out, counted.

    A gap whose interval holds 0 is not shown; that is no evidence that there is none. With --out it writes gaps.csv,
    summary.json and run.json, with --figures gap.png too.

    Example: cxrshort stats gap results/phantom-I-small-cnn-erm-replicate-0/phantom-I+phantom-external
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.verbs.stats.gap import gap as run

    result = run(
        table,
        target=target,
        score=score,
        person=person,
        label=label,
        role=role,
        match=match,
        level=level,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
