"""Features by which transformed images are compared with real ones: those of Inception-v3, or of the classifier itself.

What would invalidate a comparison of two audits: distances by features of different networks. The classifier's own
features say how alike the sets look to that classifier; Inception's, whose weights are read from a file and never
downloaded, say how alike they look to a network of photographs. Weights of torchvision's layout are read, among them
the port of the network that the published distances use; distances by others are not comparable with published ones.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from cxrshort.compute import Compute
from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.files import sha256
from cxrshort.generative.cyclegan.audit.scores import PixelStack
from cxrshort.images.prefetch import Indices
from cxrshort.models.embeddings import last_layers, refuse_without_features, score_with_features
from cxrshort.models.scoring import SCORING_BATCH, scan
from cxrshort.models.sources.opening import Model

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
INCEPTION_SIDE = 299
_SHORT = 12
"""Digits of the checksum of a weights file that a name shows."""


class InceptionFeatures(nn.Module):
    """Return the 2,048 pooled features of Inception-v3 for images in [0, 1], resized to 299 px.

    Args:
        network: torchvision's network; its last layer is taken away.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        network.fc = nn.Identity()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Return features (N, 2048) of images (N, 1, H, W)."""
        side = (INCEPTION_SIDE, INCEPTION_SIDE)
        resized = functional.interpolate(images, side, mode="bilinear", antialias=True, align_corners=False)
        features: Tensor = self.network((2 * resized - 1).expand(-1, 3, -1, -1))
        return features


def check_weights(path: Path) -> None:
    """Refuse a file of weights that is not there, before any work is done.

    Raises:
        MissingInputError: it is not.
    """
    if not path.is_file():
        raise MissingInputError(f"'{path}' does not exist", "without --inception, the classifiers' features are taken")


def load_inception(path: Path) -> tuple[InceptionFeatures, str]:
    """Read Inception-v3 from a file of weights, and return it with its name.

    Args:
        path: safetensors, in the layout of ``torchvision.models.inception_v3``; the auxiliary head may be missing.

    Raises:
        MissingInputError: there is no such file.
        DataError: it is no safetensors file, or holds the weights of another network.
    """
    from torchvision.models import inception_v3  # a second, which most audits need not spend

    check_weights(path)
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise DataError(f"'{path}' is not a safetensors file", "save the network's weights with safetensors") from error
    network = inception_v3(weights=None, aux_logits=False, transform_input=False, init_weights=False)
    kept = {name: value for name, value in weights.items() if not name.startswith("AuxLogits.")}
    wrong = sorted({*network.state_dict()} ^ {*kept})
    wrong = [name for name in wrong if not name.endswith("num_batches_tracked") and not name.startswith("fc.")]
    if wrong:
        raise DataError(
            f"'{path}' does not hold Inception-v3: '{wrong[0]}' and {len(wrong) - 1} other tensors do not fit",
            "give the weights of torchvision.models.inception_v3",
        )
    features = InceptionFeatures(network)
    own = {name: value for name, value in kept.items() if not name.startswith("fc.")}
    try:
        network.load_state_dict(own, strict=False)
    except RuntimeError as error:
        raise DataError(
            f"'{path}' does not hold Inception-v3: a tensor has another shape",
            "give the weights of torchvision.models.inception_v3",
        ) from error
    return features.eval(), f"Inception-v3 ({path.name}, sha256 {sha256(path)[:_SHORT]})"


def inception_features(
    network: InceptionFeatures, pixels: Bytes, *, compute: Compute, batch_size: int = SCORING_BATCH
) -> Floats:
    """Return the features of images (N, H, W), uint8; several processes do a share each."""

    def work(images: Tensor, indices: Indices) -> Tensor:
        del indices
        features: Tensor = network(images)
        return features.float()

    network = network.to(compute.torch_device)
    with torch.inference_mode():
        return scan(work, PixelStack(pixels), model=network, compute=compute, batch_size=batch_size, shrink=True)


def has_features(model: Model) -> bool:
    """Return whether features can be taken of a classifier; of one that needs the dataset's masks they are not."""
    description = model.reference.description
    if description.kind == "classifier" and description.background:
        return False
    try:
        refuse_without_features([model.reference])
        last_layers(model)
    except UsageError:
        return False
    return True


def classifier_features(model: Model, pixels: Bytes, *, compute: Compute) -> Floats:
    """Return what enters the last layer of a classifier for images (N, H, W) or (N, C, H, W), uint8.

    Raises:
        UsageError: the model has no features.
    """
    return score_with_features(model.classifier, last_layers(model), PixelStack(pixels), compute=compute)[1]
