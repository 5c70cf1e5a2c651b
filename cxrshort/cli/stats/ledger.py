"""``cxrshort stats ledger``."""

from pathlib import Path
from typing import Annotated

import typer

from cxrshort.cli.options import FILES, Force, Json, Out, Quiet, Verbose, check_loudness, option, seed_option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import STATISTIC, Figures, Label, Level


def ledger(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER...",
            help="Folders with run folders below them, such as results; the first one keeps the registrations.",
            show_default=False,
        ),
    ],
    register: Annotated[
        Path | None,
        option(
            "--register",
            text="Preregistration to seal now, with the time and its sha256, in registrations.jsonl of FOLDER.",
            metavar="FILE",
            panel=FILES,
        ),
    ] = None,
    label: Label = None,
    level: Level = 0.95,
    seed: Annotated[int, seed_option("Random seed of the draws behind the expected optimism.", panel=STATISTIC)] = 0,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Count how often each test fold was scored, by which models, and what that does to p-values.

    Every run of evaluate, explain and swap-test on test images counts. Of k models that were scored on one test fold,
    each p-value must be below (1 - LEVEL) / k (Bonferroni); a next scoring may be tested at the level that is left for
    it where nobody knows how many will follow (alpha spending). The best AUC of k models flatters, since the luckiest
    one is chosen: by how much is computed from the covariance of the AUCs on the same images, for models as far apart
    as they seem to be and, at most, for equally good ones.

    --register seals a file of hypotheses, metric, margin and level. Later the ledger says whether the file is unchanged
    and how many scorings came before it: confirmatory with none, exploratory with any. The clock is this machine's;
    publish the seal where others keep the time.

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
