"""``cxrshort stats audits``."""

from pathlib import Path
from typing import Annotated

from cxrshort.cli.options import Force, Json, Out, Quiet, Verbose, argument, check_loudness
from cxrshort.cli.printer import print_result


def audits(
    folders: Annotated[
        list[Path],
        argument("FOLDER...", "Folders of evaluations and audits, at any depth; models stand in the order of these."),
    ],
    out: Out = None,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Show AUCs and audit verdicts of models side by side, such as before and after a cure.

    A row is a question (an AUC, a region, an added and a predicted finding) on one dataset, a column is a model, and a
    cell is its verdict with the effect and its interval. Evaluations and audits of any kind may be mixed. Models are
    told apart by the content of their files; answers on different images never share a row. Where the same question was
    put to a model twice, the later folder's answer is shown.

    --out writes audits.csv, summary.json and run.json.

    Example: cxrshort stats audits results/before results/after
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.verbs.stats.audits import audits as run

    print_result(run(folders, out=out, force=force), json=json, quiet=quiet, verbose=verbose)
