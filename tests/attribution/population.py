"""A tiny population with its model and maps, for the tests of what is read off maps."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cxrshort.attribution.background import Background
from cxrshort.attribution.explained_images import ExplainedImages, choose_images
from cxrshort.attribution.explained_regions import ExplainedRegions
from cxrshort.attribution.map_blocks import MapJob, Maps
from cxrshort.attribution.method_settings import read_method
from cxrshort.compute import Compute
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.factory import build_model
from cxrshort.models.sources.opening import Reference
from cxrshort.regions import of

from ..training.tiny import tiny_manifest, write_dataset

DESCRIPTION = Description("classifier", "small-cnn", ("COVID-19", "Edema"), InputSpec(16))
MODEL = Reference("run", "run", "id", DESCRIPTION, {})
CPU = Compute("cpu", "fp32", 1)


@dataclass(frozen=True)
class Population:
    """Hold images, regions and made-up maps."""

    data: Dataset
    explained: ExplainedImages
    regions: ExplainedRegions
    maps: Maps


def population(folder: Path, *, labels: tuple[str, ...] = ("COVID-19",), people: int = 12) -> Population:
    """Return two images per person, 16 pixels wide; maps lie in the upper border of positives, else anywhere."""
    data = load_dataset(str(write_dataset(folder, tiny_manifest(folder, people=people), size=16)))
    explained = choose_images(MODEL, data, labels)
    regions = ExplainedRegions(of(explained.data, average=True))
    rng = np.random.default_rng(0)
    maps = rng.normal(0, 0.01, (len(explained.table), 16, 16)).astype(np.float32)
    maps[(explained.table["class"] == "positive").to_numpy(), 0, 3:13] += 0.5
    count, names = len(maps), len(regions.names)
    logits = maps.sum(axis=(1, 2), dtype=np.float64) - 1
    errors = np.full((count, names), 0.01)
    return Population(data, explained, regions, Maps(maps, logits, np.full(count, -1.25), errors))


def job(
    people: Population, *, method: str = "expected-gradients", texts: tuple[str, ...] = (), **options: int
) -> MapJob:
    """Return what explains a population by an untrained network, with its first images as references."""
    chosen, settings = read_method(method, texts)
    source = people.data.pixels
    background = Background(source, "references: all")
    backgrounds = {int(output): background for output in set(people.explained.outputs)}
    classifier = build_model(DESCRIPTION, seed=1).eval()
    return MapJob(
        classifier,
        source,
        people.explained,
        chosen,
        settings,
        backgrounds if chosen.requires.references else {},
        people.regions,
        options.get("seed", 0),
        options.get("batch_size", 8),
        CPU,
    )
