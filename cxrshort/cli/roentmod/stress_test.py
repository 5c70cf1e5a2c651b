"""``cxrshort roentmod stress-test``."""

from typing import Annotated

from cxrshort.cli import early, gate
from cxrshort.cli.options import (
    DATA,
    MACHINE,
    Device,
    DryRun,
    Force,
    Json,
    Out,
    Precision,
    Quiet,
    Split,
    Threads,
    Verbose,
    argument,
    check_loudness,
    fail_on_option,
    option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.processes import quiet_unless
from cxrshort.cli.progress import progress

EDITS = "Edits"


def stress_test(
    before: Annotated[
        str,
        option("--before", text="Originals: a dataset; without a MODEL, their predictions.", metavar="D", panel=DATA),
    ],
    after: Annotated[
        str,
        option("--after", text="Their edits: a dataset; without a MODEL, their predictions.", metavar="D", panel=DATA),
    ],
    models: Annotated[
        list[str] | None,
        argument(
            "MODEL",
            "Model files, run folders, or models trained elsewhere (see evaluate); none where predictions are given.",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        option(
            "--reference",
            text="Cohort of real images that percentiles are of: a dataset or predictions.",
            metavar="D",
            panel=DATA,
            default="the originals",
        ),
    ] = None,
    split: Split = "test",
    label: Annotated[
        list[str] | None,
        option(
            "--label",
            text="Predicted finding; repeatable.",
            metavar="LABEL",
            panel=DATA,
            default="all that every model and table has",
        ),
    ] = None,
    expected: Annotated[
        str | None,
        option(
            "--expected",
            text="What the edits show besides: a table of co-occurrence, or targets for the targets of the edits.",
            metavar="CSV",
            panel=EDITS,
            default="not known",
        ),
    ] = None,
    sham: Annotated[
        str | None,
        option(
            "--sham",
            text="Name of the edit that adds nothing.",
            metavar="EDIT",
            panel=EDITS,
            default="sham, or the no-finding prompt",
        ),
    ] = None,
    out: Out = None,
    force: Force = False,
    dry_run: DryRun = False,
    batch_size: Annotated[
        int,
        option("--batch-size", text="Images per forward pass.", metavar="N", panel=MACHINE, default=True, least=1),
    ] = 64,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    fail_on: Annotated[
        str | None,
        fail_on_option(
            "shortcut: exit with code 3 if a pair of findings is called shortcut; suspicious: also if one is called "
            "suspicious."
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Add one finding to radiographs, and test whether the model then predicts others.

    Edits name their original (source_image_id) and the finding that they add (edit), as a label or a prompt. Each pair
    of an added and another predicted finding gets a verdict: shortcut, suspicious, no evidence (with the smallest
    detectable effect), or not testable.

    Writes findings.csv (the verdicts), cells.csv (the matrix), controls.csv (edits that add nothing), matrix.png,
    probabilities.png, summary.json and run.json, and predictions.csv where models were scored, into
    results/MODELS/BEFORE+AFTER-stress-test (or --out). From predictions alone, only --out writes.

    Scores are percentiles within the reference cohort, so that models of any calibration can be compared. The published
    matrix (RoentMod 2025) holds the median change of each, after minus before, with Wilcoxon's signed-rank test. The
    verdict rests on the mean change beyond the sham edit that co-occurrence does not explain: a finding that comes
    along in a share C of the edits explains C times the change by adding that finding itself. Tests are over persons,
    with Holm's correction over the pairs.

    shortcut: at least 25 percentile points at p of at most 0.05. suspicious: as much at p of at most 0.2; or against
    the predicted direction; or a shortcut without a sham edit, without --expected, or for a finding that the model does
    not react to when it is added itself. no evidence: anything else. not testable: too few persons, or an output that
    never varies, as that of a model that was not trained on the finding.

    Of 20 models that were trained on phantoms without a shortcut, none got the verdict shortcut, and 0 got
    suspicious; their largest effect was 23.5 points, between findings that look alike (a mass and edema). Weak
    shortcuts stay unnamed: two findings that come together in training at a correlation of 0.9 or 0.6 were called in 20
    of 20 models each, at 0.3 (about 22 points) in 1 of 20. Findings that hardly differ are called without any shortcut,
    as a mass and pneumonia were in all of 5 other models.

    Predictions of any framework will do: a CSV or Parquet table with image_id and a column logit.LABEL or
    probability.LABEL for each finding, edits with source_image_id and edit too. person_id, model and target.LABEL are
    used if they are there. --expected reads a row for each added finding (column added) and a column for each finding
    that readers saw, with shares from 0 to 1.

    Example: cxrshort roentmod stress-test --before before.csv --after after.csv --expected readers.csv --out stress
    """
    check_loudness(quiet=quiet, verbose=verbose)
    gate.check_level(fail_on)
    first = early.is_first()
    with quiet_unless(first):
        early.models(models or ())
        for name in (before, after) if models else ():
            early.dataset(name)
    early.spare_threads(device=device, precision=precision, threads=threads, quiet=quiet)
    from cxrshort.verbs.roentmod.stress_test import stress_test as run

    with progress(quiet=quiet or not first) as report, quiet_unless(first):
        result = run(
            models or (),
            before=before,
            after=after,
            reference=reference,
            expected=expected,
            sham=sham,
            labels=tuple(label or ()),
            split=split,
            batch_size=batch_size,
            out=out,
            device=device,
            precision=precision,
            threads=threads,
            dry_run=dry_run,
            force=force,
            report=report,
        )
    if first:
        print_result(result, json=json, quiet=quiet, verbose=verbose)
        gate.exit_on_verdict(result, fail_on)
