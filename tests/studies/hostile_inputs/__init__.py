"""Families of hostile inputs: each is a function from the sound inputs and a generator to its cases."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random

from . import models
from .case import Case

FAMILIES: Mapping[str, Callable[[Path, Random], Iterator[Case]]] = {
    "models": models.cases,
}
