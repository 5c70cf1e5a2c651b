"""``cxrshort stats noise``."""

from pathlib import Path
from typing import Annotated

from cxrshort.cli.options import Force, Json, Out, Quiet, Verbose, argument, check_loudness, option, seed_option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import (
    STATISTIC,
    By,
    Correction,
    Figures,
    Label,
    Level,
    LowerIsBetter,
    Person,
    column_option,
)

GRID = "Grid of models"


def noise(
    table: Annotated[
        str | None,
        argument("TABLE", "Table with one submission per row, or the public leaderboard, or - for standard input."),
    ] = None,
    second: Annotated[
        str | None, argument("TABLE2", "Private leaderboard; without it, TABLE holds public and private scores.")
    ] = None,
    public: Annotated[str, column_option("--public", "Column of public scores.", default=True)] = "public",
    private: Annotated[str, column_option("--private", "Column of private scores.", default=True)] = "private",
    team: Annotated[
        str, column_option("--team", "Column of teams, by which two leaderboards are joined.", default=True)
    ] = "team",
    by: By = None,
    lower_is_better: LowerIsBetter = False,
    grid: Annotated[
        Path | None,
        option(
            "--grid",
            text="Predictions of several models, or a folder with predictions.csv files below it, in place of TABLE.",
            metavar="PATH",
            panel=GRID,
        ),
    ] = None,
    label: Label = None,
    person: Person = None,
    splits: Annotated[
        int,
        option(
            "--splits",
            text="Number of random halvings of the test set.",
            metavar="N",
            panel=GRID,
            default=True,
            least=20,
            most=100_000,
        ),
    ] = 200,
    correction: Correction = "holm",
    level: Level = 0.95,
    seed: Annotated[int, seed_option("Random seed of the resamples and halves.", panel=STATISTIC)] = 0,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare evaluation noise with the lead of the winner, as in Fig. 3 of Varoquaux & Cheplygina 2022.

    Submissions: noise is half the distance between the 5th and 95th percentiles of private minus public scores; the
    winner gap is the lead of the best private score over the 90th percentile. A gap within the noise means diminishing
    returns: another test set may have another winner. A fall from public to private scores that exceeds the gap reads
    "overfit".

    --grid: noise is estimated from random halves of the test set, divided by person, and rescaled to two test sets of
    its size. Each model is also compared with the winner on the same images; "within noise" is not evidence of
    equality.

    --out writes noise.csv, models.csv, summary.json and run.json; --figures adds noise.png.

    Example: cxrshort stats noise submissions.csv --public public_auc --private private_auc --by challenge
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.verbs.stats.noise import noise as run

    result = run(
        table,
        second,
        public=public,
        private=private,
        team=team,
        by=by,
        lower_is_better=lower_is_better,
        grid=grid,
        label=label,
        person=person,
        splits=splits,
        correction=correction,
        level=level,
        seed=seed,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
