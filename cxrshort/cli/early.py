"""What happens before anything heavy is imported: torch and pandas take seconds to load.

Mistyped names and absent files are refused, and torch's threads are told how to wait on a busy machine.
"""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from cxrshort import contention, registry
from cxrshort.cli.tables import notes
from cxrshort.errors import MissingInputError, UsageError


def is_first() -> bool:
    """Return whether this is the first of the processes that torchrun started, or a plain one."""
    return os.environ.get("RANK", "0") == "0"


def datasets_to_train_on(name: str) -> None:
    """Refuse a dataset, or a part of ``REAL+SYNTHETIC``, that is not there.

    Raises:
        MissingInputError: with the command that builds it, or the name that was meant.
    """
    from cxrshort import places

    for part in places.dataset_parts(name):
        dataset(part)


def dataset(name: str) -> None:
    """Refuse a dataset that is not there.

    Raises:
        MissingInputError: with the command that builds it, or the name that was meant.
    """
    if name == "-":
        return
    from cxrshort import places

    try:
        places.locate_dataset(name)
    except MissingInputError as error:
        if os.sep in name or "not built yet" not in error.message:
            raise
        raise MissingInputError(error.message, _how_to_build(name)) from None


def _how_to_build(name: str) -> str:
    from cxrshort import places
    from cxrshort.datasets.catalogue import sections

    buildable = [name for section in sections().values() for name in section]
    if all(part.strip() in buildable for part in name.split(",")):
        return f"cxrshort build-dataset --dataset {name}"
    if hint := _meant([*places.datasets_on_disk(), *buildable], name):
        return hint
    return "cxrshort build-dataset --dataset help lists the names, cxrshort paths the datasets that are built"


_ROMAN = {"1": "I", "2": "II", "3": "III"}
"""How the datasets of a family are counted, for whoever writes phantom-1."""


def _meant(names: Sequence[str], name: str) -> str:
    """Return a hint at the dataset that was meant: a near name, or its whole family; "" where no name is near."""
    near = registry.nearest(names, name) or ""
    stem, _, number = name.rpartition("-")
    family = list(dict.fromkeys(member for member in names if member.rpartition("-")[0] == stem))
    if family and number.isdigit() and not near.endswith(f"-{number}"):
        near = f"{stem}-{_ROMAN.get(number)}"
        if near not in family:
            return f"one of: {', '.join(family)}"
    return f"did you mean '{near}'?" if near else ""


def buildable(name: str) -> None:
    """Refuse a dataset that build-dataset does not know.

    Raises:
        UsageError: a name, or one of several that commas join, is not known.
    """
    from cxrshort.datasets.catalogue import sections

    names = [name for section in sections().values() for name in section]
    for part in map(str.strip, name.split(",")):
        if part not in names:
            hint = _meant(names, part) or "--dataset help lists them"
            raise UsageError(f"'{part}' is not a known dataset", hint)


def architecture(name: str) -> None:
    """Refuse an architecture that is not in the table; those of other packages are looked up later.

    Raises:
        UsageError: the name is not known.
    """
    from cxrshort.models import ARCHITECTURES

    if ":" not in name:
        registry.check_name(ARCHITECTURES, name, kind="architecture", list_all="--arch help")


def method(name: str | None) -> None:
    """Refuse a method that is not in the table.

    Raises:
        UsageError: the name is not known, or that of a method of another verb.
    """
    from cxrshort.training import DISTILLATIONS, METHODS

    if name in DISTILLATIONS:
        raise UsageError(f"'{name}' learns from a teacher", f"cxrshort tea-distill --method {name} --teacher MODEL")
    if name is not None:
        registry.check_name(METHODS, name, kind="method")


def distillation(name: str | None) -> None:
    """Refuse a distillation that is not in the table.

    Raises:
        UsageError: the name is not known, or that of a method of another verb.
    """
    from cxrshort.training import DISTILLATIONS, METHODS

    if name in METHODS:
        raise UsageError(f"'{name}' does not learn from a teacher", f"cxrshort train --method {name}")
    if name is not None:
        registry.check_name(DISTILLATIONS, name, kind="method of tea-distill", list_all="--method help")


def attribution_method(name: str) -> None:
    """Refuse an attribution method that is not in the table.

    Raises:
        UsageError: the name is not known.
    """
    from cxrshort.attribution import METHODS

    registry.check_name(METHODS, name, kind="attribution method", list_all="--method help")


def models(names: Iterable[str]) -> None:
    """Refuse a model file or run folder that is not there; ``py:``, ``clip:``, other prefixes and options come later.

    Raises:
        MissingInputError: there is no such file, or not the dataset that a model is said to be trained on.
    """
    from cxrshort import places

    for name in names:
        for dataset_name in re.findall(r"[?&]trained-on=([^&]+)", name):
            dataset(dataset_name)
        if ":" not in name and "?" not in name and not places.exists(Path(name)):
            raise MissingInputError(f"'{name}' does not exist", "cxrshort train makes a model")


def spare_threads(*, device: str, precision: str, threads: int | None, quiet: bool) -> None:
    """Choose how torch's threads wait, and say so where other processes keep the machine busy."""
    note = "" if device.startswith("cuda") else contention.prepare(precision=precision, threads=threads)
    if note and not quiet:
        notes([note])
