"""What the networks of a CycleGAN minimise; sums over pictures, so that processes and batches add up.

The paper's equations 2 and 3 are the logarithmic loss; the code that it cites has least squares (Mao et al. 2017). A
generator minimises -log D(G(x)) and not log(1 - D(G(x))): the same optimum, with a slope where the discriminator is
sure (Goodfellow et al. 2014, section 3).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

UNDECIDED = {"lsgan": 0.25, "log": math.log(2)}
"""Loss of a discriminator that cannot tell real pictures from made ones: all scores 1/2, or probabilities of 1/2."""


def adversarial_loss(scores: Tensor, *, real: bool, loss: str) -> Tensor:
    """Return the sum over pictures of the distance of a discriminator's scores from what they should be.

    Args:
        scores: (N, 1), of a discriminator.
        real: whether the pictures should count as real.
        loss: ``"lsgan"``, squared distance from 1 or 0, or ``"log"``, cross-entropy of the scores as log-odds.

    Example:
        >>> float(adversarial_loss(torch.tensor([[0.5], [1.0]]), real=True, loss="lsgan"))
        0.25
    """
    targets = torch.full_like(scores, float(real), dtype=torch.float32)
    if loss == "log":
        return functional.binary_cross_entropy_with_logits(scores.float(), targets, reduction="sum")
    return functional.mse_loss(scores.float(), targets, reduction="sum")


def mean_difference(pictures: Tensor, originals: Tensor) -> Tensor:
    """Return the sum over pictures (N, C, H, W) of the mean |difference| of their pixels, in the range of [-1, 1]."""
    return (pictures.float() - originals.float()).abs().mean(dim=(1, 2, 3)).sum()
