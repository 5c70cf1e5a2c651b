"""Explanations that a student can learn to match: maps of a batch, and the logits of the same forward pass.

Maps keep the channels of the image (LRP, gradients), or are those of the last convolutional map (Grad-CAM, attention).
What would invalidate a comparison: maps of teacher and student that differ in their epsilon, class or precision. All
are made in fp32: between the LRP maps of one network in fp32 and bf16 the TEA loss is already 0.08 to 0.16.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cxrshort.attribution import grad_cam, gradient, lrp
from cxrshort.attribution.passes import Explained, Outputs, exact, explained_logits
from cxrshort.errors import UsageError

_ANY_NETWORK = "--set explanation=gradient-x-input explains any network"
EXPLANATIONS = ("lrp", "grad-cam", "gradient", "gradient-x-input", "attention")


@contextmanager
def naming(network: str, *, kind: str) -> Iterator[None]:
    """Say in errors which network cannot be explained: student or teacher.

    Args:
        network: what it is called.
        kind: of the explanation.
    """
    try:
        yield
    except UsageError as error:
        hint = _ANY_NETWORK if kind in ("lrp", "grad-cam") else error.hint
        raise UsageError(f"{network}: {error.message}", hint) from error


@dataclass(frozen=True)
class Explanation:
    """Specify how maps are made.

    Args:
        kind: one of ``EXPLANATIONS``.
        epsilon: stabiliser of LRP, one number or one per image (N,); of no effect on the others.
        bn: see :class:`~cxrshort.attribution.batch_norm.BatchNormRule`.
    """

    kind: str = "lrp"
    epsilon: float | Tensor = 0.01
    bn: str = "batch-detached"

    def explain(
        self, model: nn.Module, images: Tensor, *, outputs: Outputs, learning: bool, signs: Tensor | None = None
    ) -> Explained:
        """Return maps (N, K, h, w) and logits (N, L).

        Args:
            model: maps images to logits; in the mode that it is in.
            images: (N, C, H, W) in [0, 1].
            outputs: which logit of each image is explained.
            learning: whether a loss on both is to be differentiated.
            signs: (N,), 1 for evidence in favour of the output, -1 for evidence against it; None is 1. Attention,
                which explains no output, has none.

        Raises:
            UsageError: the network is none that this explanation can look into.
        """
        if self.kind == "attention":
            return _attention(model, images, learning=learning)
        if self.kind == "grad-cam":
            maps, logits = grad_cam.weighted_activations(
                model,
                images.detach().requires_grad_(),
                outputs=outputs,
                signs=signs,
                learn_maps=learning,
                learn_weights=learning,
            )
            maps, signs = maps.relu(), None
        elif self.kind == "lrp":
            maps, logits = lrp.explain(
                model, images, outputs=outputs, epsilon=self.epsilon, bn=self.bn, create_graph=learning
            )
        else:
            maps, logits = gradient.explain(
                model,
                images,
                score=lambda scores: explained_logits(scores, outputs),
                bn=self.bn,
                create_graph=learning,
            )
            maps = images * maps if self.kind == "gradient-x-input" else maps
        if signs is not None:
            maps = maps * signs[:, None, None, None]
        return Explained(maps, logits) if learning else Explained(maps.detach(), logits.detach())


def _attention(model: nn.Module, images: Tensor, *, learning: bool) -> Explained:
    """Return the sum over channels of the squared last map (Zagoruyko & Komodakis 2017); no class is explained."""
    with exact(images), grad_cam.LastMap() as last:
        logits: Tensor = model(images)
    if last.activations is None:
        raise UsageError(
            "'attention' needs a convolutional map of more than one pixel, and this network has none",
            "--set explanation=lrp, larger images, or an architecture such as densenet121 or resnet18",
        )
    maps = (last.activations**2).sum(1, keepdim=True)
    return Explained(maps, logits) if learning else Explained(maps.detach(), logits.detach())


class ChosenOutputs:
    """Choose outputs by the teacher's logits, and remember them for the student.

    Args:
        choose: returns the output of each image (N,) from logits (N, L).
    """

    def __init__(self, choose: Callable[[Tensor], Tensor]) -> None:
        self._choose = choose
        self.outputs: Tensor | None = None

    def __call__(self, logits: Tensor) -> Tensor:
        """Return the output of each image, (N,) int64."""
        self.outputs = self._choose(logits)
        return self.outputs


def choose_outputs(logits: Tensor, draws: Tensor) -> Tensor:
    """Return the output of each image that is explained, (N,) int64: the highest, or one of the others.

    With a probability of one half it is the output of the teacher's highest logit, else any other, all with equal
    probability (Bassi et al. 2025, A.2); where there is one output, that one.

    Args:
        logits: of the teacher, (N, L).
        draws: uniform in [0, 1), (N, L + 1).

    Example:
        >>> choose_outputs(torch.tensor([[1.0, 3.0, 2.0]]).repeat(2, 1), torch.tensor([[0.4, 0, 0, 1], [0.6, 0, 0, 1]]))
        tensor([1, 2])
    """
    highest = logits.argmax(1)
    if logits.shape[1] == 1:
        return highest
    draws = draws.to(logits.device)
    others = draws[:, 1:].scatter(1, highest[:, None], -1.0).argmax(1)
    return torch.where(draws[:, 0] < 0.5, highest, others)
