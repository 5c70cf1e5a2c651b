"""``cxrshort stats checks``."""

from pathlib import Path
from typing import Annotated

from cxrshort.cli import gate
from cxrshort.cli.options import DATA, TERMINAL, Force, Json, Out, Quiet, Verbose, check_loudness, option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import RunPaths


def checks(
    paths: RunPaths,
    label: Annotated[
        str | None,
        option(
            "--label",
            text="Finding whose test sets and claims are judged.",
            metavar="LABEL",
            panel=DATA,
            default="that of the first evaluation",
        ),
    ] = None,
    attest: Annotated[
        Path | None,
        option(
            "--attest",
            text='TOML file of statements on what no file can show, such as label-errors = "200 films read again".',
            metavar="FILE",
            panel=DATA,
        ),
    ] = None,
    fail_on: Annotated[
        str | None,
        option(
            "--fail-on",
            text="fail: exit with code 3 if a check reads FAIL; warn: also if one reads WARN.",
            metavar="STATUS",
            panel=TERMINAL,
            default="never",
        ),
    ] = None,
    out: Out = None,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Check a study against published recommendations for evaluations of medical-imaging models.

    The recommendations are those of Varoquaux & Cheplygina (npj Digital Medicine 2022), in the sections of the paper.
    Each is PASS, WARN, FAIL or NOT ASSESSABLE, with the fact that decided and the file and field that hold it. A check
    passes on evidence alone: what is not in the folders given is NOT ASSESSABLE. Name every folder of the study:
    datasets, trainings, evaluations, audits and results of cxrshort stats. Tables of published results are checked too.

    A statement of --attest stands beside a check that is NOT ASSESSABLE, as attested, not verified.

    --out writes checks.csv, summary.json and run.json.

    Example: cxrshort stats checks runs results
    """
    check_loudness(quiet=quiet, verbose=verbose)
    gate.check_level(fail_on, gate.CHECK_LEVELS)
    from cxrshort.verbs.stats.checks import checks as run

    result = run(paths, label=label, attest=attest, out=out, force=force)
    print_result(result, json=json, quiet=quiet, verbose=verbose)
    gate.exit_on_verdict(result, fail_on, gate.CHECK_LEVELS)
