"""``cxrshort stats cost``."""

from pathlib import Path
from typing import Annotated

import typer

from cxrshort.cli.options import Force, Json, Out, Quiet, Verbose, check_loudness
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import Figures


def cost(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER...", help="Folders with run folders below them, such as runs.", show_default=False
        ),
    ],
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Report time, device-hours, parameters and images per second of finished runs.

    Device-hours are hours times processes. A resumed training counts at least the time of all its epochs; a run that
    holds others, such as an ensemble or a grid, counts what is left of its time. Parameters are read from the model
    file; running statistics of normalisation are none. Images per second are the median over the steps of a training,
    and images over the whole time of other runs. --verbose prints each run.

    --out writes runs.csv, totals.csv, summary.json and run.json; --figures adds learning-curves.png.

    Example: cxrshort stats cost runs
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.verbs.stats.cost import cost as run

    result = run(folders, out=out, figures=figures, force=force)
    print_result(result, json=json, quiet=quiet, verbose=verbose)
