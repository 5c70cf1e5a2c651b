"""InceptionV3, whose pooled features the Fréchet inception distance is of, from a local file of weights.

The file holds the tensors of torchvision's ``inception_v3`` as ``.safetensors``. Pictures are resized to 299 x 299 as a
whole, grey repeated, and scaled to [-1, 1], as the published weights expect. They are not the weights of the original
TensorFlow network, which other implementations of the distance take: values of the two cannot be compared.
"""

from pathlib import Path

import torch
from torch import nn

from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.models.architecture import FullPrecisionLinear, read_tensors
from cxrshort.models.classifier import Classifier, InputSpec

SIDE, FEATURES, CLASSES = 299, 2048, 1000
SUFFIX = ".safetensors"
_HINT = (
    "safetensors.torch.save_file(torchvision.models.inception_v3(weights='DEFAULT').state_dict(), FILE) writes them "
    "where there is a network"
)
_AUXILIARY = "AuxLogits."


def open_inception(path: Path) -> tuple[Classifier, nn.Linear]:
    """Return the network in eval mode, and its last layer, whose input is the embedding.

    Args:
        path: the weights.

    Raises:
        UsageError: torchvision is not installed, or the file is of a kind that is not read.
        MissingInputError: there is no such file.
        DataError: the file holds something else.
    """
    check_weights(path)
    network, state = _without_weights(), dict(read_tensors(path))
    own = network.state_dict()
    state = {name: value for name, value in state.items() if not name.startswith(_AUXILIARY)}
    wrong = [name for name in own if name not in state or state[name].shape != own[name].shape]
    wrong += [name for name in state if name not in own]
    if wrong:
        raise DataError(
            f"'{path}' does not fit torchvision's inception_v3: {len(wrong)} tensors differ, such as '{wrong[0]}'",
            _HINT,
        )
    network.load_state_dict(state, assign=True)
    layer = FullPrecisionLinear.like(network.get_submodule("fc"))
    network.set_submodule("fc", layer)
    spec = InputSpec(SIDE, channels=3, mean=(0.5,) * 3, std=(0.5,) * 3)
    return Classifier(network, labels=tuple(map(str, range(CLASSES))), spec=spec).eval(), layer


def check_weights(path: Path) -> None:
    """Refuse a file that is not there or of a kind that is not read, before any work is done.

    Raises:
        UsageError: it is no ``.safetensors`` file.
        MissingInputError: it is not there.
    """
    if path.suffix != SUFFIX:
        raise UsageError(f"'{path}' is not a {SUFFIX} file: other files of weights may hold code", _HINT)
    if not path.is_file():
        raise MissingInputError(f"'{path}' does not exist", _HINT)


def _without_weights() -> nn.Module:
    """Return the network without its auxiliary branch, which does nothing in eval mode, and without memory."""
    try:
        from torchvision.models import inception_v3
    except ImportError as error:
        raise UsageError("'inception:' needs torchvision, which is not installed", "pip install torchvision") from error
    with torch.device("meta"):
        network: nn.Module = inception_v3(weights=None, init_weights=False, transform_input=False, aux_logits=False)
    return network
