"""Real and synthetic images as one dataset to train on: ``--dataset REAL+SYNTHETIC --mix 0.3``.

Validation and test folds are the real dataset's. What would invalidate every test of such a model: an edit whose source
shows a person of the real validation or test fold. Edits inherit their splits, but they may be of another build of the
real dataset, with other splits or other names of persons; so persons, patients and source images are compared with
those that the real dataset holds out, replicate by replicate, and their synthetic images never train.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort import columns, places
from cxrshort import manifest as manifests
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.models.checkpoint import SYNTHETIC_DATASET
from cxrshort.quantities import quantity
from cxrshort.training import CURES
from cxrshort.training.data.mixture import Mixture
from cxrshort.training.recipes import Recipe

_HELD_OUT = ("val", "test")
_EDIT = "#"
"""What stands between the name of an image and that of its edit."""


def load_training_data(name: str) -> Dataset:
    """Read the dataset of a training: one, or a real and a synthetic one.

    Args:
        name: as :func:`cxrshort.dataset.load_dataset` takes it, or two of them as ``REAL+SYNTHETIC``.

    Raises:
        MissingInputError: a dataset is not built yet.
        DataError: a manifest breaks a rule, or the two do not fit together.
    """
    real, *synthetic = map(load_dataset, places.dataset_parts(name))
    return compose_parts(real, synthetic[0]) if synthetic else real


def compose_parts(real: Dataset, synthetic: Dataset) -> Dataset:
    """Return the rows of a real dataset, and those of a synthetic one that may train beside them.

    Labels are the real dataset's: what it does not know, nobody could validate. Synthetic rows are in ``train`` of a
    replicate or in no fold of it.

    Raises:
        DataError: the images were made in different ways; an image is in both; or no synthetic image may train.
    """
    if real.recipe != synthetic.recipe:
        raise DataError(
            f"images made in different ways: {real.name} by {dict(real.recipe)}, {synthetic.name} by "
            f"{dict(synthetic.recipe)}",
            "build the parts with the same --size and --fit",
        )
    name = f"{real.name}+{synthetic.name}"
    rows = synthetic.manifest.assign(**_training_splits(real.manifest, synthetic.manifest))
    splits = manifests.split_columns(real.manifest)
    trains = (rows[splits] == "train").any(axis=1)
    if not trains.any():
        raise DataError(
            f"no image of '{synthetic.name}' is in 'train' of a split that '{real.name}' has",
            f"build '{synthetic.name}' with as many --replicates, or edit images of training persons",
        )
    manifest = manifests.check_manifest(_stack(real, synthetic, rows[trains]), name)
    return replace(real, name=name, manifest=manifest, synthetic=synthetic)


def held_out(real: pd.DataFrame, synthetic: pd.DataFrame, split: str) -> npt.NDArray[np.bool_]:
    """Return whether a synthetic image shows a person whom the real dataset holds out, (N,).

    Args:
        real: rows of the real dataset.
        synthetic: rows of the synthetic one.
        split: the split column.
    """
    rows = real[real[split].isin(_HELD_OUT)]
    own = [synthetic[name].isin(rows[name]) for name in ("person_id", "patient_id")]
    names = [synthetic["image_id"], *([synthetic["source_image_id"]] if "source_image_id" in synthetic else [])]
    origins = [*names, *(column.str.partition(_EDIT)[0] for column in names)]
    matches = [*own, *(column.isin(rows["image_id"]) for column in origins)]
    return np.asarray(np.logical_or.reduce(matches), dtype=bool)


def check_mix(data: Dataset, recipe: Recipe, *, named: bool = True) -> None:
    """Refuse a share without synthetic images, synthetic images without a share, and what has no use for them.

    Args:
        data: what is trained on.
        recipe: how.
        named: whether the user named a share, 0 among them.

    Raises:
        UsageError: it is so.
    """
    if data.synthetic is None:
        if recipe.mix:
            raise UsageError(f"--mix is '{recipe.mix:g}', and '{data.name}' is one dataset", "--dataset REAL+SYNTHETIC")
        return
    if recipe.method in CURES:
        raise UsageError(
            f"--method {recipe.method} takes no synthetic images", "--dataset takes the real dataset alone"
        )
    if not named:
        share = data.is_synthetic.sum() / len(data.manifest)
        raise UsageError(
            f"'{data.name}' is a real and a synthetic dataset, and --mix is missing",
            f"--mix 0.3 draws 3 synthetic images of 10; {share:.2f} is their share of all images",
        )


def record_parts(data: Dataset, recipe: Recipe) -> dict[str, str]:
    """Return what a model records of the synthetic images that it learnt from, besides their share."""
    return {SYNTHETIC_DATASET: data.synthetic.dataset_id} if data.synthetic and recipe.mix else {}


def select_parts(data: Dataset, share: float, *, replicate: int) -> Dataset:
    """Return a dataset without the training images that a share leaves out: at 0 the synthetic, at 1 the real ones.

    Raises:
        DataError: no synthetic image is in the training fold of this replicate.
    """
    if data.synthetic is None:
        return data
    split = f"{columns.SPLIT_PREFIX}{replicate}"
    is_synthetic = data.is_synthetic
    trains = data.manifest[split].to_numpy() == "train" if split in data.manifest else np.ones(len(is_synthetic), bool)
    if share and not (trains & is_synthetic).any():
        raise DataError(
            f"{data.name}: no synthetic image is in 'train' of '{split}'",
            f"build '{data.synthetic.name}' with as many --replicates as the real dataset has",
        )
    kept = ~is_synthetic if not share else is_synthetic | ~trains if share == 1 else np.ones(len(is_synthetic), bool)
    return replace(data, manifest=data.manifest[kept].reset_index(drop=True))


def mix_parts(train: Dataset, share: float) -> Mixture | None:
    """Return how an epoch mixes the real and synthetic images of a training fold; None where there is one kind.

    Raises:
        UsageError: so small a share of so few images is no whole image.
    """
    is_synthetic = train.is_synthetic
    return Mixture(is_synthetic, share) if is_synthetic.any() and not is_synthetic.all() else None


def count_parts(train: Dataset, *, share: float, replicate: int) -> dict[str, Any]:
    """Return what an epoch shows, and which synthetic images never train; empty without synthetic images.

    Args:
        train: the training fold.
        share: of the synthetic images.
        replicate: the number of the split.

    Returns:
        ``synthetic``: ``share``, ``images`` of the fold, ``real_per_epoch`` and ``synthetic_per_epoch``,
        ``held_out_images`` and ``held_out_persons`` in ``train`` of the synthetic dataset whom the real one holds out.
    """
    if train.synthetic is None or not share:
        return {}
    mixture = mix_parts(train, share)
    count = int(train.is_synthetic.sum())
    rows, split = train.synthetic.manifest, f"{columns.SPLIT_PREFIX}{replicate}"
    left_out = rows[(rows[split] == "train") & ~rows["image_id"].isin(train.manifest["image_id"])]
    return {
        "synthetic": {
            "dataset": train.synthetic.name,
            "share": share,
            "images": count,
            "real_per_epoch": mixture.real_images if mixture else 0,
            "synthetic_per_epoch": mixture.draws if mixture else count,
            "held_out_images": len(left_out),
            "held_out_persons": int(left_out["person_id"].nunique()),
        }
    }


def describe_parts(counts: Mapping[str, Any]) -> list[str]:
    """Return what people should know of the synthetic images of a training, from :func:`count_parts`."""
    if not (parts := counts.get("synthetic")):
        return []
    repeated = ", some more than once" if parts["synthetic_per_epoch"] > parts["images"] else ""
    notes = [
        f"an epoch shows {parts['real_per_epoch']:,} real images and {parts['synthetic_per_epoch']:,} synthetic ones, "
        f"drawn from the {parts['images']:,} of {parts['dataset']}{repeated}; real images alone validate"
    ]
    if count := parts["held_out_images"]:
        notes.append(
            f"{quantity(count, 'synthetic image')} of {quantity(parts['held_out_persons'], 'person')} in val or test "
            f"of the real dataset never {'trains' if count == 1 else 'train'}"
        )
    return notes


def _training_splits(real: pd.DataFrame, synthetic: pd.DataFrame) -> dict[str, npt.NDArray[np.object_]]:
    """Return the split columns of synthetic rows: ``train`` where they may train, else empty."""
    splits = {}
    for name in manifests.split_columns(real):
        trains = np.zeros(len(synthetic), bool)
        if name in synthetic:
            trains = (synthetic[name] == "train").to_numpy() & ~held_out(real, synthetic, name)
        splits[name] = np.where(trains, "train", "").astype(object)
    return splits


def _stack(real: Dataset, synthetic: Dataset, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of both with the columns of the real dataset, and those described ones that the other one has.

    Raises:
        DataError: a label of the real dataset holds numbers or words in the synthetic one.
    """
    first = real.manifest
    described = [name for name in columns.BY_NAME if name in first or name in rows]
    own = [name for name in map(str, first.columns) if name not in columns.BY_NAME]
    _check_labels(real, synthetic, own)
    parts = [_completed(table, [*described, *own], like=[first, rows]) for table in (first, rows)]
    return pd.concat(parts, ignore_index=True)


def _check_labels(real: Dataset, synthetic: Dataset, names: Sequence[str]) -> None:
    for label in real.labels:
        if label in names and label in synthetic.manifest and not manifests.has_label(synthetic.manifest, label):
            raise DataError(
                f"{synthetic.name}: '{label}' holds what is no label, and is a label in '{real.name}'",
                "labels are 0, 1, a number between them, or empty",
            )


def _completed(table: pd.DataFrame, names: Sequence[str], *, like: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return a table with these columns, empty ones where it lacks them, of the types that the first table has."""
    completed = {}
    for name in names:
        kind = next(source[name].dtype for source in like if name in source)
        if name in table:
            is_text = not pd.api.types.is_numeric_dtype(kind) and pd.api.types.is_numeric_dtype(table[name].dtype)
            texts = table[name].astype(object).where(table[name].notna(), "").astype(str)
            completed[name] = texts.astype(kind) if is_text else table[name].astype(kind)
        elif pd.api.types.is_numeric_dtype(kind):
            completed[name] = pd.Series(pd.NA if str(kind) == "Int64" else np.nan, table.index, dtype=kind)
        else:
            completed[name] = pd.Series("", table.index, dtype=kind)
    return pd.DataFrame(completed, index=table.index)
