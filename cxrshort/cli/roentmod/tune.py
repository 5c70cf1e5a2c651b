"""``cxrshort roentmod tune``."""

from pathlib import Path
from typing import Annotated

from cxrshort.cli import early
from cxrshort.cli.options import (
    DATA,
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
    seed_option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.progress import progress
from cxrshort.cli.roentmod.options import (
    AllImages,
    BatchSize,
    Fast,
    Generator,
    Hub,
    Negative,
    Replicate,
    Scheduler,
    Steps,
    TextEncoder,
    Tokenizer,
    Unet,
    Vae,
    Where,
)

GRID = "Grid and rule"


def tune(
    dataset: Dataset,
    models: Annotated[
        list[str] | None,
        argument("MODEL", "Classifiers that judge the edits; the rule goes by the first one."),
    ] = None,
    editor: Annotated[
        str,
        option(
            "--editor", text="What makes the edits: diffusion or phantom.", metavar="EDITOR", panel=GRID, default=True
        ),
    ] = "diffusion",
    split: Annotated[
        str,
        option(
            "--split",
            text="Fold to use: test, val, train or all.",
            metavar="S",
            panel=DATA,
            default=True,
        ),
    ] = "val",
    replicate: Replicate = 0,
    where: Where = "",
    all_images: AllImages = False,
    images: Annotated[
        int,
        option("--images", text="Images that are edited, drawn by a hash.", metavar="N", panel=DATA, default=True),
    ] = 5,
    prompt: Annotated[
        list[str] | None,
        option(
            "--prompt",
            text="Edit and its words, or the name of a built-in prompt; repeatable.",
            metavar='NAME="WORDS"',
            panel=GRID,
            default="the six of the paper",
        ),
    ] = None,
    prompts: Annotated[
        Path | None,
        option("--prompts", text="Table of prompts with the columns edit, text, label.", metavar="CSV", panel=GRID),
    ] = None,
    strengths: Annotated[
        str | None,
        option(
            "--strengths",
            text="Strengths (of phantoms: severities), as FIRST:LAST:COUNT or with commas.",
            metavar="GRID",
            panel=GRID,
            default="0.2:1:9",
        ),
    ] = None,
    guidances: Annotated[
        str | None,
        option(
            "--guidances",
            text="Guidance scales, as FIRST:LAST:COUNT or with commas.",
            metavar="GRID",
            panel=GRID,
            default="1:10:10",
        ),
    ] = None,
    most_off_target: Annotated[
        float,
        option(
            "--most-off-target",
            text="Rule: largest change off target, as a share of the change on target.",
            metavar="SHARE",
            panel=GRID,
            default=True,
        ),
    ] = 0.5,
    seed: Annotated[int, seed_option("Seed of the noise, and of the draw of images.", panel=GRID)] = 0,
    generator: Generator = None,
    vae: Vae = None,
    text_encoder: TextEncoder = None,
    tokenizer: Tokenizer = None,
    unet: Unet = None,
    hub: Hub = False,
    steps: Steps = None,
    scheduler: Scheduler = None,
    negative: Negative = None,
    fast: Fast = False,
    out: Out = None,
    force: Force = False,
    resume: Resume = False,
    dry_run: DryRun = False,
    batch_size: BatchSize = None,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Edit a few images at every strength and guidance, so that a radiologist or a number can choose.

    Writes a contact sheet for each prompt and image (sheet-EDIT-1.png: a row for each strength, a column for each
    guidance), maps of what was measured (map-EDIT.png), cells.csv, pictures of all cells (pictures), summary.json and
    run.json into results/DATASET-tune (or --out). --resume takes up a grid that was interrupted.

    Of each cell and prompt: the change of the added finding's logit, the same beyond the sham edit of the image, the
    mean absolute change of the other logits, and the squared distance of edit and original in the model's features, and
    in small pictures. Images, noise and networks are the same in all cells.

    The rule proposes, for each prompt and for all, the cell with the largest target change beyond sham whose change off
    target is at most --most-off-target of it, and whose edits are no farther from their originals than two real images
    of one person are (median; of two persons, where no person has two images). It is a proposal: images are few.

    RoentMod 2025 took five images, ten values from 0.2 to 1 and ten from 1.5 to 10, and chose strength 0.4 and guidance
    4, which are not on that grid. The default grids hold both. Strength is not a noise level: cells.csv has the steps
    and the timestep at which they start.

    Example: cxrshort roentmod tune --dataset phantom-III --split all --editor phantom --prompt edema --images 2
    """
    check_loudness(quiet=quiet, verbose=verbose)
    early.dataset(dataset)
    early.models(models or ())
    early.spare_threads(device=device, precision=precision, threads=threads, quiet=quiet)
    from cxrshort.generative.roentmod.opening import EditorOptions
    from cxrshort.verbs.roentmod.tune import tune as run

    options = EditorOptions(
        generator=generator,
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        hub=hub,
        steps=steps,
        scheduler=scheduler,
        negative=negative,
        fast=fast,
        batch_size=batch_size,
    )
    with progress(quiet=quiet) as report:
        result = run(
            dataset,
            models or (),
            editor=editor,
            prompts=tuple(prompt or ()),
            prompt_table=prompts,
            strengths=strengths,
            guidances=guidances,
            images=images,
            most_off_target=most_off_target,
            split=split,
            replicate=replicate,
            where=where,
            all_images=all_images,
            seed=seed,
            options=options,
            out=out,
            device=device,
            precision=precision,
            threads=threads,
            dry_run=dry_run,
            force=force,
            resume=resume,
            report=report,
        )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
