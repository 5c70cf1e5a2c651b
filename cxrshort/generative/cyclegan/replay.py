"""The store of earlier transformed pictures that a discriminator also sees, so that it does not forget old tricks.

Shrivastava et al. 2017, as the cited code has it: until the store is full, new pictures are kept and shown; then a new
one is shown with probability 1/2, or else takes the place of an old one at random, which is shown.
"""

import torch
from torch import Tensor


class ReplayBuffer:
    """Keep pictures and show them again.

    Args:
        capacity: pictures that are kept; 0 always shows the new ones.
        pictures: (n, C, H, W) that it begins with.
    """

    def __init__(self, capacity: int, pictures: Tensor | None = None) -> None:
        self.capacity = capacity
        self.pictures = list(pictures) if pictures is not None else []

    def exchange(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        """Take in new pictures, and return as many, new or old.

        Args:
            pictures: (N, C, H, W), detached.
            generator: of the draws, on the CPU.
        """
        if not self.capacity:
            return pictures
        draws = torch.rand(len(pictures), generator=generator).tolist()
        places = torch.randint(self.capacity, (len(pictures),), generator=generator).tolist()
        shown = []
        for picture, draw, place in zip(pictures, draws, places, strict=True):
            if len(self.pictures) < self.capacity:
                self.pictures.append(picture.clone())
                shown.append(picture)
            elif draw < 0.5:
                shown.append(picture)
            else:
                shown.append(self.pictures[place])
                self.pictures[place] = picture.clone()
        return torch.stack(shown)

    def state(self) -> Tensor:
        """Return the pictures, (n, C, H, W); an empty tensor where there are none."""
        return torch.stack(self.pictures) if self.pictures else torch.zeros(0)
