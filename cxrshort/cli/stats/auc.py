"""``cxrshort stats auc``."""

from typing import Annotated

from cxrshort.cli.options import Force, Json, Out, Quiet, Verbose, check_loudness, option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import STATISTIC, By, Figures, Label, Level, Person, Score, TableArgument, Target


def auc(
    table: TableArgument,
    target: Target = None,
    score: Score = None,
    person: Person = None,
    label: Label = None,
    by: By = None,
    max_fpr: Annotated[
        float,
        option(
            "--max-fpr",
            text="False positive rate up to which the partial AUC counts.",
            metavar="X",
            panel=STATISTIC,
            default=True,
        ),
    ] = 0.1,
    level: Level = 0.95,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compute AUC, average precision and partial AUC with intervals, by person where persons have several images.

    AUC has DeLong's variance, or Obuchowski's where a person has several images, and limits that hold with few
    positives too. The value that chance reaches stands beside the average precision: it is the prevalence. Partial AUC
    is McClish's, 0.5 by chance. Several models and test sets of one table are never pooled.

    With --out it writes aucs.csv, means.csv (mean over replicates), summary.json and run.json, with --figures auc.png
    too.

    Example: cxrshort stats auc scores.csv --target label --score probability --person patient --by view
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.verbs.stats.auc import auc as run

    result = run(
        table,
        target=target,
        score=score,
        person=person,
        label=label,
        by=by,
        max_fpr=max_fpr,
        level=level,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
