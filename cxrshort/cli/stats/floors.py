"""``cxrshort stats floors``."""

from typing import Annotated

from cxrshort.cli import early, gate
from cxrshort.cli.options import (
    DATA,
    Dataset,
    Force,
    Json,
    Out,
    Quiet,
    Verbose,
    check_loudness,
    fail_on_option,
    option,
    seed_option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import STATISTIC, Figures, Level, Score, column_option, label_option


def floors(
    dataset: Dataset,
    label: Annotated[str | None, label_option("Label to predict.", default="COVID-19, else the first label")] = None,
    by: Annotated[
        str | None,
        column_option(
            "--by",
            "Column of groups within which every floor is also measured.",
            default="view, if it has several values",
        ),
    ] = None,
    predictions: Annotated[
        str | None,
        option(
            "--predictions",
            text="Models to compare: predictions.csv of evaluate or its folder, or a table with image_id and scores.",
            metavar="TABLE",
            panel=DATA,
        ),
    ] = None,
    score: Score = None,
    level: Level = 0.95,
    seed: Annotated[int, seed_option("Random seed of folds and shuffled pixels.", panel=STATISTIC)] = 0,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    fail_on: Annotated[
        str | None,
        fail_on_option("suspicious: exit with code 3 if a model is not shown to be superior to every floor."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure shortcut floors: the AUC reachable without seeing anatomy, and whether a model is superior to it.

    A floor is learned by boosted trees from the prevalence alone, metadata (age, sex, view; also with repository), the
    grey-value histogram, border strips, a thumbnail of 16 x 16 pixels, or patterns of shuffled pixels. Folds are drawn
    by person, and images are scored by trees that were fitted to other persons. Intervals are by person and account for
    the dependence between folds. A high floor alone is no proof of a shortcut: disease changes views and grey values
    too.

    With --predictions, every model is compared with every floor on the same images, with Holm's correction. A model
    that is not superior to its floors has not been shown to see disease. P_Est = P_source - P_shuffled + 0.5 is the
    expected external AUC (Ong Ly et al. 2024).

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
