"""``cxrshort cyclegan train``."""

from typing import Annotated

from cxrshort.cli import early, processes
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
    ThreadsKept,
    Verbose,
    check_loudness,
    option,
    seed_option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.progress import progress
from cxrshort.cli.training_options import BASIC, TUNING, BatchSize, Epochs, LearningRate, RunName
from cxrshort.errors import UsageError

LOSSES = "Losses and networks (defaults from --recipe; --recipe help shows them)"


def train(
    dataset: Dataset = "",
    from_side: Annotated[
        str,
        option("--from", text="Images of one side: an expression over manifest columns.", metavar="EXPR", panel=DATA),
    ] = "",
    to_side: Annotated[
        str,
        option("--to", text="Images of the other side; no image may be on both.", metavar="EXPR", panel=DATA),
    ] = "",
    per_class: Annotated[
        int | None,
        option(
            "--per-class",
            text="Most images of a side, drawn at random.",
            metavar="N",
            panel=DATA,
            default="as many as the smaller side has",
            least=1,
        ),
    ] = None,
    replicate: Annotated[
        int,
        option(
            "--replicate",
            text="Split of the dataset whose training fold is used.",
            metavar="R",
            panel=DATA,
            default=True,
            least=0,
        ),
    ] = 0,
    recipe: Annotated[
        str,
        option(
            "--recipe",
            text="standard, degrave2021-code, degrave2021-paper, or your own .toml file; 'help' shows their values.",
            metavar="NAME",
            panel=BASIC,
            default=True,
        ),
    ] = "standard",
    seed: Annotated[int, seed_option("Random seed.", panel=BASIC)] = 0,
    settings: Annotated[
        list[str] | None,
        option(
            "--set",
            text="Any other setting of the recipe; repeatable; 'help' lists them with type and default.",
            metavar="NAME=VALUE",
            panel=BASIC,
        ),
    ] = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    loss: Annotated[
        str | None,
        option(
            "--loss",
            text="Adversarial loss: lsgan (least squares) or log (the paper's formula).",
            metavar="L",
            panel=LOSSES,
        ),
    ] = None,
    cycle: Annotated[
        float | None,
        option("--cycle", text="Weight of the difference there and back.", metavar="X", panel=LOSSES),
    ] = None,
    identity: Annotated[
        float | None,
        option(
            "--identity",
            text="Weight of the change of images that are of the generator's own side.",
            metavar="X",
            panel=LOSSES,
        ),
    ] = None,
    width: Annotated[
        int | None,
        option("--width", text="Channels of a generator's first layer.", metavar="N", panel=LOSSES),
    ] = None,
    flip: Annotated[
        bool | None,
        option(
            "--flip/--no-flip",
            text="Mirror images at random, and with them laterality markers.",
            panel=TUNING,
            default="no-flip",
        ),
    ] = None,
    sample_every: Annotated[
        int | None,
        option(
            "--sample-every",
            text="Steps between two looks at losses and sample images.",
            metavar="N",
            panel=FILES,
            default="a twentieth of the run",
            least=1,
        ),
    ] = None,
    out: Out = None,
    name: RunName = None,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: ThreadsKept = None,
    dry_run: DryRun = False,
    force: Force = False,
    resume: Resume = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train two generators, each of which makes images of one group look like those of the other.

    Writes model.safetensors (both generators), history.csv, training.png, samples/step-N.png, log.jsonl and run.json
    into runs/DATASET/cyclegan/FROM-to-TO/replicate-R (or --out). SIGTERM, SIGINT, SIGHUP and SIGUSR1 save a checkpoint
    and exit with 75; --resume continues to the same bytes.

    Only the training fold of the replicate is used. --from and --to are any two expressions that exclude each other,
    such as repository == "nih" against repository == "github-covid".

    The published formula (DeGrave et al. 2021) has a logarithmic loss, an unweighted cycle and no identity term; the
    code that it cites has least squares, 10 and 5, and mirrors images. Both are recipes. Images are not mirrored here
    unless --flip says so, since laterality markers are among the shortcuts to be seen.

    A sample sheet shows what each generator changes, red where images become brighter, and whether they come back. The
    end says in words if one of the discriminators has won for good, or if a generator makes one image of all.

    Images must be squares of a side divisible by 4, 32 pixels or more. Under torchrun several processes train one
    model, each on its share of every batch.

    Example: cxrshort cyclegan train --dataset phantom-I --from "COVID-19 == 0" --to "COVID-19 == 1" --epochs 2
    """
    check_loudness(quiet=quiet, verbose=verbose)
    if "help" in (recipe, *(settings or [])):
        from cxrshort.verbs import listings

        listed = listings.list_cyclegan_recipes() if recipe == "help" else listings.list_cyclegan_settings(recipe)
        return print_result(listed, json=json)
    for option_name, value in (("--dataset", dataset), ("--from", from_side), ("--to", to_side)):
        if not value:
            example = 'cyclegan train --dataset phantom-I --from "COVID-19 == 0" --to "COVID-19 == 1"'
            raise UsageError(f"{option_name} is missing", f"cxrshort {example}")
    options = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "loss": loss,
        "cycle": cycle,
        "identity": identity,
        "width": width,
        "flip": flip,
        "per_class": per_class,
    }
    first = early.is_first()
    with processes.quiet_unless(first):
        early.dataset(dataset)
    early.spare_threads(device=device, precision=precision, threads=threads, quiet=quiet)
    from cxrshort.generative.cyclegan.recipes import parse_settings
    from cxrshort.training.recipes.settings import merge_settings
    from cxrshort.verbs.cyclegan.train import train as run

    with progress(quiet=quiet or not first) as report, processes.quiet_unless(first):
        result = run(
            dataset,
            from_side=from_side,
            to_side=to_side,
            recipe=recipe,
            overrides=merge_settings(options, parse_settings(settings or ())),
            replicate=replicate,
            seed=seed,
            sample_every=sample_every,
            out=out,
            name=name,
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
