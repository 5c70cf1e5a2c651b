"""``cxrshort stats confusion``."""

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


def confusion(
    table: TableArgument,
    target: Target = None,
    score: Score = None,
    logits: Logits = False,
    threshold: Annotated[
        float | None,
        option(
            "--threshold",
            text="Probability from which on an image is positive.",
            metavar="X",
            panel=DATA,
            default="0.5",
        ),
    ] = None,
    decision: Annotated[
        str | None,
        option(
            "--decision",
            text="Column of decided classes, in place of --score; --target may then hold any classes.",
            metavar="COLUMN",
            panel=DATA,
        ),
    ] = None,
    matrix: Annotated[
        bool,
        option(
            "--matrix",
            text="TABLE is a confusion matrix: a row per true class, its name first, and a column per decision.",
            panel=DATA,
        ),
    ] = False,
    person: Person = None,
    label: Label = None,
    by: By = None,
    class_prior: Annotated[
        float,
        option(
            "--class-prior",
            text="Dirichlet parameter of each class size.",
            metavar="X",
            panel=STATISTIC,
            default=True,
        ),
    ] = 1.0,
    decision_prior: Annotated[
        float,
        option(
            "--decision-prior",
            text="Dirichlet parameter of each decision within a true class.",
            metavar="X",
            panel=STATISTIC,
            default=True,
        ),
    ] = 1.0,
    level: Level = 0.95,
    seed: Annotated[int, seed_option("Random seed of the posterior draws.", panel=STATISTIC)] = 0,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compute sensitivity, specificity, precision, F1 and their macro averages with Bayesian credible intervals.

    The model is that of the TEA paper (Zhang, Wang and Zhao 2015): Dirichlet priors of the class sizes and of the
    decisions within each true class. The posterior is drawn from exactly, without a Markov chain. Balanced accuracy is
    macro sensitivity.

    The model takes images for independent. Where persons have several, its intervals are too narrow, which is noted;
    operating-point has intervals by person.

    --out writes confusion.csv, matrices.csv, summary.json and run.json; --figures adds confusion.png and matrices.png.

    Example: cxrshort stats confusion scores.csv --target label --score probability --threshold 0.3
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.verbs.stats.confusion import confusion as run

    result = run(
        table,
        target=target,
        decision=decision,
        score=score,
        logits=logits,
        threshold=threshold,
        matrix=matrix,
        person=person,
        label=label,
        by=by,
        class_prior=class_prior,
        decision_prior=decision_prior,
        level=level,
        seed=seed,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
