"""Architectures by name: those of this package, and those of other packages under their prefix."""

import torch

from cxrshort import registry
from cxrshort.models import ARCHITECTURES
from cxrshort.models.architecture import Architecture
from cxrshort.registry import Entry

FAMILIES = {
    "timm": Entry("cxrshort.models.sources.timm:find_timm", "any network of timm, such as timm:convnext_tiny"),
    "txrv": Entry(
        "cxrshort.models.sources.txrv:find_txrv", "the published classifiers of torchxrayvision, such as txrv:all"
    ),
}


def find_architecture(name: str) -> Architecture:
    """Return the architecture that a name stands for.

    Args:
        name: one of ``ARCHITECTURES``, ``timm:NAME`` or ``txrv:NAME``.

    Raises:
        UsageError: there is none of that name, or the package that has it is not installed.

    Example:
        >>> find_architecture("vit_b_16").input_size
        224
    """
    family, colon, network_name = name.partition(":")
    architecture: Architecture
    if colon:
        architecture = registry.load_entry(FAMILIES, family, kind="family of architectures")(network_name)
    else:
        architecture = registry.load_entry(ARCHITECTURES, name, kind="architecture")
    return architecture


def count_parameters(architecture: Architecture, outputs: int) -> int:
    """Return the number of parameters with so many outputs; no memory is taken for them.

    Example:
        >>> count_parameters(find_architecture("densenet121"), 15)
        6969231
    """
    with torch.device("meta"):
        network = architecture.build(outputs)
    return sum(parameter.numel() for parameter in network.parameters())


def describe_architectures() -> list[dict[str, str | int]]:
    """Return every architecture of this package: name, parameters with 15 outputs, input size, what it is."""
    rows: list[dict[str, str | int]] = []
    for name, entry in ARCHITECTURES.items():
        architecture = find_architecture(name)
        outputs = 1 if architecture.output == "masks" else 15
        size = str(architecture.input_size or f"{architecture.minimum_size} or more")
        parameters = count_parameters(architecture, outputs)
        rows.append({"name": name, "parameters": parameters, "input": size, "summary": entry.summary})
    return rows
