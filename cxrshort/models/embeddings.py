"""Embeddings: what enters the last linear layer of a model, taken while it scores, so that logits stay the same bytes.

What would invalidate them: a layer that is not the last one. For models of this package it is known by name; of a
network from elsewhere it is the linear layer whose outputs are those of the whole network, which a trial shows.
"""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cxrshort.compute import Compute
from cxrshort.errors import UsageError
from cxrshort.images.prefetch import Indices, Source
from cxrshort.models.classifier import Classifier
from cxrshort.models.ensemble import Ensemble
from cxrshort.models.pipeline import SegmentedClassifier
from cxrshort.models.scoring import evaluating, scan
from cxrshort.models.sources.architectures import find_architecture
from cxrshort.models.sources.foreign import ForeignNetwork, foreign_kind
from cxrshort.models.sources.opening import Model, Reference

Floats = npt.NDArray[np.float32]
_HINT = "evaluate it without --features"


def refuse_without_features(references: Sequence[Reference]) -> None:
    """Refuse models whose kind has no features, before any work is done.

    Raises:
        UsageError: a segmenter, or an ONNX file.
    """
    for reference in references:
        if reference.description.kind == "segmenter":
            raise UsageError(f"'{reference.name}' is a segmenter: its outputs are masks, without features", _HINT)
        if foreign_kind(reference.name) == "onnx":
            raise UsageError(
                f"'{reference.name}' is an ONNX file, which shows its outputs alone: it has no features", _HINT
            )


def last_layers(model: Model) -> list[nn.Linear]:
    """Return the last linear layer of a model; of an ensemble one for each member.

    Raises:
        UsageError: it has none, or its outputs are masks.
    """
    reference = model.reference
    refuse_without_features([reference])
    network = model.classifier.network
    if isinstance(network, SegmentedClassifier) and isinstance(network.classifier, Classifier):
        network = network.classifier.network
    members = list(network.members) if isinstance(network, Ensemble) else [network]
    if isinstance(network, ForeignNetwork):
        return [_last_of_foreign(model, network)]
    head = find_architecture(reference.description.architecture).head
    return [_linear(member.get_submodule(head), name=reference.name) for member in members]


def _last_of_foreign(model: Model, network: ForeignNetwork) -> nn.Linear:
    name = model.reference.name
    if foreign_kind(name) == "timm":
        head = find_architecture(model.reference.description.architecture).head
        return _linear(network.network.get_submodule(head), name=name)
    layer = _same_outputs(network.network, model.classifier)
    if layer is None:
        raise UsageError(f"'{name}' has no linear layer whose outputs are those of the network: no features", _HINT)
    return layer


def _same_outputs(network: nn.Module, classifier: Classifier) -> nn.Linear | None:
    """Return the linear layer that returns what the whole network returns for two images; None if none does."""
    outputs: dict[nn.Linear, Tensor] = {}
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]

    def keep(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        del inputs
        if isinstance(layer, nn.Linear):
            outputs[layer] = output

    spec, device = classifier.spec, classifier.mean.device
    images = torch.linspace(0, 1, 2 * spec.channels * spec.size**2, device=device)
    images = images.reshape(2, spec.channels, spec.size, spec.size)
    hooks = [layer.register_forward_hook(keep) for layer in layers]
    try:
        with evaluating(network), torch.inference_mode():
            whole = network(images)
    finally:
        for hook in hooks:
            hook.remove()
    same = [layer for layer, output in outputs.items() if isinstance(whole, Tensor) and _makes(whole, output)]
    return same[-1] if same else None


def _makes(whole: Tensor, output: Tensor) -> bool:
    """Return whether a network returns the outputs of a layer, or the probabilities that they stand for."""
    if output.shape != whole.shape or output.dim() != 2:
        return False
    candidates = (output, output.sigmoid(), output.softmax(1))
    return any(torch.allclose(candidate, whole, rtol=1e-5, atol=1e-6) for candidate in candidates)


def _linear(module: nn.Module, *, name: str) -> nn.Linear:
    if not isinstance(module, nn.Linear):
        raise UsageError(f"'{name}' has no linear layer at its end, and so no features", _HINT)
    return module


def feature_count(layers: Sequence[nn.Linear]) -> int:
    """Return how many numbers enter the last layers together."""
    return sum(layer.in_features for layer in layers)


def score_with_features(
    model: Classifier, layers: Sequence[nn.Linear], pixels: Source, *, compute: Compute
) -> tuple[Floats, Floats]:
    """Return every image's logits, those of :func:`cxrshort.models.scoring.score`, and what entered the last layer.

    Args:
        model: on its device.
        layers: what :func:`last_layers` returned for it.
        pixels: the images.
        compute: device, precision and processes; several processes score a share each, and all return the whole.

    Returns:
        Logits (N, L) and features (N, D), float32; members of an ensemble side by side.
    """
    width = len(model.labels)

    def work(images: Tensor, indices: Indices) -> Tensor:
        del indices
        with capture_inputs(layers) as inputs:
            logits: Tensor = model(images)
        return torch.cat([logits.float(), *(inputs[layer].float() for layer in layers)], dim=1)

    results = scan(work, pixels, model=model, compute=compute)
    if not len(results):
        return np.zeros((0, width), np.float32), np.zeros((0, feature_count(layers)), np.float32)
    return np.ascontiguousarray(results[:, :width]), np.ascontiguousarray(results[:, width:])


@contextlib.contextmanager
def capture_inputs(layers: Sequence[nn.Module]) -> Iterator[dict[nn.Module, Tensor]]:
    """Yield what enters each layer while the block runs, (N, D)."""
    inputs: dict[nn.Module, Tensor] = {}

    def keep(layer: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        inputs[layer] = arguments[0].detach()

    hooks = [layer.register_forward_pre_hook(keep) for layer in layers]
    try:
        yield inputs
    finally:
        for hook in hooks:
            hook.remove()
