"""``cxrshort stats calibration``."""

from typing import Annotated

from cxrshort.cli.options import DATA, Force, Json, Out, Quiet, Verbose, check_loudness, option, seed_option
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


def calibration(
    table: TableArgument,
    target: Target = None,
    score: Score = None,
    logits: Logits = False,
    person: Person = None,
    label: Label = None,
    by: By = None,
    fit_on: Annotated[
        str | None,
        option(
            "--fit-on",
            text="Validation predictions on which temperature scaling and Platt recalibration are fitted.",
            metavar="TABLE",
            panel=DATA,
        ),
    ] = None,
    bins: Annotated[
        int,
        option(
            "--bins",
            text="Number of bins of the calibration errors and the reliability diagram.",
            metavar="N",
            panel=STATISTIC,
            default=True,
            least=1,
            most=1000,
        ),
    ] = 10,
    level: Level = 0.95,
    seed: Annotated[int, seed_option("Random seed of the bootstrap over persons.", panel=STATISTIC)] = 0,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure calibration, with intervals by person: Brier score, ECE, slope, intercept and observed:expected ratio.

    Skill is 1 minus the Brier score divided by that of a constant prediction of the prevalence. The expected
    calibration error (ECE), in bins of equal width and of equal mass, is above 0 even for a perfectly calibrated model;
    "ECE by chance" is its value for such a model on as many images. A slope below 1 means that probabilities are too
    extreme, an intercept above 0 that they are too low.

    Scores of predictions.csv are logits and are converted to probabilities by the sigmoid. In other tables --score
    names a column of probabilities, or of logits with --logits.

    --fit-on fits temperature scaling and Platt's recalibration on validation predictions with the same columns, and
    reports calibration before and after. A table that shares images or persons with TABLE is refused.

    --out writes calibrations.csv (with the decomposition of the Brier score), reliability.csv, probabilities.csv (the
    distribution of probabilities in each class), recalibrations.csv, summary.json and run.json; --figures adds
    calibration.png.

    Example: cxrshort stats calibration scores.csv --target label --score probability --person patient
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.verbs.stats.calibration import calibration as run

    result = run(
        table,
        target=target,
        score=score,
        logits=logits,
        person=person,
        label=label,
        by=by,
        fit_on=fit_on,
        bins=bins,
        level=level,
        seed=seed,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
