"""Any network of timm by its name there, where timm is installed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from cxrshort.errors import UsageError
from cxrshort.models.architecture import Architecture, initialise
from cxrshort.models.classifier import default_spec
from cxrshort.models.sources.foreign import TRAINED_ON, Opened, wrap_network
from cxrshort.models.sources.options import Options
from cxrshort.models.sources.python import load_weights
from cxrshort.registry import nearest


def find_timm(name: str) -> Architecture:
    """Return the architecture of ``timm:name``, with the normalisation and the input size that timm states.

    Raises:
        UsageError: timm is not installed, has no such network, or its network has no linear head.
    """
    timm = _import_timm(name)
    if not timm.is_model(name):
        nearest_name = nearest(timm.list_models(), name)
        hint = f"did you mean 'timm:{nearest_name}'?" if nearest_name else "timm.list_models() in Python lists them"
        raise UsageError(f"'{name}' is not a network of timm", hint)
    stated = timm.get_pretrained_cfg(name)
    if stated is None or not isinstance(stated.classifier, str):
        raise UsageError(f"'timm:{name}' has no single linear head", "name another network")
    size = stated.input_size[-1] if stated.fixed_input_size else None
    return Architecture(
        f"timm:{name}",
        partial(_build, name=name, head=stated.classifier),
        stated.classifier,
        minimum_size=size or 32,
        imagenet=_Pretrained(name, f"https://huggingface.co/{stated.hf_hub_id}"),
        input_size=size,
        mean=tuple(stated.mean),
        std=tuple(stated.std),
        published_size=stated.input_size[-1],
    )


def open_timm(text: str) -> Opened:
    """Return the classifier of ``timm:NAME?labels=A,B&weights=FILE``; its normalisation is what timm states.

    Raises:
        UsageError: it has no weights for these labels, or :func:`find_timm` refuses it.
        MissingInputError: there is no such file.
        DataError: the file is of another network.
    """
    options = Options.parse(text, allowed=("weights", "labels", "size", "output", TRAINED_ON))
    architecture, labels = find_timm(options.name.removeprefix("timm:")), options.labels()
    weights = options.file("weights")
    if weights is None:
        raise UsageError(
            f"'{options.name}' has no weights for these labels",
            "add weights=FILE, a state_dict of this network, or train it: cxrshort train --arch timm:NAME",
        )
    size = options.size(stated=architecture.input_size) or architecture.published_size
    network = initialise(architecture, len(labels), weights="none", seed=0)
    load_weights(network, weights, name=options.name)
    return wrap_network(network, options, labels=labels, spec=default_spec(architecture, size), file=weights)


@dataclass(frozen=True)
class _Pretrained:
    """Stand where a torchvision weights object stands."""

    name: str
    url: str

    def get_state_dict(self, *, progress: bool, check_hash: bool) -> Mapping[str, Tensor]:
        """Return timm's own weights, from its cache or from the Hugging Face hub."""
        state: Mapping[str, Tensor] = _import_timm(self.name).create_model(self.name, pretrained=True).state_dict()
        return state


def _build(outputs: int, *, name: str, head: str) -> nn.Module:
    network: nn.Module = _import_timm(name).create_model(name, pretrained=False, num_classes=outputs)
    if not isinstance(network.get_submodule(head), nn.Linear):
        raise UsageError(f"'timm:{name}' has no single linear head", "name another network")
    return network


def _import_timm(name: str) -> Any:
    try:
        import timm
    except ImportError as error:
        raise UsageError(f"'timm:{name}' needs timm, which is not installed", "pip install timm") from error
    return timm
