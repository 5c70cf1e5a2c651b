"""Ways to train a CycleGAN, one TOML file each.

The formula of DeGrave et al. 2021 and the code that they cite differ in the loss of the discriminators, in the weight
of the cycle and in the identity term; both are recipes.
"""

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from cxrshort import settings
from cxrshort.errors import UsageError
from cxrshort.generative.cyclegan.networks import Sizes
from cxrshort.registry import check_name
from cxrshort.training.recipes import read_file

LOSSES = ("lsgan", "log")
STANDARD = "standard"
RARE = (
    "blocks",
    "discriminator_width",
    "channels",
    "discriminator_rate",
    "beta1",
    "beta2",
    "constant_share",
    "replay",
    "ema",
    "zoom",
)
"""Settings without an option of their own: ``--set NAME=VALUE`` reaches them."""
_AT_LEAST_ONE = ("epochs", "batch_size", "width", "blocks", "discriminator_width")


@dataclass(frozen=True)
class CycleGanRecipe:
    """Hold every setting that shapes the training of a CycleGAN.

    Args:
        name: the recipe that the values started from.
        epochs: passes over the larger side.
        batch_size: images of each side in one step, over all processes.
        learning_rate: initial learning rate of the generators.
        discriminator_rate: initial learning rate of the discriminators; 0 takes ``learning_rate``.
        beta1: decay rate of Adam's mean of gradients.
        beta2: decay rate of Adam's mean of squared gradients.
        constant_share: share of the epochs after which the learning rates fall, linearly to zero.
        loss: ``"lsgan"``, least squares, or ``"log"``, the logarithm of the probability of being real.
        cycle: weight of the difference between images and what both generators, one after the other, make of them.
        identity: weight of the difference between images and what the generator of their own side makes of them.
        replay: earlier transformed images that the discriminators also see, for each side; 0 shows new ones alone.
        width: channels of a generator's first convolution.
        blocks: residual blocks of a generator.
        discriminator_width: channels of a discriminator's first convolution.
        channels: 1, or 3 copies of a grey image.
        per_class: most images of a side, drawn at random; 0 takes as many as the smaller side has.
        flip: whether images are mirrored at random, which mirrors laterality markers too.
        zoom: factor by which images are enlarged before a crop of their size is taken at random; 1 leaves them whole.
        ema: decay of the exponential moving average of the generators, which is then kept; 0 averages none.
    """

    name: str
    epochs: int = 200
    batch_size: int = 1
    learning_rate: float = 2e-4
    discriminator_rate: float = 0.0
    beta1: float = 0.5
    beta2: float = 0.999
    constant_share: float = 0.5
    loss: str = "lsgan"
    cycle: float = 10.0
    identity: float = 5.0
    replay: int = 50
    width: int = 64
    blocks: int = 9
    discriminator_width: int = 64
    channels: int = 1
    per_class: int = 0
    flip: bool = False
    zoom: float = 1.0
    ema: float = 0.999

    @property
    def sizes(self) -> Sizes:
        """Return the sizes of the networks."""
        return Sizes(self.width, self.blocks, self.discriminator_width, self.channels)

    def record(self) -> dict[str, Any]:
        """Return the settings as JSON values, with the method that makes it the recipe of a training."""
        return {"method": "cyclegan", **dataclasses.asdict(self)}


def names() -> list[str]:
    """Return the recipes that come with the package."""
    return sorted(file.name.removesuffix(".toml") for file in _folder().iterdir() if file.name.endswith(".toml"))


def sources() -> dict[str, str]:
    """Return where each recipe comes from, in one line."""
    return {name: str(_read(name)["source"]) for name in names()}


def load_recipe(name: str, *, overrides: Mapping[str, Any] | None = None) -> CycleGanRecipe:
    """Read a recipe and put the command line's values over it.

    Args:
        name: one of :func:`names`, or a ``.toml`` file of one's own, which says what differs from the standard.
        overrides: settings by name; None leaves the recipe's value.

    Raises:
        UsageError: the recipe, or a word in a setting, is not known, or a number is out of range.
        MissingInputError: there is no such file.
        DataError: the file is not TOML, or holds what is not a setting of a recipe.

    Example:
        >>> load_recipe("degrave2021-paper", overrides={"epochs": 1000}).loss
        'log'
    """
    if name.endswith(".toml"):
        values = read_file(Path(name), kind=CycleGanRecipe, published=names())
    else:
        check_name(names(), name, kind="recipe")
        values = _read(name)
    values.pop("source", "")
    chosen = {key: value for key, value in (overrides or {}).items() if value is not None}
    return _checked(CycleGanRecipe(Path(name).stem if name.endswith(".toml") else name, **{**values, **chosen}))


def published(name: str) -> CycleGanRecipe:
    """Return the recipe of a name as it is published; for one of the user's own, what it is compared with."""
    return load_recipe(name) if name in names() else CycleGanRecipe(name)


def differences(recipe: CycleGanRecipe) -> dict[str, Any]:
    """Return the settings that differ from those of the published recipe."""
    reference = dataclasses.asdict(published(recipe.name))
    return {key: value for key, value in dataclasses.asdict(recipe).items() if value != reference[key]}


def parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Return the settings of ``--set`` by name, as the types that they have.

    Args:
        texts: ``NAME=VALUE``.

    Raises:
        UsageError: not of this form, a name that is not known or given twice, or a value of another type.

    Example:
        >>> parse_settings(["blocks=6", "ema=0"])
        {'blocks': 6, 'ema': 0.0}
    """
    fields = {field.name: field.default for field in dataclasses.fields(CycleGanRecipe) if field.name != "name"}
    values: dict[str, Any] = {}
    for text in texts:
        name, sign, value = (part.strip() for part in text.partition("="))
        if not (name and sign):
            raise UsageError(f"--set '{text}' is not of the form NAME=VALUE", "--set help lists the settings")
        field = name.replace("-", "_")
        check_name(fields, field, kind="setting", list_all="--set help")
        if field in values:
            raise UsageError(f"--set names '{name}' twice", "give one value")
        values[field] = settings.parse_value(value, like=fields[field], argument=f"--set {name}")
    return values


def describe_settings(recipe: str) -> dict[str, list[dict[str, Any]]]:
    """Return what ``--set`` takes beyond the options: name, type, default and meaning of each setting."""
    chosen, meanings = load_recipe(recipe), settings.meanings(CycleGanRecipe)
    return {"training": [settings.setting_row(name, getattr(chosen, name), meanings[name]) for name in RARE]}


def _folder() -> Any:  # Traversable has moved between Python versions
    return resources.files(__name__)


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(_folder().joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def _spell(name: str) -> str:
    return f"--set {name}" if name in RARE else f"--{name.replace('_', '-')}"


def _checked(recipe: CycleGanRecipe) -> CycleGanRecipe:
    check_name(LOSSES, recipe.loss, kind="loss")
    for name in _AT_LEAST_ONE:
        if getattr(recipe, name) < 1:
            raise UsageError(f"{_spell(name)} is '{getattr(recipe, name)}', it must be 1 or more")
    if not recipe.learning_rate > 0:  # NaN is refused too
        raise UsageError(f"--learning-rate is '{recipe.learning_rate}', it must be above 0")
    for name in ("cycle", "identity", "discriminator_rate", "replay", "per_class"):
        if not getattr(recipe, name) >= 0:
            raise UsageError(f"{_spell(name)} is '{getattr(recipe, name)}', it must not be below 0")
    for name in ("beta1", "beta2", "ema"):
        if not 0 <= getattr(recipe, name) < 1:
            raise UsageError(f"{_spell(name)} is '{getattr(recipe, name)}', it must be at least 0 and below 1")
    _check_ranges(recipe)
    return recipe


def _check_ranges(recipe: CycleGanRecipe) -> None:
    if not 0 <= recipe.constant_share <= 1:
        raise UsageError(f"--set constant_share is '{recipe.constant_share}', it must be from 0 to 1")
    if not 1 <= recipe.zoom <= 2:
        raise UsageError(f"--set zoom is '{recipe.zoom}', it must be from 1 to 2", "the cited code has 1.12")
    if recipe.channels not in (1, 3):
        raise UsageError(f"--set channels is '{recipe.channels}', it must be 1 or 3")
