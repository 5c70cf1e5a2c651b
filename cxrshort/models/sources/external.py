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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cxrshort import runs
from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.models.architecture import read_tensors
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.sources.options import Options
from cxrshort.registry import check_name

INPUT = ("labels", "size", "mean", "std", "range", "channels", "output")
"""What is said about a network that does not say it itself."""
_CLOSEST = 1e-7
"""What a probability stays away from 0 and 1, since fp32 cannot tell closer ones from 1."""


def is_external(text: str) -> bool:
    """Return whether a model's name is one of those that :func:`load_external` reads.

    Example:
        >>> is_external("txrv:all"), is_external("runs/I/densenet121/erm/replicate-0")
        (True, False)
    """
    return text.startswith(("py:", "txrv:")) or text.partition("?")[0].endswith(".onnx")


def describe_all(names: Sequence[str], options: Mapping[str, str]) -> list[str]:
    """Return models' names in which those of others say what they do not say themselves.

    Args:
        names: of models; ours, and torchxrayvision's, describe themselves.
        options: value of each option of ``INPUT``.

    Raises:
        UsageError: no model needs them.

    Example:
        >>> describe_all(["runs/a", "b.onnx?labels=A"], {"labels": "B", "range": "0..1"})
        ['runs/a', 'b.onnx?labels=A&range=0..1']
    """
    silent = [is_external(name) and not name.startswith("txrv:") for name in names]
    if options and not any(silent):
        raise UsageError(
            f"--model-{next(iter(options))} describes a model that is not ours, and none is given",
            "py:package.module:factory or FILE.onnx is one",
        )
    known = (*INPUT, "weights")
    return [
        Options.parse(name, known=known).with_defaults(options) if options and each else name
        for name, each in zip(names, silent, strict=True)
    ]


def files_of(text: str) -> list[Path]:
    """Return the files that an external model is read from: weights, or the ONNX file.

    Example:
        >>> [str(each) for each in files_of("py:net:make?weights=a.safetensors&size=224")]
        ['a.safetensors']
    """
    options = Options.parse(text, known=(*INPUT, "weights", "download"))
    weights = options.file("weights")
    own = [Path(options.name).expanduser()] if options.name.endswith(".onnx") else []
    return own if weights is None else [*own, weights]


def name_by_content(text: str) -> str:
    """Return an external model's name in which a file stands by its sha256, wherever it lies."""
    options = Options.parse(text, known=(*INPUT, "weights", "download"))
    weights = options.file("weights")
    if weights is None:
        return text
    content = {**options.values, "weights": f"sha256:{runs.sha256(weights)}"}
    return Options(options.name, content).with_defaults({})


def load_external_segmenter(text: str) -> tuple[Classifier, Description]:
    """Return the segmenter that ``py:package.module:factory?size=224&range=0..1`` stands for, as :func:`load_external`.

    The network returns one map of log-odds (``output=probabilities``: of probabilities), (N, 1, H, W), of any size.

    Raises:
        UsageError: another kind of model, or one that says too little or too much.
        MissingInputError: a file or a Python module is not there.
        DataError: a file, or what the network returns, is not what it is said to be.
    """
    if not text.startswith("py:"):
        raise UsageError(f"'{text}' cannot be a segmenter", "a run of --target masks, or py:package.module:factory")
    options = Options.parse(text, known=("weights", *(each for each in INPUT if each != "labels")))
    spec, network, weights = options.spec(), _make(options.name), options.file("weights")
    if weights is not None:
        _load_weights(network, weights, name=options.name)
    outputs, output = _try(network.eval(), spec, name=options.name), options.output()
    one_map = isinstance(outputs, Tensor) and outputs.dim() == 4 and tuple(outputs.shape[:2]) == (2, 1)
    if not one_map or not outputs.is_floating_point():
        raise DataError(
            f"'{options.name}' returns {_shape(outputs)} for 2 images, not (2, 1, height, width)",
            "a segmenter returns one map of log-odds",
        )
    _check_output(output, outputs, count=1, name=options.name)
    description = Description("segmenter", options.name, ("mask",), spec, recipe=_recipe(weights))
    return Classifier(_Foreign(network, output=output), labels=("mask",), spec=spec).eval(), description


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
    from cxrshort.models.sources.txrv import load_published

    options = Options.parse(text, known=("weights", "download"))
    name = options.name.removeprefix("txrv:")
    return load_published(name, file=options.file("weights"), download=options.flag("download"))


def _load_python(text: str) -> tuple[Classifier, Description]:
    options = Options.parse(text, known=("weights", *INPUT))
    spec, labels = options.spec(), options.labels()
    network = _make(options.name)
    weights = options.file("weights")
    if weights is not None:
        _load_weights(network, weights, name=options.name)
    return _describe(network, options, labels=labels, spec=spec, file=weights)


def _load_onnx(text: str) -> tuple[Classifier, Description]:
    from cxrshort.models.sources.onnx import OnnxNetwork

    options = Options.parse(text, known=INPUT)
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
        raise DataError(
            f"'{options.name}' returns {_shape(outputs)} for 2 images, not {shape}",
            "labels= names every output, in order",
        )
    output = options.output()
    _check_output(output, outputs, count=len(labels), name=options.name)
    description = Description("classifier", options.name, labels, spec, recipe=_recipe(file))
    return Classifier(_Foreign(network, output=output), labels=labels, spec=spec).eval(), description


def _shape(outputs: Any) -> Any:
    return tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__


def _recipe(file: Path | None) -> dict[str, str]:
    return {"weights": f"sha256:{runs.sha256(file)}"} if file else {}


def _check_output(output: str, outputs: Tensor, *, count: int, name: str) -> None:
    """Refuse outputs that cannot be what they are said to be."""
    if output == "softmax" and count < 2:
        raise UsageError(f"'{name}' has one output, and a softmax of one is always 1", "output=logits")
    if output == "probabilities" and not bool(((outputs >= 0) & (outputs <= 1)).all()):
        raise DataError(f"'{name}' returns numbers outside [0, 1], which are no probabilities", "output=logits")


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
