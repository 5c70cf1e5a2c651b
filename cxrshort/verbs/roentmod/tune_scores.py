"""What models say of the pictures of a tuning grid, and how far these are from their originals.

The distance is that of a model's features, beside that of small pictures, which needs no weights and sees no detail. A
classifier's features hold the finding that is added, so that a distance of 0 is no aim; the limit is how far two real
images of one person are apart, or, where there are none, two persons.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.generative.roentmod.tuning_pictures import CellPictures, Pictures
from cxrshort.models import checkpoint
from cxrshort.models.audited_labels import refuse_other_models
from cxrshort.models.embedders import small_vectors
from cxrshort.models.embeddings import last_layers, score_with_features
from cxrshort.models.scoring import score
from cxrshort.models.sources.opening import Model, Reference
from cxrshort.stats.identity_scores import pairwise_frechet
from cxrshort.stats.midranks import Floats
from cxrshort.stats.named_draws import named_generator

PIXELS = "pixels"
MOST_PAIRS = 50
SAME_PERSON, TWO_PERSONS = "two real images of one person", "images of two persons"


@dataclass(frozen=True, eq=False)
class GridScores:
    """Hold what one model, or the small pictures, say of a grid.

    Args:
        name: of the model, or :data:`PIXELS`.
        labels: what the logits are of; none of small pictures.
        before: (images, labels) logits of the originals.
        after: (prompts, images, labels) of each cell, NaN where there is no picture.
        distances: (prompts, images) of each cell, likewise; empty where the model has no features.
        limit: median distance of real pairs; None where there are none.
        limit_of: what these pairs are.
    """

    name: str
    labels: Sequence[str]
    before: Floats
    after: Sequence[Floats]
    distances: Sequence[Floats]
    limit: float | None
    limit_of: str


class PictureSource:
    """Hand pictures in memory to a scan, as a dataset's pixels are.

    Args:
        pictures: (N, H, W) uint8.
    """

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Return the shape of one picture, (H, W)."""
        return tuple(self._pictures.shape[1:])

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self._pictures)

    def take(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> Pictures:
        """Return the pictures at these positions."""
        return self._pictures[np.asarray(indices, dtype=np.int64)]


def check_models(
    references: Sequence[Reference], data: Dataset, fold: Dataset, *, split: str, replicate: int = 0
) -> list[str]:
    """Refuse models that cannot judge these images, and return notes on others.

    Args:
        references: the models.
        data: the dataset, for its pixels.
        fold: the images that are edited.
        split: which fold these are of. Images of training are allowed where the user names them, and those of the
            validation fold that a model was chosen by, since no weights were fitted to them.
        replicate: whose split.

    Raises:
        UsageError: a model is no classifier, or needs masks.
        DataError: it was trained on persons of the fold, or on images that were made otherwise.
    """
    notes = []
    for model in references:
        description = model.description
        refuse_other_models(model, "tune")
        if description.kind == "classifier" and description.background:
            raise UsageError(
                f"'{model.title}' sees the foreground of the dataset's masks alone, and edits have none",
                "train with --segmenter MODEL, whose masks come with the model",
            )
        checkpoint.check_pixels(model.name, description, dataset=data.name, pixels=data.recipe)
        people = fold.manifest["person_id"]
        seen = checkpoint.trained_on(description, people)
        is_own = data.dataset_id == description.dataset_id and replicate == description.replicate
        if seen and not (split == "train" or (split == "val" and is_own)):
            raise DataError(
                f"'{model.name}' was trained on {seen} of the {people.nunique()} persons whose images are edited",
                "--split test takes the fold that training never saw",
            )
        if seen:
            verb = "chosen by" if split == "val" else "trained on"
            notes.append(f"'{model.title}' was {verb} images of {seen} of the persons whose images are edited")
    return notes


@dataclass(frozen=True, eq=False)
class RealPairs:
    """Hold pictures of pairs that limits are taken from.

    Args:
        first: (N, H, W) uint8.
        second: (N, H, W) uint8.
        kind: :data:`SAME_PERSON` or :data:`TWO_PERSONS`.
    """

    first: Pictures
    second: Pictures
    kind: str


def find_pairs(data: Dataset, sources: Dataset, *, seed: int) -> RealPairs | None:
    """Return pairs of real images of one person, at most `MOST_PAIRS`; else the sources of different persons.

    Args:
        data: the whole dataset.
        sources: the images that are edited.
        seed: draws the persons.
    """
    rows = data.manifest.reset_index(drop=True)
    if "edit" in rows:
        rows = rows[rows["edit"].isna() | (rows["edit"] == "")]
    groups = [places[:2] for places in rows.groupby("person_id", sort=True).indices.values() if len(places) > 1]
    if groups:
        chosen = named_generator(seed, "pairs").permutation(len(groups))[:MOST_PAIRS]
        labels = rows.index.to_numpy()
        pairs = np.array([labels[groups[place]] for place in sorted(chosen)])
        return RealPairs(data.pixels.take(pairs[:, 0]), data.pixels.take(pairs[:, 1]), SAME_PERSON)
    persons = sources.manifest["person_id"].to_numpy(object)
    places = [(a, b) for a in range(len(persons)) for b in range(a) if persons[a] != persons[b]][:MOST_PAIRS]
    if not places:
        return None
    first, second = (np.array(side) for side in zip(*places, strict=True))
    return RealPairs(sources.pixels.take(first), sources.pixels.take(second), TWO_PERSONS)


def score_pixels(originals: Pictures, cells: Sequence[CellPictures], pairs: RealPairs | None) -> GridScores:
    """Return the distances of small pictures.

    Args:
        originals: (images, H, W).
        cells: of the grid.
        pairs: that the limit is taken from.
    """
    reference, distances = small_vectors(originals), []
    for cell in cells:
        pictures, made = cell.read()
        values = [
            np.where(own, pairwise_frechet(reference, small_vectors(part)), np.nan)
            for part, own in zip(pictures, made, strict=True)
        ]
        distances.append(np.stack(values))
    limit = (
        None
        if pairs is None
        else float(np.median(pairwise_frechet(small_vectors(pairs.first), small_vectors(pairs.second))))
    )
    empty = np.zeros((len(originals), 0))
    after = [np.zeros((*part.shape, 0)) for part in distances]
    return GridScores(PIXELS, (), empty, after, distances, limit, "" if pairs is None else pairs.kind)


def score_model(
    model: Model, originals: Pictures, cells: Sequence[CellPictures], pairs: RealPairs | None, compute: Compute
) -> GridScores:
    """Return a model's logits of all pictures, and the distances of its features where it has any.

    Args:
        model: opened.
        originals: (images, H, W).
        cells: of the grid.
        pairs: that the limit is taken from.
        compute: device, precision and processes.

    Raises:
        DataError: an output is no number.
    """
    try:
        layers = last_layers(model)
    except UsageError:
        layers = []

    def judge(pictures: Pictures) -> tuple[Floats, Floats]:
        source = PictureSource(pictures)
        if layers:
            outputs, features = score_with_features(model.classifier, layers, source, compute=compute)
        else:
            outputs = score(model.classifier, source, compute=compute)
            features = np.zeros((len(pictures), 0), np.float32)
        logits = model.reference.outputs.scores(torch.from_numpy(outputs)).numpy().astype(np.float64)
        if not np.isfinite(logits).all():
            raise DataError(f"'{model.reference.title}' returns no number for a picture", "check its weights")
        return logits, features.astype(np.float64)

    before, reference = judge(originals)
    after, distances = [], []
    for cell in cells:
        pictures, made = cell.read()
        shape = made.shape
        logits, features = judge(pictures.reshape(-1, *pictures.shape[2:]))
        logits[~made.ravel()] = np.nan
        after.append(logits.reshape(*shape, -1))
        lengths = pairwise_frechet(np.tile(reference, (shape[0], 1)), features)
        distances.append(np.where(made, lengths.reshape(shape), np.nan))
    limit = None
    if pairs is not None and layers:
        limit = float(np.median(pairwise_frechet(judge(pairs.first)[1], judge(pairs.second)[1])))
    kind = pairs.kind if pairs is not None and layers else ""
    labels = tuple(model.reference.description.labels)
    return GridScores(model.reference.title, labels, before, after, distances if layers else [], limit, kind)
