"""Published training recipes, one TOML file each."""

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from cxrshort import files
from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.masks.structures import canonical
from cxrshort.registry import check_name

OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("constant", "step", "milestones", "cosine", "plateau", "one-cycle")
BALANCES = ("label", "group")
GROUPED = ("group-dro", "irm", "pgi", "dfr", "p-clarc")
"""Methods that learn from groups."""
COMPILED = ("erm", "group-dro", "irm")
"""Methods that ask a network for its logits only; the others look inside, or differentiate it twice."""
STANDARDS = ("standard", "distillation")
"""Recipes of a verb where none is named: names of folders and trainings leave them out."""
BACKGROUNDS = ("noise", "black")
COMBINATIONS = ("mean", "quadratic")
SELECTIONS = ("score", "loss", "last")
EMPTY_LABELS = ("mask", "zero")
RARE = (
    "momentum",
    "beta2",
    "step_epochs",
    "step_factor",
    "milestones",
    "smallest_rate",
    "head_learning_rate",
    "head_weight_decay",
    "clip_norm",
    "ema",
    "compile",
    "crop",
    "label_weights",
    "combine",
    "mask_threshold",
)
"""Settings without an option of their own: ``--set NAME=VALUE`` reaches them."""


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
        learning_rate: initial learning rate.
        momentum: momentum (SGD only).
        beta2: decay rate of the mean of squared gradients (Adam and AdamW only); beta1 is 0.9, or cycles between 0.95
            and 0.85 with ``"one-cycle"``.
        weight_decay: L2 penalty (SGD, Adam) or decoupled decay (AdamW).
        schedule: ``"constant"``; ``"step"``: times ``step_factor`` every ``step_epochs``; ``"milestones"``: times
            ``step_factor`` after each of ``milestones``; ``"cosine"``: to zero; ``"plateau"``: times ``step_factor``
            after ``step_epochs`` epochs without a lower validation loss; ``"one-cycle"``: up and down within the run.
        step_epochs: epochs between two steps of the schedule ``"step"``, or the patience of ``"plateau"``.
        milestones: epochs, joined by commas, after which the schedule ``"milestones"`` lowers the learning rate.
        smallest_rate: lower bound of the learning rate.
        step_factor: factor by which each step of the schedule multiplies the learning rate.
        head_learning_rate: learning rate of the head, the layers that are new to the task; 0 takes ``learning_rate``.
        head_weight_decay: weight decay of the head, where it has a learning rate of its own.
        patience: epochs without a better validation score before the run ends; 0 runs to the end.
        clip_norm: norm at which the gradient is clipped; 0 does not clip.
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
        crop: side of the central crop that the model sees, as a share of the image's side.
        mask_bit: the structures of masks.npy that a segmenter draws or that are foreground, joined by ``+``.
        segmenter: the model whose masks take the place of the dataset's; empty takes the dataset's.
        mask_file: a .npy file whose masks take the place of the dataset's; empty takes the dataset's.
        mask_threshold: probability above which a pixel of a predicted mask is foreground.
        background: what takes the background's place: ``"noise"`` or ``"black"``; empty leaves images as they are.
        masks: whether the dataset's own masks say what the background is, where the model brings no segmenter.
        accumulate: gradient accumulation steps: micro-batches that one batch is divided into, to save memory.
        ema: decay of the exponential moving average of the weights, which is then validated and kept; 0 averages none.
        compile: whether the network is compiled (torch.compile).
        balance: what each epoch draws with equal chances, with replacement: ``"label"``, the classes of the selecting
            label, or ``"group"``; empty sees every image once.
        class_weights: whether each label's positives weigh as much as its negatives in the loss.
        label_weights: weight in the loss of the positives of a label, or of the images of a class: ``LABEL=X`` joined
            by commas; the others weigh 1.
        members: networks of an ensemble, each trained from a seed of its own.
        combine: how an ensemble combines its members' probabilities: ``"mean"``, or ``"quadratic"``, the root of their
            mean square.
        mix: share of the images of an epoch that are of the synthetic part of ``REAL+SYNTHETIC``, 0 to 1.
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
    mix: float = 0.0

    def record(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return dataclasses.asdict(self)


def names() -> list[str]:
    """Return the recipes that come with the package."""
    return sorted(file.name.removesuffix(".toml") for file in _folder().iterdir() if file.name.endswith(".toml"))


def sources() -> dict[str, str]:
    """Return where each recipe comes from, in one line."""
    return {name: str(_read(name)["source"]) for name in names()}


def _read_published(name: str) -> dict[str, Any]:
    check_name(names(), name, kind="recipe")
    return _read(name)


def read_file(path: Path, *, kind: type = Recipe, published: Sequence[str] = ()) -> dict[str, Any]:
    """Return the settings in a file of the user's own, as the types that they have.

    Args:
        path: the TOML file.
        kind: the dataclass whose fields it sets.
        published: names that are taken.

    Raises:
        UsageError: it has the name of a published recipe.
        MissingInputError: there is no such file.
        DataError: the file is not TOML, or holds what is not a setting of a recipe.
    """
    if path.stem in published:
        raise UsageError(f"'{path}' has the name of a published recipe", "give the file another name")
    files.require_regular(path, hint="--recipe help lists the published recipes")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingInputError(f"'{path}' does not exist", "--recipe help lists the published recipes") from error
    except OSError as error:
        raise MissingInputError(f"'{path}' cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, or not TOML
        raise DataError(f"'{path}' is not TOML: {error}", "lines such as: learning_rate = 1e-4") from error
    fields = {field.name: field.default for field in dataclasses.fields(kind) if field.name != "name"}
    for key, value in values.items():
        if key != "source":
            _check_entry(path, key, value, fields)
            values[key] = float(value) if isinstance(fields[key], float) else value
    return values


def _check_entry(path: Path, key: str, value: object, fields: Mapping[str, Any]) -> None:
    try:
        check_name(fields, key, kind="setting of a recipe")
    except UsageError as error:
        raise DataError(f"'{path}': {error.message}", error.hint) from error
    expected: Any = type(fields[key])
    allowed = (int, float) if expected is float else expected
    if not isinstance(value, allowed) or isinstance(value, bool) != (expected is bool):
        kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}
        raise DataError(f"'{path}': {key} is '{value}', it must be {kinds[expected]}")


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(_folder().joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def load_recipe(name: str, *, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe and put the command line's values over it.

    Args:
        name: one of :func:`names`, or a ``.toml`` file of one's own, which says what differs from ``Recipe``.
        overrides: settings by name; None leaves the recipe's value. Other labels, or another task, leave out the
            recipe's class for the rest.

    Raises:
        UsageError: the recipe, or a word in a setting, is not known, or a number is out of range.
        MissingInputError: there is no such file.
        DataError: the file is not TOML, or holds what is not a setting of a recipe.
    """
    is_file = name.endswith(".toml")
    values = read_file(Path(name), published=names()) if is_file else _read_published(name)
    values.pop("source", "")
    name = Path(name).stem if is_file else name
    overriding = {key: value for key, value in (overrides or {}).items() if value is not None}
    if overriding.keys() & {"labels", "task"}:
        values.pop("rest_class", None)
    if overriding.get("patience", 1) < 1:  # 0 is how a recipe says that it waits for nothing
        raise UsageError(
            f"--patience is '{overriding['patience']}', it must be 1 or more",
            "leave it out to train to the last epoch",
        )
    return _checked(Recipe(name=name, **{**values, **overriding}))


def published(name: str) -> Recipe:
    """Return the recipe of a name as it is published; for one of the user's own, what it is compared with."""
    return load_recipe(name) if name in names() else Recipe(name=name)


def differences(name: str, standard: str = "standard") -> dict[str, Any]:
    """Return the values of a recipe that differ from those of another, the package's standard.

    Example:
        >>> differences("roentmod")["patience"]
        50
    """
    reference, values = load_recipe(standard).record(), load_recipe(name).record()
    return {key: value for key, value in values.items() if key != "name" and value != reference[key]}


def vary(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """Return a recipe with other values for some settings.

    Raises:
        UsageError: a word in a setting is not known, or a number is out of range.
    """
    return _checked(dataclasses.replace(recipe, **values))


def spell(name: str) -> str:
    """Return how the command line says a setting.

    Example:
        >>> spell("batch_size"), spell("momentum")
        ('--batch-size', '--set momentum')
    """
    return f"--set {name}" if name in RARE else f"--{name.replace('_', '-')}"


def _folder() -> Any:  # Traversable has moved between Python versions
    return resources.files(__name__)


def _checked(recipe: Recipe) -> Recipe:
    recipe = dataclasses.replace(recipe, mask_bit=canonical(recipe.mask_bit))
    check_name(OPTIMIZERS, recipe.optimizer, kind="optimizer")
    check_name(SCHEDULES, recipe.schedule, kind="schedule")
    check_name(SELECTIONS, recipe.selection, kind="way to choose the epoch")
    check_name(EMPTY_LABELS, recipe.empty_labels, kind="way to read empty labels")
    for name in ("epochs", "batch_size", "learning_rate", "step_epochs"):
        if not getattr(recipe, name) > 0:  # NaN is refused too
            raise UsageError(f"{spell(name)} is '{getattr(recipe, name)}', it must be above 0")
    for name in ("momentum", "weight_decay", "clip_norm", "patience"):
        if not getattr(recipe, name) >= 0:
            raise UsageError(f"{spell(name)} is '{getattr(recipe, name)}', it must not be below 0")
    if not 0 < recipe.beta2 < 1:
        raise UsageError(f"--set beta2 is '{recipe.beta2}', it must be between 0 and 1", "the usual one is 0.999")
    if not 0 < recipe.crop <= 1:
        raise UsageError(
            f"--set crop is '{recipe.crop}', it must be above 0 and at most 1", "the paper's experiment is 0.75"
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
        raise UsageError(f"--set ema is '{recipe.ema}', it must be at least 0 and below 1", "try 0.999")
    if recipe.compile and recipe.method not in COMPILED:
        raise UsageError(f"'{recipe.method}' cannot be compiled", f"--set compile=true takes: {', '.join(COMPILED)}")
    if recipe.method == "isnet" and recipe.crop != 1:
        raise UsageError(
            "--method isnet needs the whole image, since its maps and masks must lie alike", "leave crop at 1"
        )
    if recipe.balance:
        check_name(BALANCES, recipe.balance, kind="way to balance")
    if not 0 <= recipe.mix <= 1:
        raise UsageError(f"--mix is '{recipe.mix}', it must be from 0 to 1", "--mix 0.3 draws 3 synthetic images of 10")
    if recipe.balance and recipe.mix:
        raise UsageError("--balance and --mix both say what an epoch draws", "give one of them")
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
        raise UsageError(f"--set label_weights fits labels or classes, not {recipe.task}", "leave it out")
    if recipe.label_weights and recipe.class_weights:
        raise UsageError("--class-weights and --set label_weights exclude each other", "give one of them")
    if recipe.rest_class and (recipe.task != "multiclass" or recipe.labels == "all"):
        raise UsageError("--rest-class needs --multiclass and --labels", "such as --labels COVID-19,Pneumonia")


def _check_masks(recipe: Recipe) -> None:
    if recipe.background:
        check_name(BACKGROUNDS, recipe.background, kind="background")
    if recipe.background and recipe.method == "multitask":
        raise UsageError(
            f"--method multitask learns to outline whole images, not what --background {recipe.background} leaves",
            "leave out --background",
        )
    if not 0 < recipe.mask_threshold < 1:
        raise UsageError(f"--set mask_threshold is '{recipe.mask_threshold}', it must be between 0 and 1")
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
        raise UsageError("--target masks takes no --method, crop, --segmenter or --labels", "leave them out")
