"""Which images of a fold are explained, for which labels, and what their classes are.

What would invalidate the numbers: a sample that depends on the maps. Images are drawn by their class and a seed alone,
before anything is explained.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort import columns, registry
from cxrshort.dataset import Dataset
from cxrshort.errors import UsageError
from cxrshort.models.sources.opening import Reference
from cxrshort.targets import read_targets

POSITIVE, NEGATIVE, UNLABELLED, EVERY = "positive", "negative", "unlabelled", "all"
"""Classes of an image for a label; images of a regression are of one class, `EVERY`."""
IDENTITY = ("image_id", "patient_id", "person_id", "repository")


@dataclass(frozen=True)
class ExplainedImages:
    """Hold what is explained: a map for each label and image.

    Args:
        data: the images, each once, in the order of the fold.
        positions: (M,) where each image stands in the fold; it seeds the random draws of its maps.
        table: a row per map: ``row``, ``image_id``, ``patient_id``, ``person_id``, ``repository``, ``label``,
            ``class``, ``target``, ``image`` (its place in ``data``) and ``output`` (of the model).
    """

    data: Dataset
    positions: npt.NDArray[np.int64]
    table: pd.DataFrame

    @property
    def images(self) -> npt.NDArray[np.int64]:
        """Return the image of each map, (N,), by its place in ``data``."""
        return self.table["image"].to_numpy(dtype=np.int64)

    @property
    def outputs(self) -> npt.NDArray[np.int64]:
        """Return the output of the model that each map explains, (N,)."""
        return self.table["output"].to_numpy(dtype=np.int64)


def check_explainable(model: Reference) -> None:
    """Refuse a model whose outputs are masks.

    Raises:
        UsageError: it is a segmenter.
    """
    if model.description.kind == "segmenter":
        raise UsageError(
            f"'{model.name}' is a segmenter, and explain takes classifiers", "cxrshort evaluate measures segmenters"
        )


def choose_labels(model: Reference, labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels that are explained, each once: those named, else COVID-19, else the model's first.

    Raises:
        UsageError: the model has no such label.
    """
    names = model.description.labels
    if not labels:
        return (columns.COVID if columns.COVID in names else names[0],)
    for label in labels:
        registry.check_name(names, label, kind="label of this model")
    return tuple(dict.fromkeys(labels))


def choose_images(
    model: Reference, fold: Dataset, labels: Sequence[str], *, count: int | None = None, seed: int = 0
) -> ExplainedImages:
    """Return the images that are explained: all, or for each label a random sample, balanced over its classes.

    Args:
        model: whose outputs are explained.
        fold: the rows to choose from.
        labels: of the model.
        count: images per label; None takes all.
        seed: of the sample; other labels, or more of them, do not change that of a label.
    """
    parts = []
    for label in labels:
        targets = label_targets(fold.manifest, label)
        classes = _classes(targets, regression=model.outputs.name == "regression")
        output = model.description.labels.index(label)
        rows = np.arange(len(targets))
        if count is not None and count < len(rows):
            rows = _balanced_sample(classes, count, rng=np.random.default_rng((seed, output)))
        parts.append(
            pd.DataFrame(
                {"label": label, "class": classes[rows], "target": targets[rows], "position": rows, "output": output}
            )
        )
    table = pd.concat(parts, ignore_index=True)
    positions = np.unique(table["position"].to_numpy(dtype=np.int64))
    images = np.searchsorted(positions, table.pop("position").to_numpy(dtype=np.int64))
    data = replace(fold, manifest=fold.manifest.iloc[positions].reset_index(drop=True))
    own = data.manifest.iloc[images].reset_index(drop=True)
    identity = {name: own[name] if name in own else "" for name in IDENTITY}
    table = pd.DataFrame({"row": np.arange(len(table)), **identity}).join(table.assign(image=images))
    return ExplainedImages(data, positions, table)


def label_targets(manifest: pd.DataFrame, label: str) -> npt.NDArray[np.float32]:
    """Return the truth for a label, (N,), NaN where it is empty or the dataset does not know the label."""
    try:
        return read_targets(manifest, label)
    except UsageError:
        return np.full(len(manifest), np.nan, np.float32)


def _classes(targets: npt.NDArray[np.float32], *, regression: bool) -> npt.NDArray[np.object_]:
    """Return the class of each image, (N,); soft targets are in none."""
    classes = np.full(len(targets), EVERY if regression else UNLABELLED, object)
    if not regression:
        classes[targets == 1], classes[targets == 0] = POSITIVE, NEGATIVE
    return classes


def _balanced_sample(
    classes: npt.NDArray[np.object_], count: int, *, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return rows in their order: as many of both classes as there are, then those of the larger one, then others."""
    shuffled = rng.permutation(len(classes))
    pools = {name: shuffled[classes[shuffled] == name] for name in (POSITIVE, NEGATIVE)}
    half = {POSITIVE: (count + 1) // 2, NEGATIVE: count // 2}
    fewer = min(pools, key=lambda name: len(pools[name]) - half[name])
    other = NEGATIVE if fewer == POSITIVE else POSITIVE
    taken = pools[fewer][: half[fewer]]
    chosen = np.concatenate([taken, pools[other][: count - len(taken)]])
    rest = shuffled[~np.isin(shuffled, chosen)]
    rest = rest[~np.isin(classes[rest], (POSITIVE, NEGATIVE))]
    return np.sort(np.concatenate([chosen, rest[: count - len(chosen)]])).astype(np.int64)
