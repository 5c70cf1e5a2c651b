"""Fixed deep features, computed once: an epoch of logistic regression on them costs milliseconds."""

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from cxrshort import distributed
from cxrshort.compute import Compute
from cxrshort.forecasts import TRIAL_SECONDS
from cxrshort.images.prefetch import Indices, Source
from cxrshort.models.architecture import Architecture
from cxrshort.models.classifier import Classifier
from cxrshort.models.scoring import SCORING_BATCH, scan
from cxrshort.training.recipes import Recipe

_FEWEST = 2
"""Images of a trial at least."""


class Features:
    """Hold what enters the head for each image; stands where pixels stand.

    Args:
        values: (N, D) float32; 100,000 images of DenseNet-121 take 400 MB.
    """

    def __init__(self, values: npt.NDArray[np.float32]) -> None:
        self._values = values

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Return (D,)."""
        return self._values.shape[1:]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._values)

    def take(self, indices: Indices) -> npt.NDArray[np.float32]:
        """Return a copy of the features of these images, (N, D)."""
        return self._values[indices]

    def repeated(self, count: int) -> "Features":
        """Return features of so many images, the same ones over and over: a stand-in where only time matters."""
        return Features(np.resize(self._values, (count, *self.image_shape)))


def has_fixed_features(architecture: Architecture, recipe: Recipe) -> bool:
    """Return whether what enters the head is the same in every epoch, and the loss asks for nothing else.

    Augmentation and noise change the image at every step; methods other than erm look into the network.
    """
    is_unchanged_erm = recipe.augment == "none" and recipe.method == "erm" and not recipe.background
    return architecture.frozen and is_unchanged_erm


def head(model: Classifier, architecture: Architecture) -> nn.Module:
    """Return the part that trains, (N, D) to logits (N, L); it shares its parameters with the model."""
    return model.network.get_submodule(architecture.head)


def compute_features(model: Classifier, pixels: Source, *, compute: Compute, limit: int | None = None) -> Features:
    """Return the deep features of all images, in order; several processes compute a share each, in the same batches.

    Args:
        model: on its device; its network offers ``embed``, normalised images to (N, D).
        pixels: the images.
        compute: device and precision; the features are as precise as those of a scored image.
        limit: the number of images, from the first; None takes all.
    """
    embed: Callable[[Tensor], Tensor] = model.network.embed  # type: ignore[assignment]

    def features(images: Tensor, indices: Indices) -> Tensor:
        del indices
        return embed(model.normalise(images)).float()

    rows = None if limit is None else np.arange(min(limit, len(pixels)))
    return Features(scan(features, pixels, model=model, compute=compute, rows=rows))


def time_features(
    model: Classifier, pixels: Source, *, compute: Compute, seconds: float = TRIAL_SECONDS
) -> tuple[Features, float]:
    """Return the features of as many images as about so many seconds allow, and the seconds that an image takes."""
    started = time.monotonic()
    compute_features(model, pixels, compute=compute, limit=_FEWEST)  # warms caches up
    per_image = max(time.monotonic() - started, 1e-9) / _FEWEST
    limit = min(SCORING_BATCH, max(_FEWEST, int(seconds / per_image)))
    limit = int(distributed.broadcast({"limit": limit})["limit"]) if compute.processes > 1 else limit
    started = time.monotonic()
    features = compute_features(model, pixels, compute=compute, limit=limit)
    return features, (time.monotonic() - started) / len(features)
