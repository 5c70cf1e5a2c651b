"""Tensors out of whole pickled modules, without running what is in the file.

Many published networks are ``torch.save(model)``: a pickle that names classes to build and functions to call. Here
every name stands for an inert object, save for the few that hold tensors, so nothing of the file runs and nothing that
it names is imported; the modules come back as empty shells with their tensors in place.
"""

import pickle
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cxrshort.errors import DataError
from cxrshort.models.architecture import DAMAGED_FILE


class _Inert:
    """Stand for any class or function: takes every argument, keeps attributes, does nothing."""

    dump_patches = False  # read by torch where it compares a module's source with the one in the file

    def __init__(self, *arguments: object, **options: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


_HARMLESS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): torch._utils._rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): lambda data, requires_grad, hooks: data,
}


class Unpickler(pickle.Unpickler):
    """Resolve only the names that hold tensors; torch resolves the storages and reads their bytes."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name in the file stands for."""
        return _HARMLESS.get((module, name), _Inert)


def load(file: Any, **options: Any) -> Any:
    """Read one pickle; with :class:`Unpickler`, all that torch asks of a pickle module."""
    return Unpickler(file, **options).load()


def read_pickled_module(path: Path) -> dict[str, Tensor]:
    """Return the state of a module that was saved whole, by the names of ``state_dict``.

    Raises:
        DataError: the file is damaged or holds no module.
    """
    import sys

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch compares the source of classes that are not here
            # Safe in spite of weights_only=False: the pickle module given is this one.
            module = torch.load(path, map_location="cpu", pickle_module=sys.modules[__name__], weights_only=False)
        state = dict(_tensors(module, "")) if isinstance(module, _Inert) else {}
    except DAMAGED_FILE as error:
        raise DataError(f"'{path}' is not a file of weights", "fetch it again") from error
    if not state:
        raise DataError(f"'{path}' holds no module", "give a file that torch.save(model, FILE) wrote")
    return state


def _tensors(module: _Inert, prefix: str) -> Iterator[tuple[str, Tensor]]:
    parts = vars(module)
    for table in ("_parameters", "_buffers"):
        for name, value in dict(parts.get(table) or {}).items():
            if isinstance(value, Tensor):
                yield prefix + str(name), value
    for name, child in dict(parts.get("_modules") or {}).items():
        if isinstance(child, _Inert):
            yield from _tensors(child, f"{prefix}{name}.")
