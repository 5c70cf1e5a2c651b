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
            text="Column that marks each row as internal or external.",
            metavar="COLUMN",
            panel=DATA,
            default=True,
        ),
    ] = "role",
    match: Annotated[
        str | None,
        option(
            "--match",
            text="Column of the case mix to match.",
            metavar="COLUMN",
            panel=STATISTIC,
            default="view, if the table has it",
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
    """Compute the generalization gap, internal minus external AUC, as observed and at the external case mix.

    A gap may come from a different case mix and not from a shortcut, for instance from more bedside films in the
    external images. So the internal images are weighted until their views are as frequent as in the external images
    ("view"), or as frequent within positives and within negatives ("view+class"), which also matches the prevalence
    within each view. Prevalence alone does not change an AUC. Images whose view is absent on the other side cannot be
    matched; they are left out and counted.

    A gap whose interval contains 0 reads "not shown"; that is no evidence that there is none.

    --out writes gaps.csv, summary.json and run.json; --figures adds gap.png.

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
