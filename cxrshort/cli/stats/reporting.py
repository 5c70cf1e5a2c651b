"""``cxrshort stats reporting``."""

from typing import Annotated

from cxrshort.cli.options import TERMINAL, Force, Json, Out, Quiet, Verbose, check_loudness, option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.run_options import RunPaths, StudyLabel


def reporting(
    paths: RunPaths,
    label: StudyLabel = None,
    card: Annotated[bool, option("--card", text="Print the model card, in Markdown.", panel=TERMINAL)] = False,
    datasheet: Annotated[bool, option("--datasheet", text="Print the datasheet, in Markdown.", panel=TERMINAL)] = False,
    out: Out = None,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List the CLAIM 2024 and TRIPOD+AI items that run folders prove; write a model card and a datasheet.

    An item is proven where the files contain everything it asks for; the file and the field are listed. It is partly
    proven where they contain a part of it, and blank where a person must write. The number of proven items says nothing
    about the quality of a study. --verbose lists every item.

    The documents report datasets, exclusions, splits, training, internal and external testing with intervals, and the
    shortcuts that audits detected, each number with its file. "[to be written]" marks what a person must add.

    --out writes items.csv, items.md, model-card.md, datasheet.md, summary.json and run.json.

    Example: cxrshort stats reporting runs results --out report
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.verbs.stats.reporting import reporting as run

    result = run(paths, label=label, card=card, datasheet=datasheet, out=out, force=force)
    print_result(result, json=json, quiet=quiet, verbose=verbose)
