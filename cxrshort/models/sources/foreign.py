"""Models trained elsewhere, under the same classifier as those trained here.

Five kinds of names are understood wherever a model is asked for:

* ``py:package.module:factory?labels=A,B&size=224&range=0..1``: ``factory()`` returns a ``torch.nn.Module``; with
  ``weights=FILE`` its state is loaded. The module is imported, so its code runs: only by this explicit name.
* ``model.onnx?labels=A,B&range=0..1``: for scoring.
* ``timm:NAME?labels=A,B&weights=FILE``: a network of timm with weights for these labels.
* ``txrv:all``: the published classifiers of TorchXRayVision; with ``weights=FILE`` from a file.
* ``clip:FOLDER?labels=A,B&prompt=a photo of a {class}``: a zero-shot classifier by a CLIP model of transformers.

Options stand behind the ``?`` of the name and nowhere else, so that several foreign models in one command may differ in
them, and so that a name says the same in ``evaluate``, in ``--segmenter`` and in a run's record.

A wrong scale of pixels gives no error and a wrong audit, so it has no default: ``range`` is what the network's pixels
span before ``mean`` is subtracted and ``std`` divided by, both in units of that range. ``trained-on=DATASET`` says what
a model was trained on: the training and validation folds of that dataset.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cxrshort import columns, registry
from cxrshort.dataset import load_dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.files import sha256
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.outputs import log_odds
from cxrshort.models.people import hash_people
from cxrshort.models.sources.options import Options
from cxrshort.quantities import quantity
from cxrshort.registry import Entry

INPUT = ("labels", "size", "mean", "std", "range", "channels", "output")
"""What is said about a network that does not say it itself."""
TRAINED_ON = "trained-on"
EVERY_OPTION = ("weights", *INPUT, "prompt", "temperature", "download", TRAINED_ON)
KINDS = {
    "py": Entry("cxrshort.models.sources.python:open_python", "a factory of yours: py:package.module:factory?..."),
    "onnx": Entry("cxrshort.models.sources.onnx:open_onnx", "an ONNX file: FILE.onnx?..."),
    "timm": Entry("cxrshort.models.sources.timm:open_timm", "a network of timm: timm:NAME?..."),
    "txrv": Entry("cxrshort.models.sources.txrv:open_txrv", "published by TorchXRayVision: txrv:NAME"),
    "clip": Entry("cxrshort.models.sources.clip:open_clip", "a CLIP model of transformers: clip:FOLDER?..."),
}
FOLDER_KINDS = {"clip": Entry("cxrshort.models.sources.clip:clip_files", KINDS["clip"].summary)}
"""Those that are read from a folder, and what lists its files."""
SEGMENTER_KINDS = {"py": Entry("cxrshort.models.sources.python:open_python_segmenter", KINDS["py"].summary)}
"""Those that may also be a segmenter."""

Opened = tuple[Classifier, Description]


def foreign_kind(text: str) -> str:
    """Return which of ``KINDS`` a model's name is of; empty where it names a file or folder of cxrshort.

    Example:
        >>> foreign_kind("txrv:all"), foreign_kind("a.onnx?labels=A"), foreign_kind("runs/I/densenet121")
        ('txrv', 'onnx', '')
    """
    name = text.partition("?")[0]
    if name.endswith(".onnx"):
        return "onnx"
    prefix, colon, _ = name.partition(":")
    return prefix if colon and prefix in KINDS else ""


def is_foreign(text: str) -> bool:
    """Return whether a model's name is one of those that :func:`open_foreign` reads.

    Example:
        >>> is_foreign("txrv:all"), is_foreign("runs/I/densenet121/erm/replicate-0")
        (True, False)
    """
    return bool(foreign_kind(text))


def open_foreign(text: str) -> Opened:
    """Return the classifier that a name stands for, in eval mode on the CPU, and its description.

    Args:
        text: see the top of this module.

    Raises:
        UsageError: the name says too little, too much or what cannot be; or a package is not installed.
        MissingInputError: a file, a Python module or the training dataset is not there.
        DataError: a file, or what the network returns, is not what it is said to be.

    Example:
        >>> model, description = open_foreign("py:torchvision.models:resnet18?labels=A&size=64&range=0..1")
        Traceback (most recent call last):
            ...
        cxrshort.errors.DataError: 'py:torchvision.models:resnet18' returns (2, 1000) for 2 images, not (2, 1)
    """
    kind = foreign_kind(text)
    if not kind:
        raise UsageError(f"'{text}' is not a foreign model", ", ".join(entry.summary for entry in KINDS.values()))
    opener: Callable[[str], Opened] = registry.load_entry(KINDS, kind, kind="foreign model")
    classifier, description = opener(text)
    return classifier, _with_training(description, Options.parse(text, allowed=EVERY_OPTION).values.get(TRAINED_ON))


def _with_training(description: Description, dataset: str | None) -> Description:
    """Return a description that says what a foreign model was trained on, where its user does."""
    if dataset is None:
        return description
    data = load_dataset(dataset)
    split = f"{columns.SPLIT_PREFIX}{description.replicate}"
    people = data.manifest["person_id"]
    training_people = people[data.manifest[split] != "test"] if split in data.manifest else people
    return replace(
        description, dataset=data.name, dataset_id=data.dataset_id, training_people=hash_people(training_people)
    )


def open_foreign_segmenter(text: str) -> Opened:
    """Return the segmenter that ``py:package.module:factory?size=224&range=0..1`` stands for, as :func:`open_foreign`.

    The network returns one map of log-odds (``output=probabilities``: of probabilities), (N, 1, H, W), of any size.

    Raises:
        UsageError: another kind of model, or one that says too little or too much.
        MissingInputError: a file or a Python module is not there.
        DataError: a file, or what the network returns, is not what it is said to be.
    """
    kind = foreign_kind(text)
    if kind not in SEGMENTER_KINDS:
        raise UsageError(f"'{text}' cannot be a segmenter", "a run of --target masks, or py:package.module:factory")
    opener: Callable[[str], Opened] = registry.load_entry(SEGMENTER_KINDS, kind, kind="foreign segmenter")
    return opener(text)


def files_of(text: str) -> list[Path]:
    """Return the files that a foreign model is read from: weights, the ONNX file, or those of a folder.

    Example:
        >>> [str(path) for path in files_of("py:net:make?weights=a.safetensors&size=224")]
        ['a.safetensors']
    """
    options = Options.parse(text, allowed=EVERY_OPTION)
    kind = foreign_kind(text)
    if kind in FOLDER_KINDS:
        list_files: Callable[[Options], list[Path]] = registry.load_entry(FOLDER_KINDS, kind, kind="foreign model")
        return list_files(options)
    weights = options.file("weights")
    own = [Path(options.name).expanduser()] if options.name.endswith(".onnx") else []
    return own if weights is None else [*own, weights]


def name_without_place(text: str) -> str:
    """Return a foreign model's name without options, and without where its files lie.

    Example:
        >>> [name_without_place(name) for name in ("nets/a.onnx?labels=A", "clip:nets/b?labels=A,B", "txrv:all")]
        ['a.onnx', 'clip:', 'txrv:all']
    """
    name, kind = text.partition("?")[0], foreign_kind(text)
    if kind in FOLDER_KINDS:
        return f"{kind}:"
    return Path(name).name if kind == "onnx" else name


def name_by_content(text: str) -> str:
    """Return a foreign model's name in which its weights stand by their sha256, wherever they lie."""
    options = Options.parse(text, allowed=EVERY_OPTION)
    weights = options.file("weights")
    if weights is None:
        return text
    return Options(options.name, {**options.values, "weights": f"sha256:{sha256(weights)}"}).text()


def without_download(text: str) -> str:
    """Return a model's name that allows no download, for a dry run; the name of a model file stays as it is.

    Example:
        >>> without_download("txrv:all?download=yes&weights=a.pt"), without_download("runs/a")
        ('txrv:all?weights=a.pt', 'runs/a')
    """
    if not is_foreign(text):
        return text
    options = Options.parse(text, allowed=EVERY_OPTION)
    return Options(options.name, {key: value for key, value in options.values.items() if key != "download"}).text()


def wrap_network(
    network: nn.Module, options: Options, *, labels: tuple[str, ...], spec: InputSpec, file: Path | None
) -> Opened:
    """Try a network on two images, and return it under a classifier whose outputs are log-odds.

    Args:
        network: maps normalised images (N, C, H, W) to (N, L).
        options: the name of the model, and what its outputs are.
        labels: the L outputs, in order.
        spec: what it takes.
        file: where its weights came from.

    Raises:
        DataError: it cannot take such images, or returns something else.
    """
    outputs, shape = try_network(network.eval(), spec, name=options.name), (2, len(labels))
    if not isinstance(outputs, Tensor) or outputs.shape != shape or not outputs.is_floating_point():
        raise DataError(
            f"'{options.name}' returns {describe_shape(outputs)} for 2 images, not {shape}",
            "labels= names every output, in order",
        )
    output = options.output()
    check_output(output, outputs, count=len(labels), name=options.name)
    description = Description("classifier", options.name, labels, spec, recipe=record_weights(file))
    return Classifier(ForeignNetwork(network, output=output), labels=labels, spec=spec).eval(), description


def record_weights(file: Path | None) -> dict[str, str]:
    """Return what the recipe of a foreign model says of its file."""
    return {"weights": f"sha256:{sha256(file)}"} if file else {}


def describe_shape(outputs: Any) -> Any:
    """Return the shape of a tensor, or the type of anything else."""
    return tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__


def check_output(output: str, outputs: Tensor, *, count: int, name: str) -> None:
    """Refuse outputs that cannot be what they are said to be."""
    if output == "softmax" and count < 2:
        raise UsageError(f"'{name}' has one output, and a softmax of one is always 1", "output=logits")
    if output == "probabilities" and not bool(((outputs >= 0) & (outputs <= 1)).all()):
        raise DataError(f"'{name}' returns numbers outside [0, 1], which are no probabilities", "output=logits")


def try_network(network: nn.Module, spec: InputSpec, *, name: str) -> Any:
    """Return what a network returns for two black images."""
    images = torch.zeros(2, spec.channels, spec.size, spec.size)
    try:
        with torch.inference_mode():
            return network(images)
    except Exception as error:  # the network is the user's and may raise anything
        channels = 4 - spec.channels  # 1 for 3, and 3 for 1
        if _takes(network, torch.zeros(2, channels, spec.size, spec.size)):
            rule = f"takes images of {quantity(channels, 'channel')}, not of {spec.channels}"
            raise DataError(f"'{name}' {rule}", f"set channels={channels}") from error
        raise DataError(
            f"'{name}' cannot take images {tuple(images.shape)}: {type(error).__name__}: {error}",
            "set size= and channels= as in training",
        ) from error


def _takes(network: nn.Module, images: Tensor) -> bool:
    """Return whether a network can be called on images."""
    try:
        with torch.inference_mode():
            network(images)
    except Exception:  # the network is the user's and may raise anything
        return False
    return True


class ForeignNetwork(nn.Module):
    """Run a network in fp32, as its authors did, and return log-odds of each of its outputs.

    Args:
        network: trained elsewhere; its last layer may not be one that stays in full precision by itself.
        output: what it returns, one of :data:`cxrshort.models.outputs.OUTPUTS`.
    """

    def __init__(self, network: nn.Module, *, output: str) -> None:
        super().__init__()
        self.network = network
        self.output = output

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, L)."""
        with torch.autocast(images.device.type, enabled=False):
            return log_odds(self.network(images.float()).float(), output=self.output)
