"""Model files of every kind, written on the spot without training, and a small dataset with masks."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cxrshort.models import checkpoint, ensemble, factory, pipeline
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, default_spec
from cxrshort.models.people import hash_people
from cxrshort.models.sources.architectures import find_architecture

from .tiny import tiny_manifest, write_dataset

LABELS = ("COVID-19", "Edema")
SIZE = 32
PIXELS = {"size": SIZE, "fit": "crop"}


def masked_dataset(folder: Path, *, rows_without: Sequence[int] = (), **images: int) -> Path:
    """Write the tiny dataset with lungs in the middle of each image but those of some rows."""
    manifest = tiny_manifest(folder)
    manifest["mask_row"] = [
        "" if number in rows_without else str(row) for number, row in enumerate(manifest["cache_row"])
    ]
    write_dataset(folder, manifest, size=SIZE, **images)
    masks = np.zeros((len(manifest), SIZE, SIZE), np.uint8)
    masks[:, 8:24, 8:24] = 1
    np.save(folder / "masks.npy", masks)
    return folder


def classifier(*, arch: str = "small-cnn", seed: int = 1, people: Sequence[str] = (), **described: Any) -> Any:
    """Return an untrained classifier and its description; ``described`` are further facts of it."""
    labels = described.pop("labels", LABELS)
    description = Description(
        kind="classifier",
        architecture=arch,
        labels=labels,
        spec=default_spec(find_architecture(arch), SIZE),
        dataset="elsewhere",
        training="erm",
        recipe={"method": "erm", "select_label": labels[0], **described.pop("recipe", {})},
        pixels=PIXELS,
        seed=seed,
        training_people=hash_people(["elsewhere/P1", *people]),
    )
    description = replace(description, **described)
    return factory.build_model(description, seed=seed).eval(), description


def segmenter(*, people: Sequence[str] = (), seed: int = 5) -> Any:
    """Return an untrained segmenter and its description."""
    spec = default_spec(find_architecture("unet-small"), SIZE)
    description = Description("segmenter", "unet-small", ("lungs",), spec, recipe={"method": "erm", "task": "masks"},
                              pixels=PIXELS, training_people=hash_people(["elsewhere/P2", *people]))  # fmt: skip
    return factory.build_model(description, seed=seed).eval(), description


def save(model: tuple[Classifier, Description], folder: Path) -> str:
    """Write a model file into a run folder and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint.save_model(model[0], folder / checkpoint.FILE, description=model[1])
    return str(folder)


def pipeline_of(model: tuple[Classifier, Description], *, background: str = "noise", **parts: Any) -> Any:
    """Return a pipeline of an untrained segmenter and a classifier."""
    return pipeline.join_pipeline(segmenter(**parts), model, background=background, threshold=0.5, size=SIZE)


def ensemble_of(*seeds: int) -> Any:
    """Return an ensemble of untrained classifiers."""
    return ensemble.merge_members([classifier(seed=seed) for seed in seeds])
