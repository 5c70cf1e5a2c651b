"""Published ways to train, as data: one TOML file each."""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from cxrshort.columns import MASK_BITS
from cxrshort.errors import UsageError
from cxrshort.registry import check_name

OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("constant", "step", "milestones", "cosine", "plateau", "one-cycle")
BALANCES = ("label", "group")
GROUPED = ("group-dro", "irm", "pgi")
"""Methods that learn from groups."""
COMPILED = ("erm", "group-dro", "irm")
"""Methods that ask a network for its logits only; the others look inside, or differentiate it twice."""
BACKGROUNDS = ("noise", "black")
COMBINATIONS = ("mean", "quadratic")
SELECTIONS = ("score", "loss", "last")
EMPTY_LABELS = ("mask", "zero")


@dataclass(frozen=True)
class Recipe:
    """Hold every setting that shapes a training run.

    Args:
        name: the recipe that the values started from.
        method: the objective.
        weights: the start: ``"none"``, ``"imagenet"`` or a file.
        epochs: passes over the training fold.
        batch_size: images in one optimiser step, over all processes.
        optimizer: ``"sgd"``, ``"adam"`` or ``"adamw"``.
        learning_rate: at the start.
        momentum: of SGD.
        beta2: decay of Adam's and AdamW's mean of squared gradients; that of the gradients is 0.9.
        weight_decay: L2 penalty (SGD, Adam) or decoupled decay (AdamW).
        schedule: ``"constant"``; ``"step"``: times ``step_factor`` every ``step_epochs``; ``"milestones"``: times
            ``step_factor`` after each of ``milestones``; ``"cosine"``: to zero; ``"plateau"``: times ``step_factor``
            after ``step_epochs`` epochs without a lower validation loss; ``"one-cycle"``: up and down within the run.
        step_epochs: epochs between two steps of the schedule, or the patience of ``"plateau"``.
        milestones: epochs joined by commas.
        smallest_rate: floor of the learning rate.
        step_factor: what each step multiplies the learning rate by.
        head_learning_rate: of the head, the layers that are new to the task; 0 takes ``learning_rate``.
        head_weight_decay: of the head, where it has a learning rate of its own.
        patience: epochs without a better validation score before the run ends; 0 runs to the end.
        clip_norm: largest norm of the gradient; 0 leaves it alone.
        empty_labels: ``"mask"`` leaves empty labels out of the loss, ``"zero"`` reads them as negative.
        augment: what changes training images.
        labels: the outputs, comma-separated; ``"all"`` takes every label column of the dataset.
        select_label: the label whose validation AUC chooses the epoch.
        selection: the epoch that is kept: ``"score"`` (best validation score), ``"loss"`` (lowest validation loss) or
            ``"last"``.
        rest_class: name of one more exclusive class, that of the images which are of none of ``labels``; empty leaves
            such images out of the loss.
        task: what the outputs mean: ``"multilabel"``, ``"multiclass"``, ``"regression"`` or ``"masks"``.
        group: column or expression whose values are the groups of group-wise methods.
        settings: of the method, ``name=value`` joined by commas.
        crop: side of the centre that the model sees, as a share of the image's.
        mask_bit: the structure of masks.npy that is drawn by a segmenter, or is foreground.
        segmenter: the model whose masks take the place of the dataset's; empty takes the dataset's.
        mask_file: a .npy file whose masks take the place of the dataset's; empty takes the dataset's.
        mask_threshold: probability above which the segmenter's pixels are foreground.
        background: what takes the background's place: ``"noise"`` or ``"black"``; empty leaves images as they are.
        masks: whether the dataset's own masks say what the background is, where the model brings no segmenter.
        accumulate: passes in which one optimiser step is worked on, to save memory; ``batch_size`` stays the whole.
        ema: decay of the moving average of the weights that is validated and kept; 0 keeps the weights themselves.
        compile: whether the network is compiled first.
        balance: what each epoch draws with equal chances, with replacement: ``"label"``, the classes of the selecting
            label, or ``"group"``; empty sees every image once.
        class_weights: whether each label's positives weigh as much as its negatives in the loss.
        label_weights: what the positives of a label, or the images of a class, weigh in the loss, ``LABEL=X`` joined by
            commas; the others weigh 1.
        members: how many networks, each from a seed of its own, vote as one ensemble.
        combine: how their probabilities become one: ``"mean"`` or ``"quadratic"``, the root of the mean square.
    """

    name: str
    method: str = "erm"
    weights: str = "none"
    epochs: int = 10
    batch_size: int = 32
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 1e-2
    schedule: str = "cosine"
    step_epochs: int = 5
    step_factor: float = 0.1
    milestones: str = ""
    smallest_rate: float = 0.0
    head_learning_rate: float = 0.0
    head_weight_decay: float = 0.0
    patience: int = 0
    clip_norm: float = 0.0
    empty_labels: str = "mask"
    augment: str = "none"
    labels: str = "all"
    select_label: str = "COVID-19"
    selection: str = "score"
    rest_class: str = ""
    task: str = "multilabel"
    group: str = ""
    settings: str = ""
    crop: float = 1.0
    mask_bit: str = "lungs"
    segmenter: str = ""
    mask_file: str = ""
    mask_threshold: float = 0.5
    background: str = ""
    masks: bool = False
    accumulate: int = 1
    ema: float = 0.0
    compile: bool = False
    balance: str = ""
    class_weights: bool = False
    label_weights: str = ""
    members: int = 1
    combine: str = "mean"

    def record(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return dataclasses.asdict(self)


def names() -> list[str]:
    """Return the recipes that come with the package."""
    return sorted(file.name.removesuffix(".toml") for file in _folder().iterdir() if file.name.endswith(".toml"))


def catalogue() -> dict[str, str]:
    """Return where each recipe comes from, in one line."""
    return {name: str(_read(name)["source"]) for name in names()}


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(_folder().joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def load(name: str, *, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe and put the command line's values over it.

    Args:
        name: one of :func:`names`.
        overrides: settings by name; None leaves the recipe's value. Other labels, or another task, leave out the
            recipe's class for the rest.

    Raises:
        UsageError: the recipe, or a word in a setting, is not known, or a number is out of range.
    """
    check_name(names(), name, kind="recipe")
    values = _read(name)
    values.pop("source")
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    if given.keys() & {"labels", "task"}:
        values.pop("rest_class", None)
    if given.get("patience", 1) < 1:  # 0 is how a recipe says that it waits for nothing
        raise UsageError(
            f"--patience is '{given['patience']}', it must be 1 or more",
            "leave it out to train to the last epoch",
        )
    return _checked(Recipe(name=name, **{**values, **given}))


def published(name: str) -> Recipe:
    """Return a recipe as it comes with the package; the plain defaults for ``standard`` and names of no such recipe."""
    return load(name) if name in names() and name != "standard" else Recipe(name=name)


def vary(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """Return a recipe with other values for some settings.

    Raises:
        UsageError: a word in a setting is not known, or a number is out of range.
    """
    return _checked(dataclasses.replace(recipe, **values))


def _folder() -> Any:  # Traversable has moved between Python versions
    return resources.files(__name__)


def _checked(recipe: Recipe) -> Recipe:
    check_name(OPTIMIZERS, recipe.optimizer, kind="optimizer")
    check_name(SCHEDULES, recipe.schedule, kind="schedule")
    check_name(SELECTIONS, recipe.selection, kind="way to choose the epoch")
    check_name(EMPTY_LABELS, recipe.empty_labels, kind="way to read empty labels")
    for name in ("epochs", "batch_size", "learning_rate", "step_epochs"):
        if not getattr(recipe, name) > 0:  # NaN is refused too
            raise UsageError(f"--{name.replace('_', '-')} is '{getattr(recipe, name)}', it must be above 0")
    for name in ("momentum", "weight_decay", "clip_norm", "patience"):
        if not getattr(recipe, name) >= 0:
            raise UsageError(f"--{name.replace('_', '-')} is '{getattr(recipe, name)}', it must not be below 0")
    if not 0 < recipe.beta2 < 1:
        raise UsageError(f"--beta2 is '{recipe.beta2}', it must be between 0 and 1", "the usual one is 0.999")
    if not 0 < recipe.crop <= 1:
        raise UsageError(
            f"--crop is '{recipe.crop}', it must be above 0 and at most 1", "the paper's experiment is 0.75"
        )
    _check_masks(recipe)
    _check_steps(recipe)
    _check_members(recipe)
    return recipe


def _check_members(recipe: Recipe) -> None:
    check_name(COMBINATIONS, recipe.combine, kind="way to combine")
    if not 1 <= recipe.members <= 1000:
        raise UsageError(f"--members is '{recipe.members}', it must be from 1 to 1000", "CV19-Net has 20")
    if recipe.members > 1 and (recipe.background or recipe.task not in ("multilabel", "multiclass")):
        raise UsageError("--members takes classifiers alone", "leave out --background, --regression and --target masks")


def _check_steps(recipe: Recipe) -> None:
    if not 1 <= recipe.accumulate <= recipe.batch_size:
        raise UsageError(
            f"--accumulate is '{recipe.accumulate}', it must be from 1 to the batch size {recipe.batch_size}",
            "--batch-size counts the images of all passes together",
        )
    if not 0 <= recipe.ema < 1:
        raise UsageError(f"--ema is '{recipe.ema}', it must be at least 0 and below 1", "try 0.999")
    if recipe.compile and recipe.method not in COMPILED:
        raise UsageError(f"'{recipe.method}' cannot be compiled", f"--compile takes: {', '.join(COMPILED)}")
    if recipe.method == "isnet" and recipe.crop != 1:
        raise UsageError("--method isnet needs the whole image, since its maps and masks must lie alike", "no --crop")
    if recipe.balance:
        check_name(BALANCES, recipe.balance, kind="way to balance")
    if recipe.group and recipe.method not in GROUPED and recipe.balance != "group":
        raise UsageError(
            f"--group has no use with --method {recipe.method}", f"--method {', '.join(GROUPED)}, or --balance group"
        )
    if recipe.balance == "group" and not recipe.group:
        raise UsageError("--balance group needs groups", "--group takes a column such as view, or an expression")
    _check_classes(recipe)


def _check_classes(recipe: Recipe) -> None:
    if recipe.class_weights and recipe.task != "multilabel":
        raise UsageError(f"--class-weights fits labels, not {recipe.task}", "leave it out")
    if recipe.label_weights and recipe.task not in ("multilabel", "multiclass"):
        raise UsageError(f"--label-weights fits labels or classes, not {recipe.task}", "leave it out")
    if recipe.label_weights and recipe.class_weights:
        raise UsageError("--class-weights and --label-weights exclude each other", "give one of them")
    if recipe.rest_class and (recipe.task != "multiclass" or recipe.labels == "all"):
        raise UsageError("--rest-class needs --multiclass and --labels", "such as --labels COVID-19,Pneumonia")


def _check_masks(recipe: Recipe) -> None:
    check_name(MASK_BITS, recipe.mask_bit, kind="mask")
    if recipe.background:
        check_name(BACKGROUNDS, recipe.background, kind="background")
    if recipe.background and recipe.method == "multitask":
        raise UsageError(
            f"--method multitask learns to outline whole images, not what --background {recipe.background} leaves",
            "leave out --background",
        )
    if not 0 < recipe.mask_threshold < 1:
        raise UsageError(f"--mask-threshold is '{recipe.mask_threshold}', it must be between 0 and 1")
    if recipe.mask_file and recipe.segmenter:
        raise UsageError("--mask-file and --segmenter both say what is foreground", "give one of them")
    if recipe.mask_file and recipe.background:
        raise UsageError(
            "--background does not take --mask-file, whose masks nobody would have when the model is used",
            "train a segmenter: --arch unet --target masks --mask-file FILE, then --background with --segmenter",
        )
    if recipe.background and not (recipe.segmenter or recipe.masks):
        raise UsageError(
            f"--background {recipe.background} needs --segmenter MODEL, or --masks for the dataset's own",
            "cxrshort train --arch unet --target masks makes a segmenter, which images without masks need",
        )
    if recipe.masks and (recipe.segmenter or not recipe.background):
        raise UsageError("--masks goes with --background, and without --segmenter", "leave it out")
    if recipe.task == "masks" and (recipe.method, recipe.crop, recipe.segmenter, recipe.labels) != (
        "erm",
        1,
        "",
        "all",
    ):
        raise UsageError("--target masks takes no --method, --crop, --segmenter or --labels", "leave them out")
