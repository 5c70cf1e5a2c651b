"""``cxrshort roentmod synthesise``."""

from pathlib import Path
from typing import Annotated

from cxrshort.cli import early, gate
from cxrshort.cli.options import (
    DATA,
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
    check_loudness,
    fail_on_option,
    option,
    seed_option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.processes import quiet_unless
from cxrshort.cli.progress import progress
from cxrshort.cli.roentmod.options import (
    GENERATOR,
    SHARED,
    BatchSize,
    Fast,
    Generator,
    Guidance,
    Hub,
    KeepNoise,
    Merge,
    Negative,
    Scheduler,
    Severity,
    Steps,
    Strength,
    TextEncoder,
    Tokenizer,
    Unet,
    Vae,
)

FILMS = "Films and edits"
REAL = "Real images"


def synthesise(
    images: Annotated[
        int,
        option(
            "--images", text="Films without findings, each a person.", metavar="N", panel=FILMS, default=True, least=1
        ),
    ] = 10_000,
    editor: Annotated[
        str,
        option(
            "--editor", text="What draws and edits: diffusion or phantom.", metavar="EDITOR", panel=FILMS, default=True
        ),
    ] = "diffusion",
    prompt: Annotated[
        list[str] | None,
        option(
            "--prompt",
            text="Edit and its words, or the name of a built-in prompt; repeatable.",
            metavar='NAME="WORDS"',
            panel=FILMS,
            default="the six of the paper",
        ),
    ] = None,
    prompts: Annotated[
        Path | None,
        option("--prompts", text="Table of prompts with the columns edit, text, label.", metavar="CSV", panel=FILMS),
    ] = None,
    repetitions: Annotated[
        int,
        option(
            "--repetitions",
            text="Edits of each film and prompt, each with other noise.",
            metavar="N",
            panel=FILMS,
            default=True,
            least=1,
        ),
    ] = 2,
    sham: Annotated[
        bool, option("--sham/--no-sham", text="Also make edits that add nothing; RoentMod had none.", panel=FILMS)
    ] = True,
    off_target: Annotated[
        str | None,
        option(
            "--off-target",
            text="Labels besides the added finding: negative (0), ignore (empty), or a table of co-occurrence.",
            metavar="SCHEME",
            panel=FILMS,
            default="ignore; exact for phantoms",
        ),
    ] = None,
    seed: Annotated[int, seed_option("Random seed of films, edits and splits.", panel=FILMS)] = 0,
    size: Annotated[
        int | None,
        option(
            "--size",
            text="Side of the stored images in pixels.",
            metavar="PX",
            panel=DATA,
            default="that of --compare-with, else 224",
            least=1,
        ),
    ] = None,
    name: Annotated[
        str | None,
        option(
            "--name",
            text="Name of the dataset in models, tables and figures.",
            metavar="NAME",
            panel=DATA,
            default="the name of its folder",
        ),
    ] = None,
    replicates: Annotated[
        int,
        option(
            "--replicates",
            text="Splits by person, 80 % train.",
            metavar="N",
            panel=DATA,
            default=True,
            least=1,
            most=1000,
        ),
    ] = 5,
    compare_with: Annotated[
        str | None,
        option(
            "--compare-with",
            text="List the nearest image of this real dataset (see nearest); also sets size and pixel recipe.",
            metavar="D",
            panel=REAL,
        ),
    ] = None,
    embedding: Annotated[
        list[str] | None,
        option(
            "--embedding",
            text="Compare by a model's embeddings too: MODEL, inception:FILE, clip:DIR, NAME=FILE; repeatable.",
            metavar="E",
            panel=REAL,
            default="hash and small pixels alone",
        ),
    ] = None,
    generator_size: Annotated[
        int | None,
        option(
            "--generator-size",
            text="Side at which the generator draws; films are stored at --size.",
            metavar="PX",
            panel=GENERATOR,
            default="512",
            least=8,
        ),
    ] = None,
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
        str | None,
        option("--shard", text="Make every N-th film with its edits only; see --merge.", metavar="I/N", panel=SHARED),
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
    fail_on: Annotated[
        str | None,
        fail_on_option("leak: exit with code 3 if an image is a copy; suspicious: also if one is suspicious."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Draw radiographs without findings, add findings to each, and write them as a dataset to train on.

    The training cohort of RoentMod 2025: 10,000 films "no acute cardiopulmonary process" from the generator alone, and
    two edits of each by every prompt (its text has 8 prompts; 6 were kept, see edit). Every film is a synthetic person,
    whose edits are on the same side of every split. Edits that add nothing (sham) stand beside the others, so that what
    editing leaves behind is no sign of a finding; RoentMod had none: --no-sham.

    train --dataset REAL+SYNTHETIC --mix 0.3 uses the dataset. --off-target says what the labels are besides the added
    finding, as in edit; shares of a table become soft labels, the choice of the paper. Every row has the repository
    synthetic, and every picture says that it is synthetic, not for diagnosis.

    Generators can memorise training patients: --compare-with D lists the real image that each film is nearest to, in
    the folder nearest (see cxrshort roentmod nearest --help). With --compare-with, size and pixel recipe are those of
    D, which training on both needs.

    --editor diffusion draws at --generator-size and reduces to --size. --editor phantom draws phantoms of persons that
    no phantom dataset shows, without masks. Several machines share the work: the same command with --shard 1/N to
    --shard N/N, then once with --merge; N must divide --images.

    Writes manifest.csv, images.npy, excluded.csv, edits.png and run.json into datasets/synthetic-EDITOR (or --out).

    Example: cxrshort roentmod synthesise --images 8 --editor phantom --prompt edema --size 64 --out synthetic
    """
    check_loudness(quiet=quiet, verbose=verbose)
    gate.check_level(fail_on, gate.LEAK_LEVELS)
    if compare_with is not None:
        early.dataset(compare_with)
    early.spare_threads(device=device, precision=precision, threads=threads, quiet=quiet)
    from cxrshort.generative.roentmod.opening import EditorOptions
    from cxrshort.verbs.roentmod.synthesise import synthesise as run

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
    first = early.is_first()
    with progress(quiet=quiet or not first) as report, quiet_unless(first):
        result = run(
            images=images,
            editor=editor,
            prompts=tuple(prompt or ()),
            prompt_table=prompts,
            sham=sham,
            off_target=off_target,
            repetitions=repetitions,
            size=size,
            generator_size=generator_size,
            compare_with=compare_with,
            embeddings=tuple(embedding or ()),
            replicates=replicates,
            seed=seed,
            options=options,
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
        gate.exit_on_verdict(result, fail_on, gate.LEAK_LEVELS)
