"""``cxrshort stats gap``."""

from typing import Annotated

from cxrshort.cli.options import Force, Json, Out, Quiet, Verbose, check_loudness
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import (
    STATISTIC,
    Figures,
    Label,
    Level,
    Person,
    Score,
    TableArgument,
    Target,
    column_option,
)


def gap(
    table: TableArgument,
    target: Target = None,
    score: Score = None,
    person: Person = None,
    label: Label = None,
    role: Annotated[
        str, column_option("--role", "Column that marks rows as internal or external.", default=True)
    ] = "role",
    match: Annotated[
        str | None,
        column_option(
            "--match",
            "Column of the case mix whose distribution is matched.",
            default="view, if the table has it",
            panel=STATISTIC,
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
    """Compute the generalization gap, internal minus external AUC, as observed and at matched case mix.

    A gap may reflect a different case mix rather than a shortcut, for instance more bedside films in the external
    images. The internal images are therefore weighted until views are as frequent as in the external images ("view"),
    or as frequent among positives and among negatives ("view+class"), which also matches the prevalence within each
    view. Prevalence alone does not change the AUC. Images whose view is absent on the other side cannot be matched;
    they are excluded and counted.

    A gap whose interval contains 0 reads "not shown", which is not evidence of no gap.

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
