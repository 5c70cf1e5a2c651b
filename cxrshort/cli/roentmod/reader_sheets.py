"""``cxrshort roentmod reader-sheets``."""

from typing import Annotated

from cxrshort.cli import early
from cxrshort.cli.options import (
    DATA,
    Dataset,
    DryRun,
    Force,
    Json,
    Out,
    Quiet,
    Verbose,
    check_loudness,
    option,
    seed_option,
)
from cxrshort.cli.printer import print_result

READERS = "Readers"


def reader_sheets(
    dataset: Dataset,
    originals: Annotated[
        str | None,
        option(
            "--originals",
            text="Dataset that was edited: readers see the originals of the edits too.",
            metavar="D",
            panel=DATA,
            default="edits alone",
        ),
    ] = None,
    per_edit: Annotated[
        int | None,
        option(
            "--per-edit",
            text="Images of each edit, of the same originals.",
            metavar="N",
            panel=DATA,
            default="all",
            least=1,
        ),
    ] = None,
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
    readers: Annotated[
        int,
        option("--readers", text="Number of readers.", metavar="N", panel=READERS, default=True, least=1, most=99),
    ] = 2,
    shared: Annotated[
        float,
        option(
            "--shared",
            text="Share of the images that every reader reads; each of the others goes to one reader.",
            metavar="SHARE",
            panel=READERS,
            default=True,
        ),
    ] = 1.0,
    repeats: Annotated[
        int,
        option(
            "--repeats",
            text="Images that each reader reads twice.",
            metavar="N",
            panel=READERS,
            default=True,
            least=0,
        ),
    ] = 0,
    finding: Annotated[
        list[str] | None,
        option(
            "--finding",
            text="Finding that readers are asked about; repeatable.",
            metavar="NAME",
            panel=READERS,
            default="all that the edits add",
        ),
    ] = None,
    seed: Annotated[int, seed_option("Seed of images, readers and orders.", panel=READERS)] = 0,
    out: Out = None,
    force: Force = False,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write blinded, shuffled reading sheets of edited radiographs, to learn what readers see in them.

    Each reader gets a folder of their own with pictures, a table to fill in (0 absent, 1 present, 2 unsure) and
    instructions. key.csv says what each picture is; it stays with whoever runs the study.

    Writes readers/R1, readers/R2, ... (sheet.csv, instructions.txt, images), key.csv and run.json into
    results/DATASET-reader-sheets (or --out).

    Names count the places in a reader's own order, in which images of one person stand apart, and those that are read
    twice stand far apart. Pictures hold pixels alone, and all have one size and one time, so that files tell nothing.

    RoentMod 2025 gave 800 edits of 100 radiographs to two readers, half to each: --readers 2 --shared 0. A share that
    all readers read tells how well they agree.

    Example: cxrshort roentmod reader-sheets --dataset edits --readers 3 --per-edit 4 --repeats 5
    """
    check_loudness(quiet=quiet, verbose=verbose)
    early.dataset(dataset)
    if originals is not None:
        early.dataset(originals)
    from cxrshort.verbs.roentmod.reader_sheets import reader_sheets as run

    result = run(
        dataset,
        readers=readers,
        per_edit=per_edit,
        findings=tuple(finding or ()),
        originals=originals,
        shared=shared,
        repeats=repeats,
        sham=sham,
        seed=seed,
        out=out,
        dry_run=dry_run,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
