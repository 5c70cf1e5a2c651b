"""``cxrshort stats operating-point``."""

from typing import Annotated

from cxrshort.cli.options import Force, Json, Out, Quiet, Verbose, check_loudness, option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import (
    STATISTIC,
    By,
    Figures,
    Label,
    Level,
    Logits,
    Person,
    Score,
    TableArgument,
    Target,
)

THRESHOLD = "Threshold"


def operating_point(
    table: TableArgument,
    target: Target = None,
    score: Score = None,
    logits: Logits = False,
    person: Person = None,
    label: Label = None,
    by: By = None,
    val: Annotated[
        str | None,
        option(
            "--val",
            text="Predictions of validation images on which to choose the threshold.",
            metavar="TABLE",
            panel=THRESHOLD,
        ),
    ] = None,
    sensitivity: Annotated[
        float | None,
        option(
            "--sensitivity",
            text="Choose the largest threshold with at least this sensitivity on --val.",
            metavar="X",
            panel=THRESHOLD,
            default="Youden's index",
        ),
    ] = None,
    specificity: Annotated[
        float | None,
        option(
            "--specificity",
            text="Choose the smallest threshold with at least this specificity on --val.",
            metavar="X",
            panel=THRESHOLD,
        ),
    ] = None,
    miss_cost: Annotated[
        float | None,
        option(
            "--miss-cost",
            text="Choose the threshold of least cost on --val, with this cost of a missed positive, in false alarms.",
            metavar="X",
            panel=THRESHOLD,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        option(
            "--threshold",
            text="Threshold, as a probability, instead of one chosen on --val.",
            metavar="X",
            panel=THRESHOLD,
        ),
    ] = None,
    prevalence: Annotated[
        float | None,
        option(
            "--prevalence",
            text="Prevalence at the place of use, for predictive values and net benefit there.",
            metavar="X",
            panel=STATISTIC,
            default="that of the table",
        ),
    ] = None,
    benefit_at: Annotated[
        list[float] | None,
        option(
            "--benefit-at",
            text="Threshold probability whose net benefit is printed; may be repeated.",
            metavar="X",
            panel=STATISTIC,
            default="0.05, 0.1, 0.2, 0.3, 0.5",
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
    """Compute sensitivity, specificity, PPV, NPV and net benefit at a threshold chosen on validation images.

    Images are positive from the threshold on. It is chosen on --val by Youden's index, or as --sensitivity,
    --specificity or --miss-cost say; a table that shares images or persons with TABLE is refused. Intervals are exact
    binomial ones for the effective number of images of persons.

    PPV and NPV depend on the prevalence. --prevalence gives them for another one, where sensitivity and specificity
    are taken to be the same.

    Net benefit is true positives per image, minus false positives weighted by the odds of the threshold. It presumes
    calibrated probabilities. "useful" means shown to be above treating all and above treating none, "worse" shown to be
    below one of them.

    --out writes operating_points.csv, net_benefit.csv (the decision curve), summary.json and run.json; --figures adds
    operating_point.png and net_benefit.png.

    Example: cxrshort stats operating-point scores.csv --target label --score probability --threshold 0.3
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.verbs.stats.operating_point import BENEFIT_AT
    from cxrshort.verbs.stats.operating_point import operating_point as run

    result = run(
        table,
        target=target,
        score=score,
        logits=logits,
        person=person,
        label=label,
        by=by,
        val=val,
        threshold=threshold,
        sensitivity=sensitivity,
        specificity=specificity,
        miss_cost=miss_cost,
        prevalence=prevalence,
        benefit_at=benefit_at or BENEFIT_AT,
        level=level,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
