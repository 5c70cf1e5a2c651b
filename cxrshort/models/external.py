"""Bring your own model: networks that cxrshort did not train, under the same classifier as those it did.

Three kinds of names are understood wherever a model is asked for:

* ``py:package.module:factory?labels=A,B&size=224&range=0..1``: ``factory()`` returns a ``torch.nn.Module``; with
  ``weights=FILE`` its state is loaded. The module is imported, so its code runs: only by this explicit name.
* ``model.onnx?labels=A,B&range=0..1``: for scoring.
* ``txrv:all``: the published classifiers of TorchXRayVision; with ``weights=FILE`` from a file.

A wrong scale of pixels gives no error and a wrong audit, so it has no default: ``range`` is what the network's pixels
span before ``mean`` is subtracted and ``std`` divided by, both in units of that range.
"""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cxrshort import runs
from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.models.architecture import read_tensors
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.external_options import Options
from cxrshort.registry import check_name

_INPUT = ("labels", "size", "mean", "std", "range", "channels", "output")
_CLOSEST = 1e-7
"""What a probability stays away from 0 and 1, since fp32 cannot tell closer ones from 1."""


def is_external(text: str) -> bool:
    """Return whether a model's name is one of those that :func:`load_external` reads.

    Example:
        >>> is_external("txrv:all"), is_external("runs/I/densenet121/erm/replicate-0")
        (True, False)
    """
    return text.startswith(("py:", "txrv:")) or text.partition("?")[0].endswith(".onnx")


def load_external(text: str) -> tuple[Classifier, Description]:
    """Return the classifier that a name stands for, in eval mode on the CPU, and its description.

    Args:
        text: see the top of this module.

    Raises:
        UsageError: the name says too little, too much or what cannot be; or a package is not installed.
        MissingInputError: a file or a Python module is not there.
        DataError: a file, or what the network returns, is not what it is said to be.

    Example:
        >>> model, description = load_external("py:torchvision.models:resnet18?labels=A&size=64&range=0..1")
        Traceback (most recent call last):
            ...
        cxrshort.errors.DataError: 'py:torchvision.models:resnet18' returns (2, 1000) for 2 images, not (2, 1)
    """
    if text.startswith("txrv:"):
        return _load_txrv(text)
    if text.startswith("py:"):
        return _load_python(text)
    if text.partition("?")[0].endswith(".onnx"):
        return _load_onnx(text)
    raise UsageError(f"'{text}' is not an external model", "py:package.module:factory?..., FILE.onnx?... or txrv:NAME")


def _load_txrv(text: str) -> tuple[Classifier, Description]:
    from cxrshort.models.from_txrv import load_published

    options = Options.parse(text, known=("weights", "download"))
    name = options.name.removeprefix("txrv:")
    return load_published(name, file=options.file("weights"), download=options.flag("download"))


def _load_python(text: str) -> tuple[Classifier, Description]:
    options = Options.parse(text, known=("weights", *_INPUT))
    spec, labels = options.spec(), options.labels()
    network = _make(options.name)
    weights = options.file("weights")
    if weights is not None:
        _load_weights(network, weights, name=options.name)
    return _describe(network, options, labels=labels, spec=spec, file=weights)


def _load_onnx(text: str) -> tuple[Classifier, Description]:
    from cxrshort.models.onnx_network import OnnxNetwork

    options = Options.parse(text, known=_INPUT)
    labels = options.labels()
    path = Path(options.name).expanduser()
    network = OnnxNetwork(path)
    spec = options.spec(size=network.size, channels=network.channels)
    return _describe(network, options, labels=labels, spec=spec, file=path)


def _make(name: str) -> nn.Module:
    """Import and call the factory that ``py:package.module:factory`` names."""
    module_name, _, factory_name = name.removeprefix("py:").partition(":")
    if not (module_name and factory_name):
        raise UsageError(f"'{name}' names no factory", "py:package.module:factory")
    factory = _import_factory(module_name, factory_name)
    try:
        network = factory()
    except Exception as error:  # the factory is the user's and may raise anything
        raise DataError(
            f"'{name}' failed: {type(error).__name__}: {error}", "the factory is called without arguments"
        ) from error
    if not isinstance(network, nn.Module):
        raise UsageError(f"'{name}' made a {type(network).__name__}, not a torch.nn.Module", "return the network")
    return network


def _import_factory(module_name: str, factory_name: str) -> Callable[[], Any]:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last, so that a file of the user shadows no installed package
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # importing runs the user's code, which may raise anything
        raise MissingInputError(
            f"'{module_name}' cannot be imported: {type(error).__name__}: {error}",
            "run cxrshort in the folder that holds it, or install it",
        ) from error
    functions = [each for each in vars(module) if callable(getattr(module, each)) and not each.startswith("_")]
    check_name(functions, factory_name, kind=f"factory in '{module_name}'")
    factory: Callable[[], Any] = getattr(module, factory_name)
    return factory


def _load_weights(network: nn.Module, path: Path, *, name: str) -> None:
    if not path.is_file():
        raise MissingInputError(f"'{path}' does not exist", "weights= takes a file")
    state, own = read_tensors(path), network.state_dict()
    wrong = [
        each
        for each in {**own, **state}
        if each not in own or each not in state or own[each].shape != state[each].shape
    ]
    if wrong:
        raise DataError(
            f"'{path}' does not fit '{name}': {len(wrong)} tensors differ, such as '{wrong[0]}'",
            "give the weights of this network",
        )
    network.load_state_dict(dict(state))


def _describe(
    network: nn.Module, options: Options, *, labels: tuple[str, ...], spec: InputSpec, file: Path | None
) -> tuple[Classifier, Description]:
    """Try the network on two images and put it under a classifier."""
    outputs = _try(network.eval(), spec, name=options.name)
    shape = (2, len(labels))
    if not isinstance(outputs, Tensor) or outputs.shape != shape or not outputs.is_floating_point():
        returned = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise DataError(
            f"'{options.name}' returns {returned} for 2 images, not {shape}", "labels= names every output, in order"
        )
    output = options.output()
    if output == "softmax" and len(labels) < 2:
        raise UsageError(f"'{options.name}' has one output, and a softmax of one is always 1", "output=logits")
    if output == "probabilities" and not bool(((outputs >= 0) & (outputs <= 1)).all()):
        raise DataError(f"'{options.name}' returns numbers outside [0, 1], which are no probabilities", "output=logits")
    recipe = {"weights": f"sha256:{runs.sha256(file)}"} if file else {}
    description = Description("classifier", options.name, labels, spec, recipe=recipe)
    return Classifier(_Foreign(network, output=output), labels=labels, spec=spec).eval(), description


def _try(network: nn.Module, spec: InputSpec, *, name: str) -> Any:
    images = torch.zeros(2, spec.channels, spec.size, spec.size)
    try:
        with torch.inference_mode():
            return network(images)
    except Exception as error:  # the network is the user's and may raise anything
        raise DataError(
            f"'{name}' cannot take images {tuple(images.shape)}: {type(error).__name__}: {error}",
            "set size= and channels= as in training",
        ) from error


class _Foreign(nn.Module):
    """Run a network in fp32, as its authors did, and return log-odds of each of its outputs.

    Args:
        network: of others; its last layer may not be one that stays in full precision by itself.
        output: what it returns, one of ``OUTPUTS``.
    """

    def __init__(self, network: nn.Module, *, output: str) -> None:
        super().__init__()
        self.network = network
        self.output = output

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, L)."""
        with torch.autocast(images.device.type, enabled=False):
            outputs: Tensor = self.network(images.float()).float()
        if self.output == "logits":
            return outputs
        if self.output == "probabilities":
            return torch.logit(outputs, eps=_CLOSEST)
        # log p / (1 - p) is the logit less the logsumexp of the others.
        itself = torch.zeros(outputs.shape[1], outputs.shape[1], device=outputs.device).fill_diagonal_(-torch.inf)
        return outputs - torch.logsumexp(outputs.unsqueeze(1) + itself, dim=2)
