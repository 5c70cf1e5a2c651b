"""``cxrshort stats noise``."""

from pathlib import Path
from typing import Annotated

import typer

from cxrshort.cli.options import DATA, Force, Json, Out, Quiet, Verbose, check_loudness, option, seed_option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import STATISTIC, By, Correction, Figures, Label, Level, Person

GRID = "Grid of own models"


def noise(
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="[TABLE]",
            help="Table with one submission per row, or the public leaderboard of two, or - for standard input.",
            show_default=False,
        ),
    ] = None,
    second: Annotated[
        str | None, typer.Argument(metavar="[TABLE2]", help="Private leaderboard.", show_default=False)
    ] = None,
    public: Annotated[
        str,
        option(
            "--public",
            text="Column of public scores, in the first of two leaderboards.",
            metavar="COLUMN",
            panel=DATA,
            default=True,
        ),
    ] = "public",
    private: Annotated[
        str,
        option(
            "--private",
            text="Column of private scores, in the second of two leaderboards.",
            metavar="COLUMN",
            panel=DATA,
            default=True,
        ),
    ] = "private",
    team: Annotated[
        str,
        option(
            "--team",
            text="Column of teams, by which two leaderboards are joined.",
            metavar="COLUMN",
            panel=DATA,
            default=True,
        ),
    ] = "team",
    by: By = None,
    lower_is_better: Annotated[
        bool, option("--lower-is-better", text="Scores are errors, such as a log loss.", panel=DATA)
    ] = False,
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
            text="Random halves of the test set.",
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
    """Compare the noise of an evaluation with the lead of its winner, as Varoquaux & Cheplygina 2022, Fig. 3.

    Submissions: the noise is half the distance between the 5th and 95th percentiles of private minus public scores; the
    winner gap is the lead of the best private score over the 90th percentile. A gap within the noise means diminishing
    returns: another test set may have another winner. A fall of the scores larger than the gap reads "overfit".

    --grid: the noise comes from random halves of the test set by person, rescaled to two test sets of its size. Each
    model is compared with the winner on the same images, too; "within noise" is no evidence of equality.

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
