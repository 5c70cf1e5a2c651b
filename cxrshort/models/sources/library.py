"""Where a model comes from: our own files and run folders, a folder of replicates, or a network of the user's."""

import os
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cxrshort import runs
from cxrshort.errors import MissingInputError
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.sources.external import files_of, is_external, load_external

_LISTED = 3
"""Models that a message names."""
_DEEPEST = 6
"""Folders below the given one that are looked into: runs/DATASET/ARCH/METHOD/replicate-R has four."""


def expand(name: str) -> list[str]:
    """Return the models that a name stands for: itself, or the replicates in a parent folder, in order.

    Raises:
        MissingInputError: nothing is there, or training was interrupted.
    """
    if is_external(name):
        return [name]
    folder = Path(name)
    if folder.is_dir() and not (folder / checkpoint.FILE).exists():
        below = sorted(each.parent for each in folder.glob(f"*/{checkpoint.FILE}"))
        begun = sorted(
            each.parent for each in folder.glob(f"*/{runs.UNFINISHED}") if not (each.parent / runs.DONE).exists()
        )
        if below and begun:
            raise MissingInputError(
                f"'{begun[0]}' is not complete", "cxrshort train with --resume continues it; or name the models"
            )
        if below:
            return [str(checkpoint.locate(each)) for each in below]
        if deeper := _models_below(folder):
            listed = ", ".join(f"'{each}'" for each in deeper[:_LISTED]) + (", ..." if len(deeper) > _LISTED else "")
            lie = f"{len(deeper)} lie deeper" if len(deeper) > 1 else "1 lies deeper"
            raise MissingInputError(
                f"'{folder}' holds no model; {lie}: {listed}",
                f"name them, or the folder right above: cxrshort evaluate {shlex.quote(str(deeper[0].parent))} ...",
            )
    return [str(checkpoint.locate(name))]


def _models_below(folder: Path) -> list[Path]:
    """Return the run folders with a model below a folder, in order, without the parts that runs are made of."""
    found = []
    for home, folders, files in os.walk(folder):
        deep = len(Path(home).relative_to(folder).parts)
        if checkpoint.FILE in files:
            found.append(Path(home))
        if checkpoint.FILE in files or deep == _DEEPEST:  # members and trials belong to the run above them
            folders.clear()
    return sorted(found)


def describe(name: str) -> Description:
    """Return a model's description, without its weights where it is a file of ours."""
    return load_external(name)[1] if is_external(name) else checkpoint.describe(Path(name))


def load(name: str) -> tuple[Classifier, Description]:
    """Return a model in eval mode on the CPU, and its description."""
    return load_external(name) if is_external(name) else factory.load(Path(name))


def files(name: str) -> dict[str, Path]:
    """Return the files that a model is read from, by the name that a run's record gives them."""
    return {str(each): each for each in files_of(name)} if is_external(name) else {name: Path(name)}


def title(name: str) -> str:
    """Return what tables call a model: its run folder, or its name."""
    path = Path(name)
    return str(path.parent) if path.name == checkpoint.FILE else name


def methods(described: Sequence[Description]) -> list[str]:
    """Return what tables call the way in which each model was trained, such as ``erm`` or ``erm, epochs=2``.

    Models of one dataset, architecture and method that were trained alike but for the replicate share a name; where
    settings differ, the name says those that most of them do not have, so that no two trainings pass as replicates of
    one.

    Example:
        >>> from cxrshort.models.classifier import InputSpec
        >>> def model(**recipe):
        ...     return Description("classifier", "resnet18", ("COVID-19",), InputSpec(224), recipe=recipe)
        >>> methods([model(method="erm", epochs=2), model(method="erm", epochs=9), model(method="irm", epochs=9)])
        ['erm, epochs=2', 'erm, epochs=9', 'irm']
    """
    families: dict[tuple[str, str, str], list[Description]] = {}
    for each in described:
        families.setdefault(_family(each), []).append(each)
    return [_name(each, families[_family(each)]) for each in described]


def _family(description: Description) -> tuple[str, str, str]:
    seen = f" on {description.background}" if description.background else ""
    return description.dataset, description.architecture, description.recipe.get("method", "") + seen


def _name(description: Description, alike: Sequence[Description]) -> str:
    own, records = _settings(description), [_settings(each) for each in alike]
    names = dict.fromkeys(name for record in records for name in record)
    values = {name: Counter(str(record.get(name, "")) for record in records) for name in names}
    differing = [name for name, counts in values.items() if len(counts) > 1]
    parts = [
        f"{name.replace('_', '-')}={own.get(name, '')}"
        for name in differing
        if 2 * values[name][str(own.get(name, ""))] <= len(alike)
    ]
    # A seed tells models apart only where nothing else does: replicates may have seeds of their own.
    same = [each for each, record in zip(alike, records, strict=True) if record == own]
    if len({each.replicate for each in same}) < len({(each.replicate, each.seed) for each in same}):
        parts.append(f"seed={description.seed}")
    return ", ".join([_family(description)[2], *parts])


def _settings(description: Description) -> dict[str, Any]:
    """Return what shaped a training, without the names of it."""
    return {name: value for name, value in description.recipe.items() if name not in ("name", "method")}
