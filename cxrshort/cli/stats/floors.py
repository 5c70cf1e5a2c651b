"""``cxrshort stats floors``."""

from typing import Annotated

from cxrshort.cli import early, gate
from cxrshort.cli.options import (
    DATA,
    TERMINAL,
    Dataset,
    Force,
    Json,
    Out,
    Quiet,
    Verbose,
    check_loudness,
    option,
    seed_option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import STATISTIC, Figures, Level


def floors(
    dataset: Dataset,
    label: Annotated[
        str | None,
        option("--label", text="Label to predict.", metavar="LABEL", panel=DATA, default="COVID-19, else the first"),
    ] = None,
    by: Annotated[
        str | None,
        option(
            "--by",
            text="Column of subgroups in which each floor is also judged.",
            metavar="COLUMN",
            panel=DATA,
            default="view, if there are several",
        ),
    ] = None,
    predictions: Annotated[
        str | None,
        option(
            "--predictions",
            text="predictions.csv of evaluate or its folder, or a table with image_id and scores: models to compare.",
            metavar="TABLE",
            panel=DATA,
        ),
    ] = None,
    score: Annotated[
        str | None,
        option(
            "--score",
            text="Column of scores in --predictions, higher where the label is 1.",
            metavar="COLUMN",
            panel=DATA,
            default="logit.LABEL of predictions.csv",
        ),
    ] = None,
    level: Level = 0.95,
    seed: Annotated[int, seed_option("Random seed of folds and shuffled pixels.", panel=STATISTIC)] = 0,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    fail_on: Annotated[
        str | None,
        option(
            "--fail-on",
            text="Exit with code 3 if a model is not shown superior to each floor: suspicious.",
            metavar="VERDICT",
            panel=TERMINAL,
            default="never",
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure shortcut floors: the AUC that is reached without seeing anatomy, and whether a model is superior to it.

    A floor is learned by boosted trees from the prevalence alone, metadata (age, sex, view; with repository), the
    histogram of grey values, border strips, a thumbnail of 16 x 16 pixels, or patterns of shuffled pixels. Folds are
    drawn by person, and each image is scored by what was learned from other persons. Intervals count persons and allow
    for what folds share. A high floor alone accuses nobody: disease changes views and grey values too.

    With --predictions each model is compared with each floor on the same images, with Holm's correction. A model that
    is not superior to its floors has not shown that it sees disease. P_Est = P_source - P_shuffled + 0.5 is the AUC
    that is expected elsewhere (Ong Ly et al. 2024).

    --out writes floors.csv, scores.csv (out-of-fold scores), summary.json and run.json, with --predictions also
    comparisons.csv and models.csv; --figures adds floors.png.

    Example: cxrshort stats floors --dataset phantom-I
    """
    check_loudness(quiet=quiet, verbose=verbose)
    gate.check_level(fail_on)
    early.dataset(dataset)
    from cxrshort.verbs.stats.floors import floors as run

    result = run(
        dataset,
        label=label,
        by=by,
        predictions=predictions,
        score=score,
        level=level,
        seed=seed,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
    gate.exit_on_verdict(result, fail_on)
