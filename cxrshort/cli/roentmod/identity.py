"""``cxrshort roentmod identity``."""

from typing import Annotated

from cxrshort.cli import early
from cxrshort.cli.options import (
    DATA,
    Device,
    DryRun,
    Force,
    Json,
    Out,
    Precision,
    Quiet,
    Threads,
    Verbose,
    check_loudness,
    option,
    seed_option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.processes import quiet_unless
from cxrshort.cli.progress import progress

DISTANCE = "Distances"


def identity(
    before: Annotated[str, option("--before", text="Dataset of originals.", metavar="D", panel=DATA)],
    after: Annotated[str, option("--after", text="Dataset of their edits.", metavar="D", panel=DATA)],
    follow_up: Annotated[
        str | None,
        option(
            "--follow-up",
            text="Dataset in whose manifest real follow-ups are looked for.",
            metavar="D",
            panel=DATA,
            default="the originals",
        ),
    ] = None,
    within_days: Annotated[
        int,
        option(
            "--within-days",
            text="Longest time from an image to its follow-up.",
            metavar="N",
            panel=DATA,
            default=True,
            least=1,
        ),
    ] = 730,
    sham: Annotated[
        str | None,
        option(
            "--sham",
            text="Name of the edit that adds nothing.",
            metavar="EDIT",
            panel=DATA,
            default="sham, or the no-finding prompt",
        ),
    ] = None,
    mask_bit: Annotated[
        str | None,
        option(
            "--mask-bit",
            text="Structures of the masks that edits change, such as lungs or lungs+heart.",
            metavar="NAME",
            panel=DATA,
            default="masks and boxes of the finding, else the lungs",
        ),
    ] = None,
    embedding: Annotated[
        list[str] | None,
        option(
            "--embedding",
            text="MODEL, inception:FILE, clip:FOLDER or NAME=FILE.npz; repeatable. Small pixels are always there.",
            metavar="E",
            panel=DISTANCE,
            default="small pixels alone",
        ),
    ] = None,
    distance: Annotated[
        str,
        option("--distance", text="Distance: frechet, l2 or cosine.", metavar="NAME", panel=DISTANCE, default=True),
    ] = "frechet",
    seed: Annotated[
        int, seed_option("Random seed of other persons, and of the choice among follow-ups.", panel=DISTANCE)
    ] = 0,
    out: Out = None,
    force: Force = False,
    dry_run: DryRun = False,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure whether edits keep the person: how near each is to its original.

    Edits name their original (source_image_id) and the finding that they add (edit). Each is compared with its original
    beside the edit of another person (control), the sham edit, the plain round trip, and a real follow-up of the same
    person in whom the finding appeared (real), as in Supplemental Table 2 of RoentMod 2025.

    Writes findings.csv (distances by edit, kind of pair and embedding), comparisons.csv (which picture is nearer, and
    the verdicts), differences.csv (structural similarity and absolute difference, inside and outside of the edited
    region), pairs.csv (every pair), identity.png, summary.json and run.json into
    results/EMBEDDINGS/BEFORE+AFTER-identity (or --out).

    The pairwise Fréchet distance of two images is the squared Euclidean distance of their embeddings: raw ones of
    convolutional networks, unit-normalised ones of CLIP and of files whose NAME holds clip. Values can be compared
    within one embedding and one preparation of the pixels alone, and verdicts differ between embeddings, so that all
    stand side by side, the mean grey of 32 x 32 squares among them, and contradictions are noted.

    kept: at least 75 % of edits are nearer to their original than another person's edit is, by the lower limit of the
    share. not kept: less than 75 %, by the upper limit. undecided: anything else. not testable: one person. An
    embedding that cannot tell a real follow-up from another person's is named, since it says little of identity.

    Follow-ups are found in the manifest: an image without the finding, and one of the same person with it within
    --within-days, by study_date, else by age and the order of names. One pair of a person counts, drawn at random.

    Embeddings computed elsewhere hold the images of all datasets by image_id: a .npz file with image_id and one array,
    a .csv table with image_id and numbers, or the features of evaluate --features.

    Example: cxrshort roentmod identity --before phantom-III --after phantom-III-phantom-edits
    """
    check_loudness(quiet=quiet, verbose=verbose)
    first = early.is_first()
    with quiet_unless(first):
        for name in filter(None, (before, after, follow_up)):
            early.dataset(name)
    early.spare_threads(device=device, precision=precision, threads=threads, quiet=quiet)
    from cxrshort.verbs.roentmod.identity import identity as run

    with progress(quiet=quiet or not first) as report, quiet_unless(first):
        result = run(
            before=before,
            after=after,
            follow_up=follow_up,
            embeddings=tuple(embedding or ()),
            distance=distance,
            sham=sham,
            mask_bit=mask_bit,
            within_days=within_days,
            seed=seed,
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
