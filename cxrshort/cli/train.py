"""``cxrshort train``."""

from typing import Annotated

from cxrshort.cli import early, processes, training_settings
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
    ThreadsKept,
    Verbose,
    check_loudness,
    option,
    seed_option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.progress import progress
from cxrshort.cli.training_options import (
    BASIC,
    REPEATED,
    ROBUST,
    Accumulate,
    Augment,
    BatchSize,
    Epochs,
    LearningRate,
    MaskBit,
    Optimizer,
    Patience,
    Recipe,
    Replicate,
    Replicates,
    RunName,
    Schedule,
    Settings,
    Tensorboard,
    WeightDecay,
    Weights,
)
from cxrshort.errors import UsageError

OUTPUTS = "Labels and validation"


def train(
    dataset: Annotated[
        str,
        option(
            "--dataset",
            text="Dataset: a name, a dataset folder, a manifest file, - for standard input; or REAL+SYNTHETIC.",
            metavar="D",
            panel=DATA,
        ),
    ] = "",
    arch: Annotated[str, option("--arch", text="Architecture; 'help' lists them.", metavar="NAME", panel=BASIC)] = "",
    recipe: Recipe = "standard",
    method: Annotated[
        str | None,
        option(
            "--method",
            text="erm, group-dro, irm, pgi, rrr, gain, isnet or multitask; or a cure, dfr or p-clarc; see 'help'.",
            metavar="NAME",
            panel=BASIC,
            default="erm",
        ),
    ] = None,
    mix: Annotated[
        float | None,
        option(
            "--mix",
            text="With --dataset REAL+SYNTHETIC: share of the synthetic images in every epoch, 0 to 1.",
            metavar="X",
            panel=BASIC,
        ),
    ] = None,
    seed: Annotated[int, seed_option("Random seed.", panel=BASIC)] = 0,
    settings: Settings = None,
    out: Out = None,
    name: RunName = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    weight_decay: WeightDecay = None,
    optimizer: Optimizer = None,
    schedule: Schedule = None,
    weights: Weights = None,
    augment: Augment = None,
    patience: Patience = None,
    accumulate: Accumulate = None,
    replicate: Replicate = 0,
    replicates: Replicates = None,
    grid: Annotated[
        list[str] | None,
        option(
            "--grid",
            text="Grid search: train with every value, keep the best model on val; repeatable.",
            metavar="NAME=V,V",
            panel=REPEATED,
        ),
    ] = None,
    members: Annotated[
        int | None,
        option(
            "--members", text="Networks of an ensemble, in one model file.", metavar="N", panel=REPEATED, default="1"
        ),
    ] = None,
    labels: Annotated[
        str | None,
        option(
            "--labels",
            text="Labels that the model predicts, joined by commas, or all.",
            metavar="A,B",
            panel=OUTPUTS,
            default="all",
        ),
    ] = None,
    multiclass: Annotated[
        bool | None,
        option(
            "--multiclass/--multilabel",
            text="Mutually exclusive classes, or independent labels.",
            panel=OUTPUTS,
            default="multilabel",
        ),
    ] = None,
    rest_class: Annotated[
        str | None,
        option(
            "--rest-class",
            text="With --multiclass: one more class, for the images that have none of --labels.",
            metavar="NAME",
            panel=OUTPUTS,
        ),
    ] = None,
    regression: Annotated[
        bool, option("--regression", text="Predict a number, such as age_years or a severity score.", panel=OUTPUTS)
    ] = False,
    target: Annotated[
        str,
        option(
            "--target",
            text="labels; or masks, to train a segmenter such as unet.",
            metavar="T",
            panel=OUTPUTS,
            default=True,
        ),
    ] = "labels",
    empty_labels: Annotated[
        str | None,
        option(
            "--empty-labels",
            text="Empty labels: mask leaves them out of the loss, zero reads them as negative.",
            metavar="E",
            panel=OUTPUTS,
            default="mask",
        ),
    ] = None,
    balance: Annotated[
        str | None,
        option(
            "--balance",
            text="Balanced sampling: of the classes of --select-label (label), or of the groups (group).",
            metavar="B",
            panel=OUTPUTS,
        ),
    ] = None,
    class_weights: Annotated[
        bool,
        option(
            "--class-weights",
            text="Weigh the positives of each label in the loss by negatives / positives.",
            panel=OUTPUTS,
        ),
    ] = False,
    select_label: Annotated[
        str | None,
        option(
            "--select-label",
            text="Label whose validation AUC decides which epoch to keep.",
            metavar="LABEL",
            panel=OUTPUTS,
            default="COVID-19, else the mean",
        ),
    ] = None,
    selection: Annotated[
        str | None,
        option(
            "--selection",
            text="Epoch to keep: score (best validation score), loss (lowest validation loss) or last.",
            metavar="S",
            panel=OUTPUTS,
            default="score",
        ),
    ] = None,
    group: Annotated[
        str | None,
        option(
            "--group",
            text="Groups of group-dro, irm, pgi, dfr, p-clarc, --balance group: columns joined by commas; expression.",
            metavar="G",
            panel=ROBUST,
        ),
    ] = None,
    segmenter: Annotated[
        str | None,
        option(
            "--segmenter",
            text="Use predicted masks of this segmenter in place of the dataset's.",
            metavar="MODEL",
            panel=ROBUST,
        ),
    ] = None,
    mask_file: Annotated[
        str | None,
        option(
            "--mask-file",
            text="Use the masks of a file, (rows of images.npy, H, W), in place of the dataset's.",
            metavar="FILE.npy",
            panel=ROBUST,
        ),
    ] = None,
    mask_bit: MaskBit = None,
    background: Annotated[
        str | None,
        option(
            "--background",
            text="Replace everything outside the masks by noise or black; needs --segmenter or --masks.",
            metavar="B",
            panel=ROBUST,
        ),
    ] = None,
    masks: Annotated[
        bool, option("--masks", text="With --background: use the dataset's own masks.", panel=ROBUST)
    ] = False,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: ThreadsKept = None,
    tensorboard: Tensorboard = False,
    dry_run: DryRun = False,
    force: Force = False,
    resume: Resume = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train a classifier, or a segmenter, on one replicate of a dataset.

    Writes model.safetensors (the epoch with the best validation score), log.jsonl, training.png and run.json into
    runs/DATASET/ARCH/METHOD/replicate-R (or --out); options off their default stand behind METHOD, as in erm+epochs-9.
    Epochs count from 1. SIGTERM, SIGINT, SIGHUP and SIGUSR1 save a checkpoint and exit with 75; --resume continues.

    --arch also takes timm:NAME, any network of timm, such as timm:convnext_tiny (pip install 'cxrshort[timm]'), and
    txrv:NAME, a published classifier of torchxrayvision, such as txrv:all. Networks of your own code
    (py:package.module:factory) and ONNX files are not trained; evaluate takes them.

    --arch unet --target masks trains a segmenter, whose epoch is selected by Dice. --background noise --segmenter MODEL
    trains on the foreground alone; the model file then holds segmenter and classifier, as one model of kind pipeline.
    With --masks in place of --segmenter the dataset's masks are used, in evaluation too.

    --mask-file takes an array of bool, or of 0 and 1 or 255: (rows of images.npy, height, width). Row cache_row of the
    manifest belongs to an image. For --background, train a segmenter on it.

    --arch multitask-unet --method multitask learns labels and masks at once; --set segmentation=0.5 weighs the loss of
    the masks, whose Dice on the validation fold is mask_dice in log.jsonl. The labels select the epoch.

    --replicates 5 trains on five splits, into sibling folders; evaluate takes their parent, whose run.json has the
    mean. --grid lr=0.1,0.01 (any setting; several --grid make all combinations) lists every trial in trials.csv.
    --members 20 trains an ensemble, from consecutive seeds, into one model file. All three can be combined.

    --method dfr and p-clarc change the last layer of --weights MODEL (whose --arch is taken) by its val patients, in
    minutes: refitted where --group is balanced, or blind to what --group (or masks: --set source=masks) tells apart.

    --dataset REAL+SYNTHETIC --mix 0.3 shows every real image once in an epoch, and so many synthetic ones (of roentmod
    edit or synthesise) that they are 3 of 10. Real images alone validate and test. Synthetic images of persons whom the
    real dataset holds out never train. A name that is a dataset is taken whole, such as bimcv+; bimcv++edits is two.

    --set reaches the settings without an option of their own, such as --set momentum=0.99 or, with --method rrr,
    --set weight=10. --recipe my.toml reads your own recipe: lines of NAME = VALUE, the names as --set help and --recipe
    help list them; what it leaves out has its standard value.

    Under torchrun several processes train one model, each on its share of every batch:
    torchrun --nproc-per-node 2 -m cxrshort train ...

    Example: cxrshort train --dataset phantom-I --arch small-cnn --epochs 3
    """
    check_loudness(quiet=quiet, verbose=verbose)
    if "help" in (arch, recipe, method, *(settings or [])):
        return print_result(training_settings.listing(arch=arch, recipe=recipe, method=method), json=json)
    if not (dataset and (arch or training_settings.takes_model(method))):
        missing = "--dataset" if not dataset else "--arch"
        raise UsageError(f"{missing} is missing", "cxrshort train --dataset phantom-I --arch densenet121")
    options = {
        "method": method,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "optimizer": optimizer,
        "schedule": schedule,
        "empty_labels": empty_labels,
        "augment": augment,
        "weights": weights,
        "labels": labels,
        "select_label": select_label,
        "selection": selection,
        "group": group,
        "task": training_settings.task(target, multiclass=multiclass, regression=regression),
        "rest_class": rest_class,
        "mask_bit": mask_bit,
        "segmenter": segmenter,
        "mask_file": mask_file,
        "background": background,
        "masks": masks or None,
        "accumulate": accumulate,
        "balance": balance,
        "class_weights": class_weights or None,
        "members": members,
        "patience": patience,
        "mix": mix,
    }
    first = early.is_first()
    with processes.quiet_unless(first):
        overrides = training_settings.checked(options, settings or (), dataset=dataset, arch=arch, recipe=recipe)
    early.spare_threads(device=device, precision=precision, threads=threads, quiet=quiet)
    from cxrshort.verbs.train import train as run

    with progress(quiet=quiet or not first) as report, processes.quiet_unless(first):
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
        print_result(result, json=json, quiet=quiet, verbose=verbose)
