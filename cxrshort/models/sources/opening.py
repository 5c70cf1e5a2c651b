"""Open whatever MODEL names: a model file, a run folder, a folder of runs, or a model trained elsewhere."""

import hashlib
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from cxrshort import runs
from cxrshort.compute import Compute
from cxrshort.errors import MissingInputError, UsageError
from cxrshort.files import sha256
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.identity import IDENTITY_DIGITS, training_id, training_name
from cxrshort.models.outputs import Task
from cxrshort.models.schema import CYCLEGAN
from cxrshort.models.sources.foreign import (
    EVERY_OPTION,
    TRAINED_ON,
    files_of,
    is_foreign,
    name_without_place,
    open_foreign,
)
from cxrshort.models.sources.options import Options

_LISTED = 3
"""Number of models that a message lists."""
_DEEPEST = 6
"""Folders below the named one that are looked into: runs/DATASET/ARCH/METHOD/replicate-R has four."""


@dataclass(frozen=True)
class Reference:
    """Describe a MODEL before its network is needed.

    Args:
        name: what opens it: a model file, or the name of a foreign model.
        title: what tables call it: its run folder, or its name.
        model_id: its identity: the first digits of the sha256 of the file's bytes; of name, options and weights for a
            foreign model.
        description: labels, input, training.
        files: what it is read from, by the name that a run's record gives them.
    """

    name: str
    title: str
    model_id: str
    description: Description
    files: Mapping[str, Path]

    @property
    def outputs(self) -> Task:
        """Return what its outputs mean."""
        return Task(str(self.description.recipe.get("task", "multilabel")))

    @property
    def training_id(self) -> str:
        """Return the identity of its training; a model of unknown training is a training of its own."""
        return training_id(self.description) or self.model_id

    @property
    def training(self) -> str:
        """Return what people call its training."""
        return training_name(self.description)


@dataclass(frozen=True)
class Model:
    """Hold an opened model.

    Args:
        reference: what it is, and its identity.
        classifier: the network with its preprocessing, in eval mode, on its device.
    """

    reference: Reference
    classifier: Classifier


def open_model(name: str | Reference, compute: Compute) -> Model:
    """Open one model on the device that computes.

    Args:
        name: anything that :func:`describe_model` takes, or what it returned.
        compute: device and precision.

    Raises:
        UsageError: the name stands for several models, or says too little.
        MissingInputError: nothing is there.
        DataError: it is not a model.
    """
    reference = describe_model(name) if isinstance(name, str) else name
    classifier, _ = _read(reference.name)
    return Model(reference, classifier.to(compute.torch_device))


def describe_model(name: str) -> Reference:
    """Return what a model is, without its weights where it is a model file.

    Raises:
        UsageError: the name stands for several models.
    """
    names = expand_name(name)
    if len(names) > 1:
        raise UsageError(f"'{name}' holds {len(names)} models", f"name one of them, such as {shlex.quote(names[0])}")
    return _describe_one(names[0])


def describe_models(names: Sequence[str]) -> list[Reference]:
    """Return every model that the names stand for, in order.

    Raises:
        UsageError: two of them are the same model.
    """
    references = [_describe_one(expanded) for name in names for expanded in expand_name(name)]
    first: dict[str, Reference] = {}
    for reference in references:
        if reference.model_id in first:
            earlier = first[reference.model_id].title
            raise UsageError(f"'{earlier}' and '{reference.title}' are the same model", "name each model once")
        first[reference.model_id] = reference
    return references


def _describe_one(name: str) -> Reference:
    if is_foreign(name):
        classifier, description = open_foreign(name)
        files = {str(path): path for path in files_of(name)}
        return Reference(name, name, _foreign_id(name, classifier), description, files)
    path = Path(name)
    content, description = sha256(path)[:IDENTITY_DIGITS], checkpoint.read_description(path)
    if description.kind == CYCLEGAN:
        raise UsageError(
            f"'{model_title(name)}' is a cyclegan, which returns images and no labels",
            "cxrshort cyclegan transform and cyclegan audit take it",
        )
    return Reference(name, model_title(name), content, description, {name: path})


def _read(name: str) -> tuple[Classifier, Description]:
    return open_foreign(name) if is_foreign(name) else factory.load_model(Path(name))


def _foreign_id(name: str, classifier: Classifier) -> str:
    """Return the identity of a foreign model: of what its name says, of its files and of its weights."""
    options = Options.parse(name, allowed=EVERY_OPTION)
    stated = {key: value for key, value in options.values.items() if key not in ("weights", "download", TRAINED_ON)}
    digest = hashlib.sha256(
        "&".join([name_without_place(name), *(f"{key}={stated[key]}" for key in sorted(stated))]).encode()
    )
    for path in files_of(name):
        digest.update(sha256(path).encode())
    for key, value in classifier.state_dict().items():
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:IDENTITY_DIGITS]


def expand_name(name: str) -> list[str]:
    """Return the models that a name stands for: itself, or the replicates in a parent folder, in order.

    Raises:
        MissingInputError: nothing is there, or training was interrupted.
    """
    if is_foreign(name):
        return [name]
    folder = Path(name)
    if folder.is_dir() and not (folder / checkpoint.FILE).exists():
        below = sorted(path.parent for path in folder.glob(f"*/{checkpoint.FILE}"))
        unfinished = sorted(
            path.parent for path in folder.glob(f"*/{runs.UNFINISHED}") if not (path.parent / runs.DONE).exists()
        )
        if below and unfinished:
            raise MissingInputError(
                f"'{unfinished[0]}' is not complete", "cxrshort train with --resume continues it; or name the models"
            )
        if below:
            return [str(checkpoint.locate_model(path)) for path in below]
        if deeper := _models_below(folder):
            listed = ", ".join(f"'{path}'" for path in deeper[:_LISTED]) + (", ..." if len(deeper) > _LISTED else "")
            lie = f"{len(deeper)} lie deeper" if len(deeper) > 1 else "1 lies deeper"
            raise MissingInputError(
                f"'{folder}' holds no model; {lie}: {listed}",
                f"name them, or the folder right above: cxrshort evaluate {shlex.quote(str(deeper[0].parent))} ...",
            )
    return [str(checkpoint.locate_model(name))]


def _models_below(folder: Path) -> list[Path]:
    """Return the run folders with a model below a folder, in order, without the parts that runs are made of."""
    below = []
    for home, folders, files in os.walk(folder):
        deep = len(Path(home).relative_to(folder).parts)
        if checkpoint.FILE in files:
            below.append(Path(home))
        if checkpoint.FILE in files or deep == _DEEPEST:  # members and trials belong to the run above them
            folders.clear()
    return sorted(below)


def model_title(name: str) -> str:
    """Return what tables call a model: its run folder, or its name.

    Example:
        >>> model_title("runs/I/densenet121/erm/replicate-0/model.safetensors")
        'runs/I/densenet121/erm/replicate-0'
    """
    path = Path(name)
    return str(path.parent) if path.name == checkpoint.FILE else name


def short_titles(titles: Sequence[str]) -> dict[str, str]:
    """Return what figures call models: the path below ``runs``, else the last folders that tell them apart.

    Args:
        titles: as :func:`model_title` returns them.

    Example:
        >>> short_titles(["/home/me/runs/before", "/home/me/runs/I/erm/replicate-0"])
        {'/home/me/runs/before': 'before', '/home/me/runs/I/erm/replicate-0': 'I/erm/replicate-0'}
        >>> list(short_titles(["/data/a/net", "/data/b/net", "py:zoo:make"]).values())
        ['a/net', 'b/net', 'py:zoo:make']
    """
    parts = {title: (title,) if ":" in title or "?" in title else Path(title).parts for title in titles}
    shown = {}
    for title, own in parts.items():
        others = [other for name, other in parts.items() if name != title]
        below = len(own) - own.index("runs") - 1 if "runs" in own[:-1] else 1
        lengths = range(min(below, len(own)), len(own))
        apart = (length for length in lengths if all(other[-length:] != own[-length:] for other in others))
        length = next(apart, len(own))
        shown[title] = "/".join(own[-length:]) if length < len(own) else title
    return shown
