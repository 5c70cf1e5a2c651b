"""Predictions: the guard against training patients, scoring with the right kind of output, the table.

What would invalidate a table of predictions: an image of a person whom the model was trained on, probabilities where
log-odds are meant, an external test that is called internal. The first is refused, the second is settled by what a
model's outputs mean, the third by the identity of datasets and the persons in them, never by a name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import nn

from cxrshort import runs
from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.models import checkpoint
from cxrshort.models.blocks import Report
from cxrshort.models.checkpoint import CURED_ON, SYNTHETIC_DATASET, Description
from cxrshort.models.embeddings import score_with_features
from cxrshort.models.foreground import visible_pixels
from cxrshort.models.outlines import measure_outlines
from cxrshort.models.scoring import SCORING_BATCH, score
from cxrshort.models.sources.opening import Model, Reference
from cxrshort.quantities import quantity
from cxrshort.stats.predictions import EXTERNAL, IMAGE_COLUMNS, INTERNAL, LOGIT, TARGET
from cxrshort.targets import read_targets

_SAME_PEOPLE = 0.5
"""Share of the persons of training or test, whichever are fewer, from which on both are of one dataset."""


@dataclass(frozen=True)
class Fold:
    """Hold the rows that one model is judged on.

    Args:
        data: the rows.
        split: ``"test"``, ``"val"``, ``"train"`` or ``"all"``.
        role: ``"internal"``, ``"external"``, or empty where it is not known what the model was trained on.
    """

    data: Dataset
    split: str
    role: str


def image_folders(data: Dataset) -> dict[str, Path]:
    """Return the folders that the images of a dataset lie in, by the names that a run's inputs have."""
    folders = sorted(set(data.manifest["cache"]) - {""}) if "cache" in data.manifest else []
    return {f"images of {data.name}, {number}": Path(folder) for number, folder in enumerate(folders)}


def unseen_fold(model: Reference, data: Dataset, split: str) -> Fold:
    """Return the rows that a model is judged on: those of its own replicate, of persons whom it was not trained on.

    Raises:
        DataError: it was trained on persons of the fold, or its images were made in another way.
        UsageError: the dataset has no such replicate.
    """
    description = model.description
    checkpoint.check_pixels(model.name, description, dataset=data.name, pixels=data.recipe)
    fold = data.fold(split, replicate=description.replicate)
    people = fold.manifest["person_id"]
    if seen := checkpoint.trained_on(description, people):
        raise DataError(
            f"'{model.name}' was trained on {seen} of the {people.nunique()} patients of {data.name} ({split})",
            "--split test takes the fold that training never saw",
        )
    return Fold(fold, split, role_of(description, data))


def role_of(description: Description, data: Dataset) -> str:
    """Return whether a whole dataset is the one that a model was trained on: by identity, or by the persons in it.

    A dataset built again at another size, or with more labels, has another identity and the same persons. Edited images
    are of the dataset that they were made from, also where they are of its test fold alone.

    Returns:
        ``"internal"``, ``"external"``, or empty where nothing is known of the training.
    """
    trained = description.training_people
    if not (description.dataset_id or len(trained)):
        return ""
    others = {str(description.recipe.get(entry, "")) for entry in (CURED_ON, SYNTHETIC_DATASET)}
    trained_on = {description.dataset_id, *others} - {""}
    if trained_on & {data.dataset_id, *data.made_from}:
        return INTERNAL
    people = data.manifest["person_id"]
    shared = checkpoint.trained_on(description, people)
    fewer = min(people.nunique(), sum(map(len, trained.values())))
    return INTERNAL if shared and shared >= _SAME_PEOPLE * fewer else EXTERNAL


def predict(
    model: Model,
    fold: Fold,
    compute: Compute,
    *,
    batch_size: int = SCORING_BATCH,
    shrink: bool = False,
    report: Report = runs.ignore_event,
) -> pd.DataFrame:
    """Return a model's predictions for a fold: a row per image, complete in itself.

    Several processes score a share each, and all return the whole table.

    Args:
        model: the opened model.
        fold: the images.
        compute: device, precision and processes.
        batch_size: images in the network at a time.
        shrink: whether the batch size is halved whenever memory does not suffice.
        report: takes an event before each batch.

    Raises:
        DataError: an output is no number, or the model needs masks that the dataset does not have.
    """
    pixels = visible_pixels(model.reference.description, fold.data)
    outputs = score(model.classifier, pixels, compute=compute, batch_size=batch_size, shrink=shrink, report=report)
    return _table_of_outputs(model, fold, outputs)


def predict_with_features(
    model: Model, fold: Fold, layers: Sequence[nn.Linear], compute: Compute
) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    """Return what :func:`predict` returns, and the features (N, D) that entered these last layers.

    Raises:
        DataError: as :func:`predict`.
    """
    pixels = visible_pixels(model.reference.description, fold.data)
    outputs, features = score_with_features(model.classifier, layers, pixels, compute=compute)
    return _table_of_outputs(model, fold, outputs), features


def _table_of_outputs(model: Model, fold: Fold, outputs: npt.NDArray[np.float32]) -> pd.DataFrame:
    logits = model.reference.outputs.scores(torch.from_numpy(outputs)).numpy()
    if wrong := int((~np.isfinite(logits)).any(axis=1).sum()):
        raise DataError(
            f"'{model.reference.title}' returns no number for {wrong} of {len(logits)} images of {fold.data.name}",
            "check its weights, and for a model trained elsewhere range=, mean= and std= of its pixels",
        )
    return prediction_table(model.reference, fold, logits)


def prediction_table(model: Reference, fold: Fold, logits: npt.NDArray[np.float32]) -> pd.DataFrame:
    """Return the long table of one model's logits (N, L) for the N rows of a fold."""
    rows, description = fold.data.manifest, model.description
    about: dict[str, Any] = {
        "model": model.title,
        "model_id": model.model_id,
        "training": model.training,
        "training_id": model.training_id,
        "dataset": fold.data.name,
        "dataset_id": fold.data.dataset_id,
        "replicate": description.replicate,
        "role": fold.role,
    }
    images = {name: rows[name] if name in rows else "" for name in IMAGE_COLUMNS if name != "split"}
    measured = {
        **{TARGET + label: _targets(rows, label) for label in description.labels},
        **{LOGIT + label: logits[:, number] for number, label in enumerate(description.labels)},
    }
    return pd.DataFrame({**about, **images, "split": fold.split, **measured}, index=rows.index)


def _targets(manifest: pd.DataFrame, label: str) -> npt.NDArray[np.float32]:
    """Return the truth for one label; a dataset that does not know the label has none."""
    try:
        return read_targets(manifest, label)
    except UsageError:
        return np.full(len(manifest), np.nan, np.float32)


def measure_masks(model: Model, fold: Fold, compute: Compute) -> pd.DataFrame:
    """Return how well a segmenter draws the masks of a fold: a row per image.

    Raises:
        DataError: no image has a mask.
    """
    reference = model.reference
    structure = reference.description.labels[0]
    measured = measure_outlines(model.classifier, fold.data, structure=structure, compute=compute)
    about: dict[str, Any] = {
        "model": reference.title,
        "model_id": reference.model_id,
        "dataset": fold.data.name,
        "dataset_id": fold.data.dataset_id,
        "replicate": reference.description.replicate,
        "mask": structure,
    }
    return measured.assign(**about)[[*about, *measured.columns]]


def check_datasets(loaded: list[Dataset]) -> list[Dataset]:
    """Return the datasets if no image stands in two of them.

    Raises:
        UsageError: an image would be scored twice.
    """
    for number, data in enumerate(loaded):
        for earlier in loaded[:number]:
            if data.dataset_id != earlier.dataset_id:
                continue
            shared = data.manifest["image_id"][data.manifest["image_id"].isin(earlier.manifest["image_id"])]
            if len(shared):
                raise UsageError(
                    f"'{earlier.name}' and '{data.name}' are of one dataset and share "
                    f"{quantity(len(shared), 'image')}, such as '{shared.iloc[0]}'",
                    "evaluate each dataset once",
                )
    return loaded


def first_rows(fold: Fold, count: int) -> Fold:
    """Return the first rows of a fold, for a trial."""
    return replace(fold, data=replace(fold.data, manifest=fold.data.manifest.head(count)))
