"""``cxrshort stats consensus``."""

from typing import Annotated

from cxrshort.cli.options import Force, Json, Out, Quiet, Verbose, check_loudness, seed_option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import (
    STATISTIC,
    Correction,
    Figures,
    Group,
    Label,
    Level,
    LowerIsBetter,
    TableArgument,
    column_option,
    number_option,
)


def consensus(
    table: TableArgument,
    value: Annotated[str | None, column_option("--value", "Column of results, one row per method and dataset.")] = None,
    group: Group = None,
    dataset: Annotated[str, column_option("--dataset", "Column of datasets.", default=True)] = "dataset",
    method: Annotated[
        list[str] | None,
        column_option("--method", "Column of results of one method, one row per dataset; repeatable."),
    ] = None,
    label: Label = None,
    lower_is_better: LowerIsBetter = False,
    region: Annotated[
        float,
        number_option("--region", "Region of practical equivalence: differences of at most X are negligible."),
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
    """Compare methods over several datasets: Friedman, Nemenyi and Bayesian signed-rank tests.

    Three or more methods are ranked on each dataset. Friedman's test shows whether their mean ranks differ, and
    Nemenyi's critical difference which of them do; methods that share a letter are not distinguished. For each pair of
    methods, the Bayesian signed-rank test gives the probabilities that, on a new dataset like these, the first is
    better, both are practically equivalent (--region), and the second is better (Benavoli et al. 2017).

    Predictions of evaluate are ranked by AUC, separately for each label. At least ten datasets are advised.

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
