"""The contract of every attribution method: signed maps, in logits, in the picture that a person sees.

A map has the size of the image that was explained, whatever the size that the network resizes it to. Its values say
what each pixel adds to one logit, or takes from it; they are neither scaled to [0, 1] nor made positive, so that maps
of different images can be added up. Each module of this package holds its method beside the formula, and
:data:`cxrshort.attribution.METHODS` lists them.
"""

import dataclasses
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from cxrshort.attribution.passes import Explained
from cxrshort.errors import UsageError
from cxrshort.models.scoring import SCORING_BATCH, evaluating
from cxrshort.registry import check_name


class Requirements(NamedTuple):
    """State what a method needs beside a model, images and outputs.

    Args:
        gradients: a model that autograd can differentiate with respect to its images; a method without this need
            explains any function of images.
        references: images of a background distribution.
        generators: random draws.
    """

    gradients: bool = False
    references: bool = False
    generators: bool = False


class Resources(NamedTuple):
    """Hold what a method may draw upon while it explains a batch.

    Args:
        references: (R, C, H, W) in [0, 1], of the images' own shape; None where the method needs none. They need not
            be on the images' device: R may be far more than fit there.
        generators: one per image of the batch, on the CPU, so that the draws of an image do not depend on its
            neighbours; empty where the method needs none.
        batch_size: images that may be in the network at the same time; pairs of an image and a reference, and images
            at the steps of a path, count as images.
    """

    references: Tensor | None
    generators: Sequence[torch.Generator]
    batch_size: int


class MapFunction(Protocol):
    """Explain at most ``resources.batch_size`` images with a model in eval mode."""

    def __call__(
        self, model: nn.Module, images: Tensor, outputs: Tensor, *, settings: Any, resources: Resources
    ) -> Tensor:
        """Return maps of one or more channels, (N, K, H, W), in the precision of the images.

        Args:
            model: maps images (N, C, H, W) in [0, 1] to logits (N, L).
            images: (N, C, H, W), without a graph.
            outputs: (N,) int64, on the CPU.
            settings: of the method's ``Settings``.
            resources: what the method said that it requires.
        """
        ...


class LearnFunction(Protocol):
    """Explain a batch of a training step: maps and logits of one forward pass, both with their graph."""

    def __call__(self, model: nn.Module, images: Tensor, outputs: Tensor, *, settings: Any, bn: str) -> Explained:
        """Return maps (N, C, H, W), signed, in logits, and logits (N, L); a loss on both can be differentiated.

        Args:
            model: maps images (N, C, H, W) in [0, 1] to logits (N, L); in the mode that it is in.
            images: (N, C, H, W).
            outputs: (N,) int64, the logit to explain in each image.
            settings: of the method's ``Settings``; None where it has no options.
            bn: see :class:`~cxrshort.attribution.batch_norm.BatchNormRule`.
        """
        ...


@dataclass(frozen=True)
class NoSettings:
    """Stand for the settings of a method that has no options."""


@dataclass(frozen=True)
class AttributionMethod:
    """Explain logits by maps; call it as a function.

    Args:
        name: as in :data:`cxrshort.attribution.METHODS`.
        function: computes the maps of a batch.
        Settings: a frozen dataclass of the method's options, each declared by :func:`option`.
        requires: what the method needs.
        learn: the same maps as part of a loss, for training objectives; None where no loss can be differentiated
            through them.
    """

    name: str
    function: MapFunction
    Settings: Callable[..., Any] = NoSettings
    requires: Requirements = Requirements()
    learn: LearnFunction | None = None

    def __call__(
        self,
        model: nn.Module,
        images: Tensor,
        outputs: Tensor,
        *,
        settings: Any = None,
        references: Tensor | None = None,
        generators: Sequence[torch.Generator] = (),
        batch_size: int = SCORING_BATCH,
    ) -> Tensor:
        """Return the maps of a batch, (N, H, W), float32, signed, in logits, without a graph.

        The model is put into eval mode meanwhile, and is left as it was, after an error too.

        Args:
            model: maps images (N, C, H, W) in [0, 1] to logits (N, L), on the images' device.
            images: (N, C, H, W) in [0, 1].
            outputs: (N,) int64, the logit to explain in each image.
            settings: of ``Settings``; None takes the defaults.
            references: (R, C, H, W) in [0, 1]; see :class:`Resources`.
            generators: N of them, on the CPU, such as those of :func:`cxrshort.compute.seeded_generator` for a seed and
                the image's position in its dataset: the map then depends on the image and not on the batch.
            batch_size: images that may be in the network at the same time.

        Raises:
            UsageError: the inputs do not fit together, something that the method requires is missing, or the network
                is none that the method can explain.
        """
        _check_inputs(images, outputs, batch_size=batch_size)
        self._check_resources(images, references, generators)
        settings = self.Settings() if settings is None else settings
        with torch.inference_mode(False), evaluating(model):
            maps = torch.zeros(len(images), *images.shape[2:], device=images.device)
            images, outputs = _usable(images), _usable(outputs).cpu()
            references = None if references is None else _usable(references)
            for start in range(0, len(images), batch_size):
                part = slice(start, start + batch_size)
                resources = Resources(references, generators[part], batch_size)
                channels = self.function(model, images[part], outputs[part], settings=settings, resources=resources)
                maps[part] = channels.detach().sum(dim=1)
        return maps

    def _check_resources(
        self, images: Tensor, references: Tensor | None, generators: Sequence[torch.Generator]
    ) -> None:
        if self.requires.references and (references is None or len(references) == 0):
            raise UsageError(f"'{self.name}' needs reference images, and there are none", "name a --background")
        if references is not None and references.shape[1:] != images.shape[1:]:
            raise UsageError(
                f"the references have the shape {tuple(references.shape[1:])}, "
                f"they must have that of the images, {tuple(images.shape[1:])}",
                "build both datasets with the same --size",
            )
        if (self.requires.generators or generators) and len(generators) != len(images):
            raise UsageError(
                f"'{self.name}' needs one generator per image, {len(images)}, not {len(generators)}",
                "make each with cxrshort.compute.seeded_generator(seed, position)",
            )


def _usable(values: Tensor) -> Tensor:
    """Return values without their graph; of those made in inference mode, which no graph can hold, a copy."""
    return values.clone() if values.is_inference() else values.detach()


def _check_inputs(images: Tensor, outputs: Tensor, *, batch_size: int) -> None:
    if images.dim() != 4 or not images.is_floating_point():
        raise UsageError(
            f"images of shape {tuple(images.shape)} and type {images.dtype} cannot be explained",
            "give floating-point images of shape (N, C, H, W) in [0, 1]",
        )
    if outputs.shape != images.shape[:1] or outputs.is_floating_point():
        raise UsageError(
            f"outputs of shape {tuple(outputs.shape)} and type {outputs.dtype} do not fit {len(images)} images",
            "give the number of one logit for each image, of type int64",
        )
    if batch_size < 1:
        raise UsageError(f"the batch size is '{batch_size}', it must be 1 or more", f"try {SCORING_BATCH}")


def option(
    default: Any, *, low: float = -math.inf, high: float = math.inf, names: Collection[str] = ()
) -> Any:  # as dataclasses.field, which type checkers read as the type of the default
    """Declare an option of a method.

    Args:
        default: true or false, a number or a name.
        low: the smallest number allowed.
        high: the largest number allowed.
        names: the names allowed.

    Example:
        >>> @dataclass(frozen=True)
        ... class BlurSettings:
        ...     width: float = option(2.0, low=0)
        >>> BlurSettings().width
        2.0
    """
    return dataclasses.field(default=default, metadata={"low": low, "high": high, "names": tuple(names)})


def check_options(settings: Any, *, method: str) -> None:
    """Refuse options out of range; called by the ``__post_init__`` of each method's settings.

    Args:
        settings: a dataclass whose fields are made by :func:`option`.
        method: the method's name.

    Raises:
        UsageError: a number is not finite or out of range, or a name is unknown.
    """
    for field in dataclasses.fields(settings):
        value, allowed = getattr(settings, field.name), field.metadata
        if allowed["names"]:
            check_name(allowed["names"], value, kind=f"{field.name} of {method}")
        elif not (math.isfinite(value) and allowed["low"] <= value <= allowed["high"]):
            raise UsageError(
                f"the {field.name} of {method} is '{value:g}', it must be {_range(allowed['low'], allowed['high'])}",
                f"try {field.default:g}",
            )


def _range(low: float, high: float) -> str:
    if high == math.inf:
        return "a number" if low == -math.inf else f"{low:g} or more"
    return f"at most {high:g}" if low == -math.inf else f"from {low:g} to {high:g}"
