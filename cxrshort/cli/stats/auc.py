"""``cxrshort stats auc``."""

from typing import Annotated

from cxrshort.cli.options import Force, Json, Out, Quiet, Verbose, check_loudness
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import By, Figures, Label, Level, Person, Score, TableArgument, Target, number_option


def auc(
    table: TableArgument,
    target: Target = None,
    score: Score = None,
    person: Person = None,
    label: Label = None,
    by: By = None,
    max_fpr: Annotated[float, number_option("--max-fpr", "Largest false positive rate of the partial AUC.")] = 0.1,
    level: Level = 0.95,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compute AUC, average precision and partial AUC with confidence intervals, clustered by person.

    The variance of the AUC is DeLong's, or Obuchowski's where persons have several images; the interval is adjusted for
    small numbers of positives or negatives. Average precision is printed with its chance level, the prevalence. The
    partial AUC is standardised as by McClish (0.5 is chance). Several models or test sets in one table are analysed
    separately, never pooled.

    --out writes aucs.csv, means.csv (means over replicates), summary.json and run.json; --figures adds auc.png and
    roc.png.

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
