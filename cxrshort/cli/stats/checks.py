"""``cxrshort stats checks``."""

from pathlib import Path
from typing import Annotated

from cxrshort.cli import gate
from cxrshort.cli.options import DATA, Force, Json, Out, Quiet, Verbose, check_loudness, fail_on_option, option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.run_options import RunPaths, StudyLabel


def checks(
    paths: RunPaths,
    label: StudyLabel = None,
    attest: Annotated[
        Path | None,
        option(
            "--attest",
            text='TOML file of statements on what files cannot show, such as label-errors = "200 films re-read".',
            metavar="FILE",
            panel=DATA,
        ),
    ] = None,
    out: Out = None,
    force: Force = False,
    fail_on: Annotated[
        str | None,
        fail_on_option("fail: exit with code 3 if a check reads FAIL; warn: also if one reads WARN.", metavar="STATUS"),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Check a study against published recommendations for the evaluation of medical-imaging models.

    The recommendations are those of Varoquaux & Cheplygina (npj Digital Medicine 2022), by section of the paper. Each
    is PASS, WARN, FAIL or NOT ASSESSABLE, with the fact that decided it and the file and field of that fact. A check
    passes on evidence alone: whatever the folders do not contain is NOT ASSESSABLE. Name every folder of the study:
    datasets, trainings, evaluations, audits and results of cxrshort stats. Tables of published results are checked too.

    Statements of --attest are printed beside checks that are NOT ASSESSABLE, as attested, not verified.

    --out writes checks.csv, summary.json and run.json.

    Example: cxrshort stats checks runs results
    """
    check_loudness(quiet=quiet, verbose=verbose)
    gate.check_level(fail_on, gate.CHECK_LEVELS)
    from cxrshort.verbs.stats.checks import checks as run

    result = run(paths, label=label, attest=attest, out=out, force=force)
    print_result(result, json=json, quiet=quiet, verbose=verbose)
    gate.exit_on_verdict(result, fail_on, gate.CHECK_LEVELS)
