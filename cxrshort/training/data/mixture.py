"""How many real and synthetic images an epoch shows, and which; a function of (seed, epoch) alone.

An epoch shows every real image once, and so many synthetic ones that they are the share asked for. The synthetic images
are gone through in shuffled passes that run on from one epoch to the next: none comes again before all of them came, be
they fewer than an epoch takes or a hundred times more. Both kinds are spread evenly, so that every batch has its share
to within one image. What would invalidate a comparison of shares: epochs in which fewer real images are seen at a
higher share; so the number of real images is the same at every share below 1, and epochs grow.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from cxrshort.compute import seeded_generator
from cxrshort.errors import UsageError
from cxrshort.images.prefetch import Indices

_PASSES = 2**32
"""Counter of the synthetic images' own draws, beyond any step, so that they are unrelated to the augmentation's."""


@dataclass(frozen=True)
class Mixture:
    """Mix the real and the synthetic images of a training fold.

    Args:
        is_synthetic: (N,) of each image of the fold; both kinds are there.
        share: of the synthetic images in an epoch, between 0 and 1.

    Raises:
        UsageError: so small a share of so few images is no whole image.

    Example:
        >>> mixture = Mixture(np.array([False] * 7 + [True] * 2), 0.3)
        >>> len(mixture), mixture.draws, (mixture.order(0, seed=0) >= 7).sum()
        (10, 3, np.int64(3))
    """

    is_synthetic: npt.NDArray[np.bool_]
    share: float

    def __post_init__(self) -> None:
        """Refuse a share that shows no synthetic image at all."""
        if not self.draws:
            raise UsageError(
                f"--mix is '{self.share:g}', which of {self.real_images} real images is no whole synthetic one",
                "give a larger share, or 0",
            )

    @property
    def real_images(self) -> int:
        """Return the number of real images of the fold, all of which an epoch shows."""
        return int((~self.is_synthetic).sum())

    @property
    def draws(self) -> int:
        """Return the number of synthetic images that an epoch shows."""
        return round(self.share / (1 - self.share) * self.real_images)

    def __len__(self) -> int:
        """Return the number of images that an epoch shows."""
        return self.real_images + self.draws

    def order(self, epoch: int, *, seed: int) -> Indices:
        """Return the images of an epoch in the order in which they are seen, positions in the fold."""
        slots = np.diff(np.arange(len(self) + 1) * self.draws // len(self)) > 0
        order = np.empty(len(self), np.int64)
        order[~slots] = np.flatnonzero(~self.is_synthetic)[_shuffled(self.real_images, seed, epoch)]
        order[slots] = np.flatnonzero(self.is_synthetic)[self._drawn(epoch, seed=seed)]
        return order

    def times(self) -> npt.NDArray[np.float64]:
        """Return how often an epoch shows each image, on average, (N,)."""
        count = int(self.is_synthetic.sum())
        return np.where(self.is_synthetic, self.draws / count, 1.0)

    def _drawn(self, epoch: int, *, seed: int) -> Indices:
        """Return the synthetic images of an epoch, in their own numbering."""
        count = int(self.is_synthetic.sum())
        passes, places = np.divmod(epoch * self.draws + np.arange(self.draws), count)
        drawn = np.empty(self.draws, np.int64)
        for number in np.unique(passes).tolist():
            in_pass = passes == number
            drawn[in_pass] = _shuffled(count, seed, number, _PASSES)[places[in_pass]]
        return drawn


def _shuffled(count: int, *counters: int) -> Indices:
    order: Indices = torch.randperm(count, generator=seeded_generator(*counters)).numpy()
    return order
