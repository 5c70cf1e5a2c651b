"""``cxrshort stats ledger``."""

from pathlib import Path
from typing import Annotated

from cxrshort.cli.options import FILES, Force, Json, Out, Quiet, Verbose, argument, check_loudness, option, seed_option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import STATISTIC, Figures, Label, Level


def ledger(
    folders: Annotated[
        list[Path],
        argument("FOLDER...", "Folders with runs at any depth, such as results; the first keeps the registrations."),
    ],
    label: Label = None,
    level: Level = 0.95,
    seed: Annotated[int, seed_option("Random seed of the draws for the expected optimism.", panel=STATISTIC)] = 0,
    register: Annotated[
        Path | None,
        option(
            "--register",
            text="Preregistration to seal now: its time and SHA-256 are added to registrations.jsonl of FOLDER.",
            metavar="FILE",
            panel=FILES,
        ),
    ] = None,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Count how often each test fold was scored, by which models, and what that means for p-values.

    Every run of evaluate, explain and swap-test on test images counts. Where k models were scored on one test fold,
    each p-value must be below (1 - LEVEL) / k (Bonferroni); where the number of further models is unknown, the next one
    may be tested at the level that alpha spending leaves. The best AUC of k models is optimistic, since the luckiest
    model is selected: its optimism is computed from the covariance of the AUCs on the same images, for models that
    differ as observed and, as the maximum, for equally good ones.

    --register seals a file of hypotheses, metric, margin and level. The ledger later reports whether the file is
    unchanged and how many scorings preceded it: confirmatory with none, exploratory with any. The clock is that of this
    machine; publish the seal where others record the time.

    --out writes folds.csv, scorings.csv, registrations.csv, summary.json and run.json; --figures adds ledger.png.

    Example: cxrshort stats ledger results
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.verbs.stats.ledger import ledger as run

    result = run(
        folders,
        register=register,
        label=label,
        level=level,
        seed=seed,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
