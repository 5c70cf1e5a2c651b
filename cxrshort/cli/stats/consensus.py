"""``cxrshort stats consensus``."""

from typing import Annotated

from cxrshort.cli.options import DATA, Force, Json, Out, Quiet, Verbose, check_loudness, option, seed_option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import STATISTIC, Correction, Figures, Label, Level, TableArgument


def consensus(
    table: TableArgument,
    value: Annotated[
        str | None,
        option(
            "--value",
            text="Column of scores, where a row is one method on one dataset.",
            metavar="COLUMN",
            panel=DATA,
        ),
    ] = None,
    group: Annotated[
        str | None, option("--group", text="Column of methods, with --value.", metavar="COLUMN", panel=DATA)
    ] = None,
    dataset: Annotated[
        str, option("--dataset", text="Column of datasets.", metavar="COLUMN", panel=DATA, default=True)
    ] = "dataset",
    method: Annotated[
        list[str] | None,
        option(
            "--method",
            text="Column of the scores of one method, where a row is a dataset; repeatable.",
            metavar="COLUMN",
            panel=DATA,
        ),
    ] = None,
    label: Label = None,
    lower_is_better: Annotated[
        bool, option("--lower-is-better", text="Scores are errors, such as a log loss.", panel=DATA)
    ] = False,
    region: Annotated[
        float,
        option(
            "--region",
            text="Region of practical equivalence: differences up to X do not matter.",
            metavar="X",
            panel=STATISTIC,
            default=True,
        ),
    ] = 0.01,
    correction: Correction = "holm",
    level: Level = 0.95,
    seed: Annotated[int, seed_option("Random seed of the posterior draws.", panel=STATISTIC)] = 0,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare several methods over several datasets: Friedman, Nemenyi and the Bayesian signed-rank test.

    Three or more methods are ranked on each dataset. Friedman's test says whether their mean ranks differ, Nemenyi's
    critical difference which of them; methods that share a letter are not told apart. For each pair of methods the
    Bayesian signed-rank test states how probable it is, on a new dataset like these, that the first is better, that
    both are equivalent in practice (--region), and that the second is better (Benavoli et al. 2017).

    Predictions of evaluate are ranked by AUC, each label on its own. Ten datasets or more are advised.

    --out writes ranks.csv, pairs.csv, summary.json and run.json; --figures adds consensus.png, the critical difference
    diagram.

    Example: cxrshort stats consensus aucs.csv --value auc --group training --dataset dataset
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.verbs.stats.consensus import consensus as run

    result = run(
        table,
        value=value,
        group=group,
        dataset=dataset,
        methods=method or (),
        label=label,
        lower_is_better=lower_is_better,
        region=region,
        correction=correction,
        level=level,
        seed=seed,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
