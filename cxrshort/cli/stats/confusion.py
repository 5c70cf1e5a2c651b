"""``cxrshort stats confusion``."""

from typing import Annotated

from cxrshort.cli.options import DATA, Force, Json, Out, Quiet, Verbose, check_loudness, option, seed_option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.decision_options import Threshold
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
    column_option,
    number_option,
)


def confusion(
    table: TableArgument,
    target: Target = None,
    score: Score = None,
    logits: Logits = False,
    decision: Annotated[
        str | None,
        column_option(
            "--decision", "Column of predicted classes, in place of --score; --target may then hold any classes."
        ),
    ] = None,
    matrix: Annotated[
        bool,
        option(
            "--matrix",
            text="TABLE is a confusion matrix: one row per true class, named in the first column, and one column per "
            "predicted class.",
            panel=DATA,
        ),
    ] = False,
    person: Person = None,
    label: Label = None,
    by: By = None,
    threshold: Threshold = None,
    class_prior: Annotated[
        float, number_option("--class-prior", "Dirichlet prior parameter of each class frequency.")
    ] = 1.0,
    decision_prior: Annotated[
        float,
        number_option("--decision-prior", "Dirichlet prior parameter of each predicted class within a true class."),
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
    """Compute sensitivity, specificity, precision, F1 and macro averages with Bayesian credible intervals.

    The model is that of the TEA paper (Zhang, Wang and Zhao 2015): Dirichlet priors on the class frequencies and on the
    predicted classes within each true class. Posterior draws are exact and independent; no Markov chain is needed.
    Balanced accuracy is macro-averaged sensitivity.

    The model assumes independent images. Where persons have several, its intervals are too narrow, and a note says so;
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
