"""``cxrshort train``: long, since every setting of a recipe is an option with its line of help."""

from typing import Annotated

import typer

from cxrshort.cli import show
from cxrshort.cli.options import (
    Dataset,
    Device,
    DryRun,
    Force,
    Json,
    Out,
    Precision,
    Quiet,
    Resume,
    Seed,
    Threads,
    Verbose,
    check_loudness,
)
from cxrshort.cli.processes import quiet_unless
from cxrshort.cli.progress import progress
from cxrshort.errors import UsageError
from cxrshort.registry import check_name

_FROM_RECIPE = "from the recipe"


def train(
    dataset: Dataset = "",
    arch: Annotated[
        str, typer.Option("--arch", metavar="A", help="An architecture; 'help' lists them.", show_default=False)
    ] = "",
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="R", help="standard, or a published one; 'help' lists them.")
    ] = "standard",
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            metavar="M",
            help="erm, group-dro, irm, pgi, rrr, gain, isnet or multitask; 'help' describes them.",
            show_default=_FROM_RECIPE,
        ),
    ] = None,
    replicate: Annotated[int, typer.Option("--replicate", metavar="R", min=0, help="Which split to train on.")] = 0,
    replicates: Annotated[
        int | None,
        typer.Option(
            "--replicates", metavar="N", min=1, help="Train on the first N splits in turn.", show_default="one split"
        ),
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            "--grid",
            metavar="NAME=V,V",
            help="Train with every value and keep the best on val; repeatable.",
            show_default=False,
        ),
    ] = None,
    members: Annotated[
        int | None,
        typer.Option("--members", metavar="N", help="Networks that vote as one ensemble.", show_default=_FROM_RECIPE),
    ] = None,
    combine: Annotated[
        str | None,
        typer.Option(
            "--combine", metavar="C", help="mean or quadratic mean of their probabilities.", show_default=_FROM_RECIPE
        ),
    ] = None,
    seed: Seed = 0,
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", metavar="N", help="Passes over the training fold.", show_default=_FROM_RECIPE),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", metavar="N", help="Images in one step.", show_default=_FROM_RECIPE)
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", metavar="X", help="At the start.", show_default=_FROM_RECIPE)
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option("--weight-decay", metavar="X", help="Penalty on weights.", show_default=_FROM_RECIPE)
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option("--optimizer", metavar="O", help="sgd, adam or adamw.", show_default=_FROM_RECIPE)
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            "--schedule",
            metavar="S",
            help="constant, step, milestones, cosine, plateau, one-cycle.",
            show_default=_FROM_RECIPE,
        ),
    ] = None,
    step_epochs: Annotated[
        int | None,
        typer.Option("--step-epochs", metavar="N", help="Of step and plateau.", show_default=_FROM_RECIPE),
    ] = None,
    step_factor: Annotated[
        float | None,
        typer.Option("--step-factor", metavar="X", help="What a step multiplies by.", show_default=_FROM_RECIPE),
    ] = None,
    milestones: Annotated[
        str | None,
        typer.Option("--milestones", metavar="E,E", help="Epochs of milestones.", show_default=_FROM_RECIPE),
    ] = None,
    momentum: Annotated[
        float | None, typer.Option("--momentum", metavar="X", help="Of sgd.", show_default=_FROM_RECIPE)
    ] = None,
    beta2: Annotated[
        float | None,
        typer.Option(
            "--beta2", metavar="X", help="Of adam and adamw: memory of squared gradients.", show_default=_FROM_RECIPE
        ),
    ] = None,
    empty_labels: Annotated[
        str | None,
        typer.Option(
            "--empty-labels", metavar="E", help="mask leaves them out, zero is negative.", show_default=_FROM_RECIPE
        ),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option("--augment", metavar="G", help="none, degrave, cv19, tea or fastai.", show_default=_FROM_RECIPE),
    ] = None,
    weights: Annotated[
        str | None, typer.Option("--weights", metavar="W", help="none, imagenet or a file.", show_default=_FROM_RECIPE)
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", metavar="L", help="Outputs, joined by commas, or all.", show_default=_FROM_RECIPE),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the method; repeatable.", show_default=False),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group", metavar="G", help="Groups of group-dro, irm, pgi: columns joined by commas, or an expression."
        ),
    ] = None,
    multiclass: Annotated[
        bool | None,
        typer.Option(
            "--multiclass/--multilabel", help="The labels exclude each other, or do not.", show_default=_FROM_RECIPE
        ),
    ] = None,
    rest_class: Annotated[
        str | None,
        typer.Option(
            "--rest-class",
            metavar="NAME",
            help="With --multiclass: one more class, of the images that are of none of --labels.",
            show_default=_FROM_RECIPE,
        ),
    ] = None,
    regression: Annotated[
        bool, typer.Option("--regression", help="The label is a number, such as age_years or a score.")
    ] = False,
    target: Annotated[
        str, typer.Option("--target", metavar="T", help="labels, or masks for a segmenter such as unet.")
    ] = "labels",
    mask_bit: Annotated[
        str | None,
        typer.Option(
            "--mask-bit",
            metavar="BIT",
            help="The structure that a segmenter draws or that is foreground: lungs, heart, ...",
            show_default="lungs",
        ),
    ] = None,
    segmenter: Annotated[
        str | None,
        typer.Option(
            "--segmenter",
            metavar="MODEL",
            help="Its masks are those of rrr, gain, isnet, multitask and --background; but for the last, py:... too.",
            show_default="the dataset's masks",
        ),
    ] = None,
    mask_file: Annotated[
        str | None,
        typer.Option(
            "--mask-file",
            metavar="FILE.npy",
            help="Masks of rrr, gain, isnet or a segmenter's training: a mask, bool, for each row of images.npy.",
            show_default="the dataset's masks",
        ),
    ] = None,
    mask_threshold: Annotated[
        float | None,
        typer.Option(
            "--mask-threshold", metavar="X", help="Probability above which a pixel is foreground.", show_default="0.5"
        ),
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(
            "--background",
            metavar="B",
            help="Train on the foreground alone: noise or black elsewhere; needs --segmenter or --masks.",
            show_default="images as they are",
        ),
    ] = None,
    masks: Annotated[bool, typer.Option("--masks", help="With --background: the dataset's own masks.")] = False,
    accumulate: Annotated[
        int | None,
        typer.Option("--accumulate", metavar="N", help="Passes that one step is worked on in.", show_default="1"),
    ] = None,
    clip_norm: Annotated[
        float | None,
        typer.Option("--clip-norm", metavar="X", help="Largest norm of the gradient.", show_default=_FROM_RECIPE),
    ] = None,
    ema: Annotated[
        float | None,
        typer.Option(
            "--ema", metavar="DECAY", help="Keep the moving average of the weights, such as 0.999.", show_default="none"
        ),
    ] = None,
    balance: Annotated[
        str | None,
        typer.Option(
            "--balance",
            metavar="B",
            help="Draw the classes of the selecting label (label), or the groups (group), equally often.",
            show_default="every image once",
        ),
    ] = None,
    class_weights: Annotated[
        bool, typer.Option("--class-weights", help="Each label's positives weigh as much as its negatives.")
    ] = False,
    label_weights: Annotated[
        str | None,
        typer.Option(
            "--label-weights",
            metavar="LABEL=X,...",
            help="What the positives of a label, or the images of a class, weigh.",
            show_default=_FROM_RECIPE,
        ),
    ] = None,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile the network first (torch.compile).")] = False,
    crop: Annotated[
        float | None,
        typer.Option("--crop", metavar="C", help="Side of the centre that the model sees.", show_default="1.0"),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option("--patience", metavar="N", help="Epochs to wait for a better one.", show_default="none"),
    ] = None,
    select_label: Annotated[
        str | None,
        typer.Option(
            "--select-label",
            metavar="L",
            help="Its validation AUC chooses the epoch.",
            show_default="COVID-19, else the mean",
        ),
    ] = None,
    selection: Annotated[
        str | None,
        typer.Option(
            "--selection",
            metavar="S",
            help="The epoch that is kept: score (best on val), loss (lowest on val) or last.",
            show_default=_FROM_RECIPE,
        ),
    ] = None,
    out: Out = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Last part of the run folder.", show_default="replicate-R"),
    ] = None,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write curves for TensorBoard into the run folder.")
    ] = False,
    dry_run: DryRun = False,
    force: Force = False,
    resume: Resume = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train a classifier, or a segmenter, on one replicate of a dataset.

    Writes model.safetensors (the epoch with the best validation AUC), log.jsonl, training.png and run.json into
    runs/DATASET/ARCH/METHOD/replicate-R (or --out). SIGTERM, SIGINT and SIGUSR1 save the state and exit with 75.

    Besides the names that --arch help lists, A may be timm:NAME, any network of timm, such as timm:convnext_tiny (pip
    install 'cxrshort[timm]'), or txrv:NAME, a published classifier of torchxrayvision, such as txrv:all. Networks of
    your own code (py:package.module:factory) and ONNX files (model.onnx) are not trained; evaluate takes them.

    --arch unet --target masks trains a segmenter, whose epoch is chosen by Dice. --background noise --segmenter MODEL
    trains on what that segmenter leaves; the file then holds both, as one model of kind pipeline. With --masks in place
    of --segmenter, the dataset's masks are used, when the model is evaluated too.

    --mask-file brings masks of yours: an array (rows of images.npy, height, width) of bool, or of 0 and 1 or 255, whose
    row cache_row of the manifest is an image's. For --background, train a segmenter on them.

    --arch multitask-unet --method multitask learns labels and masks at once; --set segmentation=0.5 weighs the masks'
    loss, whose Dice on the validation fold is mask_dice in log.jsonl. The labels choose the epoch.

    --replicates 5 trains on five splits, into sibling folders; evaluate takes their parent. --grid lr=0.1,0.01 (any
    option, or setting of the method; several --grid make all combinations) lists every trial in trials.csv. --members
    20 trains an ensemble, from seeds that follow each other, into one model file. All three can be combined.

    Under torchrun several processes train one model, each on its share of every batch:
    torchrun --nproc-per-node 2 -m cxrshort train ...

    Example: cxrshort train --dataset phantom-I --arch small-cnn --epochs 3
    """
    check_loudness(quiet=quiet, verbose=verbose)
    if arch == "help":
        from cxrshort.models.sources.architectures import catalogue

        return show.architectures(catalogue(), json=json)
    if recipe == "help":
        from cxrshort.training import recipes

        return show.catalogue({"recipes": recipes.catalogue()}, json=json)
    if method == "help":
        from cxrshort.training import OBJECTIVES

        return show.catalogue({"methods": {each: entry.summary for each, entry in OBJECTIVES.items()}}, json=json)
    if not (dataset and arch):
        missing = "--dataset" if not dataset else "--arch"
        raise UsageError(f"{missing} is missing", "cxrshort train --dataset phantom-I --arch densenet121")
    from cxrshort.distributed import rank
    from cxrshort.verbs.train import train as run

    overrides = {
        "method": method,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "optimizer": optimizer,
        "schedule": schedule,
        "step_epochs": step_epochs,
        "step_factor": step_factor,
        "milestones": milestones,
        "momentum": momentum,
        "beta2": beta2,
        "empty_labels": empty_labels,
        "augment": augment,
        "weights": weights,
        "labels": labels,
        "select_label": select_label,
        "selection": selection,
        "settings": ",".join(settings) if settings else None,
        "group": group,
        "task": _task(target, multiclass=multiclass, regression=regression),
        "rest_class": rest_class,
        "mask_bit": mask_bit,
        "segmenter": segmenter,
        "mask_file": mask_file,
        "mask_threshold": mask_threshold,
        "background": background,
        "masks": masks or None,
        "accumulate": accumulate,
        "clip_norm": clip_norm,
        "ema": ema,
        "balance": balance,
        "class_weights": class_weights or None,
        "label_weights": label_weights,
        "members": members,
        "combine": combine,
        "compile": compiled or None,
        "crop": crop,
        "patience": patience,
    }
    first = rank() == 0
    with progress(quiet=quiet or not first) as report, quiet_unless(first):
        result = run(
            dataset,
            arch=arch,
            recipe=recipe,
            overrides=overrides,
            replicate=replicate,
            replicates=replicates,
            grid=grid or (),
            seed=seed,
            out=out,
            name=name,
            device=device,
            precision=precision,
            threads=threads,
            dry_run=dry_run,
            force=force,
            resume=resume,
            tensorboard=tensorboard,
            report=report,
        )
    if first:
        show.training(result, json=json, quiet=quiet, verbose=verbose)


def _task(target: str, *, multiclass: bool | None, regression: bool) -> str | None:
    check_name(("labels", "masks"), target, kind="target")
    kinds = [
        name
        for name, given in (
            ("masks", target == "masks"),
            ("multiclass", multiclass),
            ("multilabel", multiclass is False),
            ("regression", regression),
        )
        if given
    ]
    if len(kinds) > 1:
        raise UsageError(
            "--target masks, --multiclass, --multilabel and --regression exclude each other", "give one of them"
        )
    return kinds[0] if kinds else None
