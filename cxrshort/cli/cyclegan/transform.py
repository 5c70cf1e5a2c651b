"""``cxrshort cyclegan transform``."""

from typing import Annotated

from cxrshort.cli import early
from cxrshort.cli.options import (
    DATA,
    FILES,
    Dataset,
    Device,
    DryRun,
    Force,
    Json,
    Out,
    Precision,
    Quiet,
    Resume,
    Threads,
    Verbose,
    argument,
    check_loudness,
    option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.progress import progress

SHARED = "Sharing the work"


def transform(
    model: Annotated[str, argument("MODEL", "Run folder or model file of cyclegan train.")],
    dataset: Dataset,
    direction: Annotated[
        str,
        option(
            "--direction",
            text="Side whose look the images take: to or from, as training named them.",
            metavar="to|from",
            panel=DATA,
        ),
    ],
    split: Annotated[
        str, option("--split", text="Fold to use: test, val, train or all.", metavar="S", panel=DATA, default=True)
    ] = "all",
    replicate: Annotated[
        int | None,
        option(
            "--replicate", text="Split of the dataset to use.", metavar="R", panel=DATA, default="the model's", least=0
        ),
    ] = None,
    where: Annotated[
        str | None,
        option(
            "--where",
            text="Images to transform: an expression over manifest columns; '' takes all.",
            metavar="EXPR",
            panel=DATA,
            default="those of the other side",
        ),
    ] = None,
    out: Out = None,
    name: Annotated[
        str | None,
        option("--name", text="Name of the new dataset.", metavar="NAME", panel=FILES, default="that of its folder"),
    ] = None,
    shard: Annotated[
        str | None, option("--shard", text="Make every N-th image only; see --merge.", metavar="I/N", panel=SHARED)
    ] = None,
    merge: Annotated[bool, option("--merge", text="Write the dataset from its N shards.", panel=SHARED)] = False,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    dry_run: DryRun = False,
    force: Force = False,
    resume: Resume = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Transform the images of a dataset toward one side of a trained cyclegan.

    Writes a dataset (manifest.csv, images.npy, run.json, transformed.png) into datasets/NAME-cyclegan-DIRECTION (or
    --out). Labels, splits, masks and regions are those of the sources; source_image_id and edit say what was done. Like
    any dataset it can be evaluated, explained, or trained on.

    --direction to takes the images of the --from side and makes them look like those of --to; --where takes others. The
    images must have the size of the training.

    Shards and interruptions leave the bytes as they are. Pictures are made in fp32 whatever --precision says.

    Example: cxrshort cyclegan transform runs/cyclegan --dataset phantom-I --direction to --split test
    """
    check_loudness(quiet=quiet, verbose=verbose)
    early.models([model])
    early.dataset(dataset)
    early.spare_threads(device=device, precision=precision, threads=threads, quiet=quiet)
    from cxrshort.verbs.cyclegan.transform import transform as run

    with progress(quiet=quiet) as report:
        result = run(
            model,
            dataset=dataset,
            direction=direction,
            split=split,
            replicate=replicate,
            where=where,
            name=name,
            out=out,
            shard=shard,
            merge=merge,
            device=device,
            precision=precision,
            threads=threads,
            dry_run=dry_run,
            force=force,
            resume=resume,
            report=report,
        )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
