"""``cxrshort roentmod edit``."""

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
    Split,
    Threads,
    Verbose,
    check_loudness,
    option,
    seed_option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.processes import quiet_unless
from cxrshort.cli.progress import progress
from cxrshort.cli.roentmod.options import (
    SHARED,
    AllImages,
    BatchSize,
    Fast,
    Generator,
    Guidance,
    Hub,
    KeepNoise,
    Merge,
    Negative,
    Replicate,
    Scheduler,
    Severity,
    Steps,
    Strength,
    TextEncoder,
    Tokenizer,
    Unet,
    Vae,
    Where,
)

EDITS = "Edits"


def edit(
    dataset: Dataset,
    editor: Annotated[
        str,
        option(
            "--editor",
            text="What makes the edits: diffusion, phantom or cyclegan:MODEL.",
            metavar="EDITOR",
            panel=EDITS,
            default=True,
        ),
    ] = "diffusion",
    split: Split = "test",
    replicate: Replicate = 0,
    where: Where = "",
    sample: Annotated[
        int | None,
        option("--sample", text="Edit at most N images, drawn by a hash.", metavar="N", panel=DATA, default="all"),
    ] = None,
    all_images: AllImages = False,
    name: Annotated[
        str | None,
        option(
            "--name",
            text="Name of the new dataset in models, tables and figures.",
            metavar="NAME",
            panel=DATA,
            default="the name of its folder",
        ),
    ] = None,
    prompt: Annotated[
        list[str] | None,
        option(
            "--prompt",
            text="Edit and its words, or the name of a built-in prompt; repeatable.",
            metavar='NAME="WORDS"',
            panel=EDITS,
            default="the six of the paper",
        ),
    ] = None,
    prompts: Annotated[
        Path | None,
        option("--prompts", text="Table of prompts with the columns edit, text, label.", metavar="CSV", panel=EDITS),
    ] = None,
    off_target: Annotated[
        str | None,
        option(
            "--off-target",
            text="Labels besides the added finding: negative (0), ignore (empty), or a table of co-occurrence.",
            metavar="SCHEME",
            panel=EDITS,
            default="ignore; exact for phantoms",
        ),
    ] = None,
    repetitions: Annotated[
        int,
        option(
            "--repetitions",
            text="Edits of each image and prompt, each with other noise.",
            metavar="N",
            panel=EDITS,
            default=True,
            least=1,
        ),
    ] = 1,
    inside: Annotated[
        list[str] | None,
        option(
            "--inside",
            text="Keep the original outside this structure of the masks, such as lungs; repeatable.",
            metavar="NAME",
            panel=EDITS,
            default="the whole edit is kept",
        ),
    ] = None,
    edge: Annotated[
        float,
        option(
            "--edge",
            text="With --inside: width of the soft edge, as a share of the film's side.",
            metavar="W",
            panel=EDITS,
            default=True,
        ),
    ] = 0.02,
    seed: Annotated[int, seed_option("Random seed of the noise, and of --sample.", panel=EDITS)] = 0,
    generator: Generator = None,
    vae: Vae = None,
    text_encoder: TextEncoder = None,
    tokenizer: Tokenizer = None,
    unet: Unet = None,
    hub: Hub = False,
    strength: Strength = None,
    guidance: Guidance = None,
    steps: Steps = None,
    scheduler: Scheduler = None,
    negative: Negative = None,
    fast: Fast = False,
    severity: Severity = None,
    keep_noise: KeepNoise = False,
    shard: Annotated[
        str | None, option("--shard", text="Make every N-th edit only; see --merge.", metavar="I/N", panel=SHARED)
    ] = None,
    merge: Merge = False,
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
    """Add findings to radiographs that have none, and write the edits as a dataset.

    Writes a dataset with a row for each image, prompt and repetition (source_image_id, edit, edit_prompt, edit_label,
    edit_seed, the editor's settings and quality facts), excluded.csv with the edits that failed, and edits.png, a
    contact sheet with signed differences, into datasets/NAME-EDITOR-edits (or --out). Splits are inherited, by person.

    Two controls of each image stand beside the edits: sham (the words "no acute cardiopulmonary process", same noise)
    and round trip (encoded and decoded alone). Noise depends on seed, image and repetition, not on the words.

    Without --prompt the six final prompts of RoentMod (2025): cardiomegaly, edema, "middle lobe pneumonia", "right
    pleural effusion", hernia, "left upper lobe mass". Built in besides: emphysema, nodule. The label of the finding
    comes from the name or the words, or from the column label of --prompts.

    The label of the added finding is 1. What the others are is --off-target: negative, as if nothing came along;
    ignore, empty cells, which training masks; a table of what readers saw (a row for each added finding in column
    added, shares from 0 to 1), the choice of the paper. Only the phantom knows: exact.

    --editor phantom draws phantoms again with a finding more: exact counterfactuals with new quantum noise. --strength
    0.4 --guidance 4 is what RoentMod used (its text has the numbers swapped); it names neither scheduler nor steps.
    Bytes depend on seed, device and batch size, not on shards or interruptions.

    Several machines share the work: run the same command with --shard 1/N to --shard N/N, then once with --merge. Under
    torchrun the processes of one command do so by themselves.

    Example: cxrshort roentmod edit --dataset phantom-III --editor phantom --split all --out edits
    """
    check_loudness(quiet=quiet, verbose=verbose)
    first = early.is_first()
    with quiet_unless(first):
        early.dataset(dataset)
    early.spare_threads(device=device, precision=precision, threads=threads, quiet=quiet)
    from cxrshort.generative.roentmod.opening import EditorOptions
    from cxrshort.verbs.roentmod.edit import edit as run

    options = EditorOptions(
        generator=generator,
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        hub=hub,
        strength=strength,
        guidance=guidance,
        steps=steps,
        scheduler=scheduler,
        negative=negative,
        fast=fast,
        severity=severity,
        keep_noise=keep_noise,
        batch_size=batch_size,
    )
    with progress(quiet=quiet or not first) as report, quiet_unless(first):
        result = run(
            dataset,
            editor=editor,
            prompts=tuple(prompt or ()),
            prompt_table=prompts,
            off_target=off_target,
            split=split,
            replicate=replicate,
            where=where,
            sample=sample,
            all_images=all_images,
            repetitions=repetitions,
            seed=seed,
            options=options,
            inside=tuple(inside or ()),
            edge=edge,
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
    if first:
        print_result(result, json=json, quiet=quiet, verbose=verbose)
