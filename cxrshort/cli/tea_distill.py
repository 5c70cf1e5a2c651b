"""``cxrshort tea-distill``."""

from typing import Annotated, Any

from cxrshort.cli import early, processes, training_settings
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
    ThreadsKept,
    Verbose,
    check_loudness,
    option,
    seed_option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.progress import progress
from cxrshort.cli.training_options import (
    Accumulate,
    Augment,
    BatchSize,
    Epochs,
    LearningRate,
    Optimizer,
    Patience,
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

TEACHER = "Teacher"
STUDENT = "Student"


def tea_distill(
    dataset: Dataset = "",
    teacher: Annotated[
        str,
        option(
            "--teacher",
            text="Trained model to learn from; of a folder of replicates, that of the same one.",
            metavar="MODEL",
            panel=TEACHER,
        ),
    ] = "",
    segmenter: Annotated[
        str | None,
        option(
            "--segmenter",
            text="Segmenter: the teacher sees what it leaves as foreground, and nothing else.",
            metavar="MODEL",
            panel=TEACHER,
            default="that of a pipeline",
        ),
    ] = None,
    masks: Annotated[
        bool, option("--masks", text="The teacher sees the foreground of the dataset's own masks alone.", panel=TEACHER)
    ] = False,
    mask_file: Annotated[
        str | None,
        option(
            "--mask-file",
            text="The teacher sees the foreground of a file's masks alone, (rows of images.npy, H, W).",
            metavar="FILE.npy",
            panel=TEACHER,
        ),
    ] = None,
    mask_bit: Annotated[
        str | None,
        option(
            "--mask-bit",
            text="Structures that are foreground, such as lungs,heart.",
            metavar="NAMES",
            panel=TEACHER,
            default="as in its training, else lungs",
        ),
    ] = None,
    background: Annotated[
        str | None,
        option(
            "--background",
            text="What the teacher sees outside of the masks: noise, new at every step, or black.",
            metavar="B",
            panel=TEACHER,
            default="as in its training, else noise",
        ),
    ] = None,
    whole_image: Annotated[
        bool, option("--whole-image", text="The teacher sees whole images, even a pipeline.", panel=TEACHER)
    ] = False,
    co_train: Annotated[
        bool,
        option(
            "--co-train",
            text="The teacher keeps learning from the labels (tea only); --set warm_up_epochs=N.",
            panel=TEACHER,
        ),
    ] = False,
    arch: Annotated[str, option("--arch", text="Architecture; 'help' lists them.", metavar="NAME", panel=STUDENT)] = "",
    method: Annotated[
        str | None,
        option("--method", text="Distillation; 'help' lists them.", metavar="NAME", panel=STUDENT, default="tea"),
    ] = None,
    recipe: Annotated[
        str,
        option(
            "--recipe",
            text="Published recipe, or a .toml file of your own; 'help' shows the values of all.",
            metavar="NAME",
            panel=STUDENT,
            default=True,
        ),
    ] = "distillation",
    init: Annotated[
        str | None,
        option(
            "--init",
            text="Start: the teacher's weights, or random ones (see --weights).",
            metavar="teacher|random",
            panel=STUDENT,
            default="teacher, if of the same --arch",
        ),
    ] = None,
    freeze_last: Annotated[
        bool | None,
        option(
            "--freeze-last/--no-freeze-last",
            text="Whether the last layer is the teacher's and does not learn.",
            panel=STUDENT,
            default="with --init teacher",
        ),
    ] = None,
    output_bias: Annotated[
        str | None,
        option(
            "--output-bias",
            text="Bias of the last layer: teacher, zero, or fit (to the teacher's mean logits at the end).",
            metavar="B",
            panel=STUDENT,
            default="teacher",
        ),
    ] = None,
    select_label: Annotated[
        str | None,
        option(
            "--select-label",
            text="Label whose validation AUC is reported beside the loss.",
            metavar="LABEL",
            panel=STUDENT,
            default="as in the teacher's training",
        ),
    ] = None,
    seed: Annotated[int, seed_option("Random seed.", panel=STUDENT)] = 0,
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
    """Train a student by a teacher's explanations alone (TEA), or by another distillation.

    The teacher is a trained model, best a pipeline (cxrshort train --background noise --segmenter MODEL): it sees the
    foreground alone, and its student learns, from whole images, to have the teacher's explanations. The student is an
    ordinary model: no segmenter, no extra cost, and evaluate, explain and swap-test take it like any other.

    Writes model.safetensors (of the epoch with the lowest loss on val), agreement.png (student and teacher, epoch by
    epoch), training.png, log.jsonl and run.json into runs/DATASET/ARCH/METHOD/replicate-R (or --out). Labels, task and
    crop are the teacher's. A teacher that was trained on the student's test patients is refused.

    A zero-shot CLIP model teaches too (see cxrshort evaluate --help): 'clip:FOLDER?labels=cat,dog&temperature=10'. It
    has no convolutional map, so gals takes --set explanation=lrp.

    A loss on explanations barely determines the offsets between outputs. So a student of the teacher's architecture
    starts as its teacher and keeps its last layer; other students take the teacher's bias, or --output-bias fit.

    --set reaches the settings without an option of their own, such as --set explanation=grad-cam or, for LRP,
    --set epsilon=1e-3:1e-2; --set help lists them. LRP is claimed by a patent in some countries: see NOTICE.

    Under torchrun several processes train one student: torchrun --nproc-per-node 2 -m cxrshort tea-distill ...

    Example: cxrshort tea-distill --teacher runs/pipeline --dataset phantom-I --arch small-cnn
    """
    check_loudness(quiet=quiet, verbose=verbose)
    if "help" in (arch, recipe, method, *(settings or [])):
        return print_result(training_settings.distillation_listing(arch=arch, recipe=recipe, method=method), json=json)
    for value, option_name in ((dataset, "--dataset"), (teacher, "--teacher"), (arch, "--arch")):
        if not value:
            raise UsageError(
                f"{option_name} is missing",
                "cxrshort tea-distill --teacher MODEL --dataset phantom-I --arch densenet121",
            )
    options = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "optimizer": optimizer,
        "schedule": schedule,
        "weights": weights,
        "augment": augment,
        "patience": patience,
        "accumulate": accumulate,
        "select_label": select_label,
        "mask_bit": mask_bit,
        "mask_file": mask_file,
        "segmenter": segmenter,
    }
    own: dict[str, Any] = {
        "background": background,
        "init": init,
        "freeze_last": freeze_last,
        "output_bias": output_bias,
        "co_train": co_train or None,
    }
    first = early.is_first()
    with processes.quiet_unless(first):
        early.dataset(dataset)
        early.architecture(arch)
        early.distillation(method)
        overrides, own = training_settings.split_distillation(options, settings or (), own=own)
        segmenter, background = overrides.pop("segmenter"), own.pop("background")
        early.models([name for name in (teacher, segmenter) if name])
    early.spare_threads(device=device, precision=precision, threads=threads, quiet=quiet)
    from cxrshort.training.teachers import StudentOptions, TeacherOptions
    from cxrshort.verbs.tea_distill import tea_distill as run

    with progress(quiet=quiet or not first) as report, processes.quiet_unless(first):
        result = run(
            dataset,
            teacher=TeacherOptions(teacher, segmenter, masks or bool(mask_file), background, whole_image),
            student=StudentOptions(arch, recipe, method, own, overrides),
            replicate=replicate,
            replicates=replicates,
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
