"""Families of hostile inputs: each is a function from the sound inputs and a generator to its cases."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import NamedTuple

from . import arrays, films, manifests, models, options, outputs, resumes, user_tables
from .case import Case


class Family(NamedTuple):
    """Say which cases a family has, and how many of them are run."""

    cases: Callable[[Path, Random], Iterator[Case]]
    count: int


FAMILIES: Mapping[str, Family] = {
    "models": Family(models.cases, 350),
    "manifests": Family(manifests.cases, 300),
    "arrays": Family(arrays.cases, 200),
    "films": Family(films.cases, 150),
    "tables": Family(user_tables.cases, 150),
    "options": Family(options.cases, 300),
    "resumes": Family(resumes.cases, 120),
    "outputs": Family(outputs.cases, 130),
}
