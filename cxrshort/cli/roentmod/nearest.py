"""``cxrshort roentmod nearest``."""

from typing import Annotated

from cxrshort.cli import early, gate
from cxrshort.cli.options import (
    DATA,
    Device,
    DryRun,
    Force,
    Jobs,
    Json,
    Out,
    Precision,
    Quiet,
    Threads,
    Verbose,
    check_loudness,
    fail_on_option,
    option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.processes import quiet_unless
from cxrshort.cli.progress import progress


def nearest(
    dataset: Annotated[str, option("--dataset", text="Dataset of synthetic images.", metavar="D", panel=DATA)],
    compare_with: Annotated[
        str,
        option(
            "--compare-with",
            text="Dataset of real images, best that which the generator was trained on.",
            metavar="D",
            panel=DATA,
        ),
    ],
    embedding: Annotated[
        list[str] | None,
        option(
            "--embedding",
            text="Compare by a model's embeddings too: MODEL, inception:FILE, clip:DIR, NAME=FILE; repeatable.",
            metavar="E",
            panel=DATA,
            default="hash and small pixels alone",
        ),
    ] = None,
    out: Out = None,
    force: Force = False,
    dry_run: DryRun = False,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    jobs: Jobs = None,
    fail_on: Annotated[
        str | None,
        fail_on_option("leak: exit with code 3 if an image is a copy; suspicious: also if one is suspicious."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List the real image that each synthetic one is nearest to: generators can memorise training patients.

    Compares perceptual hashes, small pixels and the embeddings of --embedding, and registers the nearest pairs: the
    correlation of fine structure (ribs, vessels) is 0.85 or more for copies of one film, and stays below 0.75 for films
    of different persons. Distances are judged beside those of real images to other persons (2,000 of them at most).

    leak: the fine structure is that of a real film. suspicious: it correlates by 0.75 or more, or the image is nearer
    to a real one than any two real images of different persons are to each other, which one of n + 1 is by chance. no
    evidence: anything else, also a copy that is rotated by 3 degrees, or mirrored. Images below 64 pixels are at most
    suspicious. What the generator was trained on and the dataset does not hold is not compared. Edits of the real
    dataset's own persons are compared with the others.

    Writes nearest.csv (a row for each synthetic image, the most suspicious first), nearest.png (the nearest pairs),
    distances.png, summary.json and run.json into results/D/D2-nearest (or --out). Edits of one film are mostly near to
    the same real image: the picture and the printed table show the closest pair of each film.

    Example: cxrshort roentmod nearest --dataset phantom-external --compare-with phantom-III --out nearest
    """
    check_loudness(quiet=quiet, verbose=verbose)
    gate.check_level(fail_on, gate.LEAK_LEVELS)
    first = early.is_first()
    with quiet_unless(first):
        for name in (dataset, compare_with):
            early.dataset(name)
    early.spare_threads(device=device, precision=precision, threads=threads, quiet=quiet)
    from cxrshort.verbs.roentmod.nearest import nearest as run

    with progress(quiet=quiet or not first) as report, quiet_unless(first):
        result = run(
            dataset,
            compare_with=compare_with,
            embeddings=tuple(embedding or ()),
            out=out,
            device=device,
            precision=precision,
            threads=threads,
            jobs=jobs,
            dry_run=dry_run,
            force=force,
            report=report,
        )
    if first:
        print_result(result, json=json, quiet=quiet, verbose=verbose)
        gate.exit_on_verdict(result, fail_on, gate.LEAK_LEVELS)
