"""Architectures: how a network is built, and what its input must be."""

import contextlib
import pickle
import struct
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from cxrshort.errors import DataError, MissingInputError, UsageError

IMAGENET = "imagenet"
"""What ``--weights`` calls published weights, which are downloaded."""
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

DAMAGED_FILE = (
    pickle.UnpicklingError,
    struct.error,
    OSError,
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
)
"""What ``torch.load(..., weights_only=True)`` raises on damaged files, as random bytes and flipped bits show."""


@dataclass(frozen=True)
class Architecture:
    """Describe a family of networks that map normalised images to logits.

    Args:
        name: what the command line calls it.
        build: makes a network with so many outputs, randomly initialised from torch's global generator.
        head: name of the last linear layer, whose parameters depend on the number of outputs.
        minimum_size: the smallest input, in pixels, that the network can take.
        imagenet: the torchvision weights object; None where none is published.
        input_size: the side, in pixels, that the network was published with or is built for; None where it takes the
            dataset's own.
        channels: 3 where a grey image is replicated, 1 where the network takes grey.
        mean: subtracted from the input, per channel, in units of [0, 1].
        std: divided by, per channel.
        output: ``"labels"``, logits (N, L), or ``"masks"``, logits (N, M, H, W).
        frozen: only the head trains; what enters it is a fixed function of the image.
        tail: the layers that depend on the number of outputs, or that ImageNet weights lack, where it is not the head
            alone.
        published_size: the side, in pixels, of the images that it was published with, also where it takes others.
        with_masks: the network outlines too: its method ``with_masks`` returns logits (N, L) and logits of masks
            (N, 1, H, W).
    """

    name: str
    build: Callable[[int], nn.Module]
    head: str
    minimum_size: int = 32
    imagenet: Any = None
    input_size: int | None = None
    channels: int = 3
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    output: Literal["labels", "masks"] = "labels"
    frozen: bool = False
    tail: str = ""
    published_size: int = 224
    with_masks: bool = False


class FullPrecisionLinear(nn.Linear):
    """Compute logits in fp32 even where the network before runs in bf16.

    bf16 has 8 bits: logits rounded to it tie, and small changes of an image would leave them unmoved.
    """

    @classmethod
    def like(cls, layer: nn.Module) -> "FullPrecisionLinear":
        """Return a layer that shares the parameters of a linear one."""
        if not isinstance(layer, nn.Linear):
            raise TypeError(f"{type(layer).__name__} is not a linear layer")
        with torch.device("meta"):
            copy = cls(layer.in_features, layer.out_features, bias=layer.bias is not None)
        copy.weight, copy.bias = layer.weight, layer.bias
        return copy

    def forward(self, input: Tensor) -> Tensor:
        """Return (N, outputs) in fp32."""
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float())


def initialise(architecture: Architecture, outputs: int, *, weights: str, seed: int) -> nn.Module:
    """Build a network whose start is a function of the seed and of the weights alone.

    Args:
        architecture: what to build.
        outputs: number of logits.
        weights: ``"none"``, ``"imagenet"`` (fetched by torchvision), or a ``.safetensors``, ``.pt`` or ``.pth`` file.
            The head is taken from the weights only where it fits.
        seed: chooses the random initialisation.

    Raises:
        MissingInputError: the file or the network is not there.
        DataError: the file does not hold weights of this architecture.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = architecture.build(outputs)
    network.set_submodule(architecture.head, FullPrecisionLinear.like(network.get_submodule(architecture.head)))
    if weights != "none":
        load_backbone(network, _weights(architecture, weights), architecture=architecture, source=weights)
    return network


def _weights(architecture: Architecture, source: str) -> Mapping[str, Tensor]:
    if source == IMAGENET:
        return _imagenet(architecture)
    path = Path(source)
    if not path.is_file():
        raise MissingInputError(f"'{source}' does not exist", "--weights takes none, imagenet or a file")
    return {name.removeprefix("network."): value for name, value in read_tensors(path).items()}


def check_imagenet(architecture: Architecture) -> None:
    """Refuse an architecture without published ImageNet weights.

    Raises:
        UsageError: there are none.
    """
    if architecture.imagenet is None:
        raise UsageError(f"'{architecture.name}' has no ImageNet weights", "--weights none or a file")


def _imagenet(architecture: Architecture) -> Mapping[str, Tensor]:
    check_imagenet(architecture)
    try:
        # torch announces a download on stdout, which is for results.
        with contextlib.redirect_stdout(sys.stderr):
            state: Mapping[str, Tensor] = architecture.imagenet.get_state_dict(progress=False, check_hash=True)
    except DAMAGED_FILE as error:
        raise MissingInputError(
            f"the ImageNet weights of '{architecture.name}' could not be fetched ({error})",
            f"fetch {architecture.imagenet.url} elsewhere and give it as --weights FILE",
        ) from error
    return state


def read_tensors(path: Path) -> Mapping[str, Tensor]:
    """Return the tensors of a ``.safetensors`` file or of a ``state_dict`` in a ``.pt`` or ``.pth`` file.

    Raises:
        DataError: the file is damaged or holds something else.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about pickles that it then refuses
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, *DAMAGED_FILE) as error:
        raise DataError(
            f"'{path}' is not a file of weights", "give .safetensors, or a state_dict as .pt or .pth"
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(f"'{path}' holds more than a state_dict", "save model.state_dict() alone")
    return state


def load_backbone(network: nn.Module, state: Mapping[str, Tensor], *, architecture: Architecture, source: str) -> None:
    """Copy a state into a network; layers of the tail whose shapes differ stay as they are.

    Raises:
        DataError: the state is of another architecture.
    """
    own, tail = network.state_dict(), (architecture.tail or architecture.head) + "."
    state = _modern_names(state)
    usable = {
        name: value
        for name, value in state.items()
        if not (name.startswith(tail) and name in own and own[name].shape != value.shape)
    }
    # torchvision's DenseNet files are older than the counter, which no layer here reads.
    optional = {name for name in own if name.endswith("num_batches_tracked") or name.startswith(tail)}
    missing = [name for name in own if name not in usable and name not in optional]
    unknown = [name for name in usable if name not in own and not name.startswith(tail)]
    misshapen = [name for name, value in usable.items() if name in own and own[name].shape != value.shape]
    wrong = [*misshapen, *missing, *unknown]
    if wrong:
        raise DataError(
            f"'{source}' does not fit {architecture.name}: {len(wrong)} tensors differ, such as '{wrong[0]}'",
            "give the --arch that the file was made with",
        )
    network.load_state_dict({name: value for name, value in usable.items() if name in own}, strict=False)


def _modern_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state with torchvision's first DenseNet names (``norm.1``) as today's (``norm1``)."""
    import re

    return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)", r"\1\2", name): value for name, value in state.items()}
