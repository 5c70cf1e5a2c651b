"""Any network of timm by its name there, where timm is installed."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from cxrshort.errors import UsageError
from cxrshort.models.architecture import Architecture


def find(name: str) -> Architecture:
    """Return the architecture of ``timm:name``, with the normalisation and the input size that timm states.

    Raises:
        UsageError: timm is not installed, has no such network, or its network has no linear head.
    """
    timm = _import_timm(name)
    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=1)
        hint = f"did you mean 'timm:{close[0]}'?" if close else "timm.list_models() in Python lists them"
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
        usual_size=stated.input_size[-1],
    )


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
