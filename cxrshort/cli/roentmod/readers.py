"""``cxrshort roentmod readers``."""

from pathlib import Path
from typing import Annotated

from cxrshort.cli import early
from cxrshort.cli.options import (
    DATA,
    Force,
    Json,
    Out,
    Quiet,
    Verbose,
    argument,
    check_loudness,
    option,
    seed_option,
)
from cxrshort.cli.printer import print_result

ANSWERS = "Answers"


def readers(
    answers: Annotated[list[Path], argument("SHEET", "Sheets that readers filled in, one of each reader.")],
    key: Annotated[
        Path, option("--key", text="key.csv that was written with the sheets.", metavar="CSV", panel=ANSWERS)
    ],
    unsure: Annotated[
        str,
        option(
            "--unsure",
            text="What an unsure answer counts as: drop (nothing) or half (of a finding).",
            metavar="RULE",
            panel=ANSWERS,
            default=True,
        ),
    ] = "drop",
    blank: Annotated[
        str,
        option(
            "--blank",
            text="What an empty cell stands for: missing or absent.",
            metavar="WORD",
            panel=ANSWERS,
            default=True,
        ),
    ] = "missing",
    cohort: Annotated[
        str | None,
        option(
            "--cohort",
            text="Real images with labels, whose co-occurrence stands beside that of the edits.",
            metavar="D",
            panel=DATA,
            default="none",
        ),
    ] = None,
    seed: Annotated[int, seed_option("Seed of bootstrap intervals.", panel=ANSWERS)] = 0,
    out: Out = None,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Read what readers saw in edited radiographs: is the finding there, and what came along with it?

    Adherence is the share of the edits of a finding in which readers see it, beside the share of sham edits in which
    they see it too. Co-occurrence is the same for every pair of an added and another finding.

    Writes into --out: cooccurrence.csv (what stress-test --expected and edit --off-target read), cells.csv (the same
    with intervals, for all readers and each), adherence.csv, agreement.csv, realism.csv, cooccurrence.png,
    by-reader.png, summary.json and run.json. Without --out nothing is written.

    Readings of one image are averaged first; intervals are over persons (exact binomial limits for clustered images).
    Of an image that is read twice, the first reading counts; the second one is for agreement.

    Agreement is in answers 0, 1 and 2: Cohen's kappa of each pair of readers and of each reader's two readings, Fleiss'
    kappa of the images that all read, and Krippendorff's alpha of all; limits are from a bootstrap over persons.

    RoentMod 2025 told its readers that an empty cell is 0 (--blank absent), and does not say what unsure counts as.

    Example: cxrshort roentmod readers answers-R1.csv answers-R2.csv --key key.csv --out results/readers
    """
    check_loudness(quiet=quiet, verbose=verbose)
    if cohort is not None:
        early.dataset(cohort)
    from cxrshort.verbs.roentmod.readers import readers as run

    result = run(answers, key=key, unsure=unsure, blank=blank, cohort=cohort, seed=seed, out=out, force=force)
    print_result(result, json=json, quiet=quiet, verbose=verbose)
