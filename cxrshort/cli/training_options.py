"""Options that every command that trains has, each with the same meaning."""

from typing import Annotated

from cxrshort.cli.options import FILES, option

BASIC = "Training"
TUNING = "Optimisation (defaults from --recipe; --recipe help shows them)"
REPEATED = "Replicates, searches and ensembles"
ROBUST = "Groups, masks and backgrounds"

Recipe = Annotated[
    str,
    option(
        "--recipe",
        text="Published recipe, or a .toml file of your own; 'help' shows the values of all.",
        metavar="NAME",
        panel=BASIC,
        default=True,
    ),
]
Settings = Annotated[
    list[str] | None,
    option(
        "--set",
        text="Any other setting of the recipe or the method; repeatable; 'help' lists them with type and default.",
        metavar="NAME=VALUE",
        panel=BASIC,
    ),
]
RunName = Annotated[
    str | None,
    option("--name", text="Last part of the run folder, in place of replicate-R.", metavar="NAME", panel=FILES),
]
Epochs = Annotated[int | None, option("--epochs", text="Number of epochs.", metavar="N", panel=TUNING)]
BatchSize = Annotated[
    int | None,
    option("--batch-size", text="Images per optimiser step, over all processes.", metavar="N", panel=TUNING),
]
LearningRate = Annotated[
    float | None, option("--learning-rate", "--lr", text="Initial learning rate.", metavar="X", panel=TUNING)
]
WeightDecay = Annotated[
    float | None,
    option(
        "--weight-decay", text="Weight decay: decoupled (AdamW), L2 penalty (SGD, Adam).", metavar="X", panel=TUNING
    ),
]
Optimizer = Annotated[str | None, option("--optimizer", text="sgd, adam or adamw.", metavar="NAME", panel=TUNING)]
Schedule = Annotated[
    str | None,
    option(
        "--schedule",
        text="Learning rate schedule: constant, step, milestones, cosine, plateau or one-cycle.",
        metavar="NAME",
        panel=TUNING,
    ),
]
Weights = Annotated[
    str | None,
    option("--weights", text="Initial weights: none, imagenet (downloaded) or a file.", metavar="W", panel=TUNING),
]
Augment = Annotated[
    str | None,
    option(
        "--augment",
        text="Augmentation: none, degrave, cv19, tea, fastai or random-colour.",
        metavar="NAME",
        panel=TUNING,
    ),
]
Patience = Annotated[
    int | None,
    option("--patience", text="Early stopping: epochs without a better score on val.", metavar="N", panel=TUNING),
]
Accumulate = Annotated[
    int | None,
    option("--accumulate", text="Gradient accumulation steps: micro-batches per batch.", metavar="N", panel=TUNING),
]
Replicate = Annotated[
    int,
    option(
        "--replicate",
        text="Split of the dataset (train, val, test) to use.",
        metavar="R",
        panel=REPEATED,
        default=True,
        least=0,
    ),
]
Replicates = Annotated[
    int | None,
    option(
        "--replicates",
        text="Train one model on each of the first N splits.",
        metavar="N",
        panel=REPEATED,
        least=1,
        most=1000,
    ),
]
MaskBit = Annotated[
    str | None,
    option(
        "--mask-bit",
        text="Structures that are foreground, or that a segmenter learns, such as lungs,heart.",
        metavar="NAMES",
        panel=ROBUST,
        default="lungs",
    ),
]
Tensorboard = Annotated[
    bool, option("--tensorboard", text="Also write TensorBoard events into the run folder.", panel=FILES)
]
