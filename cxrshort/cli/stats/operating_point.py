"""``cxrshort stats operating-point``."""

from typing import Annotated

from cxrshort.cli.options import Force, Json, Out, Quiet, Verbose, check_loudness
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.decision_options import THRESHOLD, Val
from cxrshort.cli.stats.options import (
    By,
    Figures,
    Label,
    Level,
    Logits,
    Person,
    Score,
    TableArgument,
    Target,
    number_option,
)


def operating_point(
    table: TableArgument,
    target: Target = None,
    score: Score = None,
    logits: Logits = False,
    person: Person = None,
    label: Label = None,
    by: By = None,
    val: Val = None,
    sensitivity: Annotated[
        float | None,
        number_option(
            "--sensitivity",
            "Choose the largest threshold with at least this sensitivity on --val.",
            default="Youden's index",
            panel=THRESHOLD,
        ),
    ] = None,
    specificity: Annotated[
        float | None,
        number_option(
            "--specificity",
            "Choose the smallest threshold with at least this specificity on --val.",
            default=False,
            panel=THRESHOLD,
        ),
    ] = None,
    miss_cost: Annotated[
        float | None,
        number_option(
            "--miss-cost",
            "Choose the threshold of least cost on --val, where a missed positive costs X times a false alarm.",
            default=False,
            panel=THRESHOLD,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        number_option(
            "--threshold",
            "Threshold, as a probability, in place of one chosen on --val.",
            default=False,
            panel=THRESHOLD,
        ),
    ] = None,
    prevalence: Annotated[
        float | None,
        number_option(
            "--prevalence",
            "Prevalence in the target population, for predictive values and net benefit.",
            default="that of TABLE",
        ),
    ] = None,
    benefit_at: Annotated[
        list[float] | None,
        number_option(
            "--benefit-at",
            "Threshold probability at which net benefit is printed; repeatable.",
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

    Images at or above the threshold are positive. It is chosen on --val by Youden's index, or as --sensitivity,
    --specificity or --miss-cost define; a table that shares images or persons with TABLE is refused. Intervals are
    exact binomial intervals at the effective sample size, which accounts for several images per person.

    PPV and NPV depend on prevalence. --prevalence computes them for another population, on the assumption that
    sensitivity and specificity are the same there.

    Net benefit is the true positives per image minus the false positives per image, weighted by the odds of the
    threshold; it assumes calibrated probabilities. "useful" means shown to be above both treating all and treating
    none, "worse" shown to be below one of them.

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
