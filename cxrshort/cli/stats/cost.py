"""``cxrshort stats cost``."""

from pathlib import Path
from typing import Annotated

from cxrshort.cli.options import Force, Json, Out, Quiet, Verbose, argument, check_loudness
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import Figures


def cost(
    folders: Annotated[list[Path], argument("FOLDER...", "Folders with runs at any depth, such as runs.")],
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Report time, device-hours, parameters and images per second of finished runs.

    Device-hours are hours times processes. A resumed training counts at least the time of all its epochs; a run that
    contains other runs, such as an ensemble or a grid, counts only its remaining time. Parameters are counted in the
    model file, without the running statistics of normalisation layers. Images per second are the median over the steps
    of a training; for other runs, all images over the total time. --verbose lists every run.

    --out writes runs.csv, totals.csv, summary.json and run.json; --figures adds learning-curves.png.

    Example: cxrshort stats cost runs
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.verbs.stats.cost import cost as run

    result = run(folders, out=out, figures=figures, force=force)
    print_result(result, json=json, quiet=quiet, verbose=verbose)
