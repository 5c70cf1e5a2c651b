"""Small CycleGANs on the tiny dataset, whose positives have a brighter corner."""

from pathlib import Path
from typing import Any

from cxrshort.compute import Compute
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.generative.cyclegan.networks import Direction
from cxrshort.generative.cyclegan.pairs import PairBatches
from cxrshort.generative.cyclegan.recipes import CycleGanRecipe, load_recipe
from cxrshort.generative.cyclegan.sides import Sides, choose_sides

from ...training.tiny import tiny_dataset

CPU = Compute("cpu", "fp32", 1)
SIDES: dict[Direction, str] = {"from": "COVID-19 == 0", "to": "COVID-19 == 1"}
SMALL = {"width": 4, "blocks": 1, "discriminator_width": 4, "epochs": 2, "batch_size": 4}


def small_recipe(**overrides: Any) -> CycleGanRecipe:
    """Return the standard recipe with networks of 4 channels."""
    return load_recipe("standard", overrides={**SMALL, **overrides})


def dataset(folder: Path) -> Dataset:
    """Write the tiny dataset, and open it; its first training fold has 24 persons with an image on each side."""
    return load_dataset(str(tiny_dataset(folder / "tiny", signal=50)))


def sides_of(folder: Path, **options: int) -> Sides:
    """Return both sides of the tiny dataset."""
    return choose_sides(dataset(folder), SIDES, replicate=0, **options)


def batches_of(folder: Path, *, compute: Compute = CPU, seed: int = 0, **overrides: Any) -> PairBatches:
    """Return batches of the tiny dataset."""
    return PairBatches(sides_of(folder), small_recipe(**overrides), seed, compute)
