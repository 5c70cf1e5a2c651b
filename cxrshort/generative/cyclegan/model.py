"""A trained CycleGAN as others use it: images in, transformed images out, and its model file.

What would invalidate a comparison of transformed images: a picture that depends on its batch. Pictures are therefore
made in fp32 whatever the precision of the training, without TF32: bf16 rounds a grey value to steps of about 1/256,
which are as coarse as the changes that an audit measures.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save as serialise
from torch import Tensor

from cxrshort import files
from cxrshort.compute import Compute, enough_memory
from cxrshort.errors import DataError, UsageError
from cxrshort.generative.cyclegan.networks import DIRECTIONS, Direction, Generator, Pair, Sizes, from_unit, to_unit
from cxrshort.models import checkpoint
from cxrshort.models.checkpoint import Description
from cxrshort.models.identity import IDENTITY_DIGITS
from cxrshort.models.schema import CYCLEGAN

_LARGEST_BATCH = 16
"""Pictures that pass a generator at once; at 256 px and a width of 64 they need about 4 GiB."""


class CycleGan:
    """Transform images of one side into images of the other, and back.

    Args:
        generators: on their device.
        description: what it is and where it comes from; its labels are the two expressions, ``from`` first.
        model_id: its identity, of the file's bytes.
        compute: device.
    """

    def __init__(self, generators: Pair, description: Description, *, model_id: str, compute: Compute) -> None:
        self.generators = generators.eval().requires_grad_(False)
        self.description = description
        self.model_id = model_id
        self.compute = compute

    @property
    def size(self) -> int:
        """Return the side of the images that it takes, in pixels: that of its training."""
        return self.description.spec.size

    @property
    def sides(self) -> dict[Direction, str]:
        """Return the expression of the side that each direction makes."""
        return {"to": self.description.labels[1], "from": self.description.labels[0]}

    def transform(self, images: Tensor, direction: Direction) -> Tensor:
        """Return images transformed in a direction, in fp32 and inference mode.

        Args:
            images: (n, 1, H, W) in [0, 1], H and W as :attr:`size`; (n, 3, H, W) where the networks see three channels.
            direction: ``"to"`` makes images of the ``--to`` side, ``"from"`` of the other.

        Returns:
            Images of the same shape in [0, 1], on the same device.

        Raises:
            UsageError: there is no such direction.
            DataError: the images are of another size than those of the training.
        """
        if direction not in DIRECTIONS:
            raise UsageError(f"'{direction}' is not a direction", "one of: to, from")
        self._check_shape(images.shape)
        generator = self.generators.toward(direction)
        parts = []
        with torch.inference_mode(), _full_precision(), enough_memory(self.compute, images=_LARGEST_BATCH):
            for part in torch.split(images, _LARGEST_BATCH):
                inputs = from_unit(part.to(self.compute.torch_device, torch.float32))
                inputs = inputs.expand(-1, self.description.spec.channels, -1, -1)
                outputs = to_unit(generator(inputs.contiguous()))
                parts.append(outputs if outputs.shape[1] == part.shape[1] else outputs.mean(1, keepdim=True))
        return torch.cat(parts).clamp(0, 1).to(images.device) if parts else images.float()

    def transform_pixels(self, pixels: npt.NDArray[np.uint8], direction: Direction) -> npt.NDArray[np.uint8]:
        """Return 8-bit pictures transformed in a direction, rounded to the nearest grey value.

        Args:
            pixels: (n, H, W) or (n, 3, H, W).
            direction: as for :meth:`transform`.
        """
        images = torch.from_numpy(np.ascontiguousarray(pixels)).float() / 255
        grey = images.dim() == 3
        outputs = self.transform(images[:, None] if grey else images, direction)
        rounded: npt.NDArray[np.uint8] = (outputs * 255).round().to(torch.uint8).cpu().numpy()
        return rounded[:, 0] if grey else rounded

    def _check_shape(self, shape: torch.Size) -> None:
        """Refuse images of another size, or colour where the networks see grey."""
        if tuple(shape[-2:]) != (self.size, self.size):
            raise DataError(
                f"the images are '{shape[-2]} x {shape[-1]}' pixels, the cyclegan was trained on {self.size} x "
                f"{self.size}",
                f"build-dataset with --size {self.size}",
            )
        if shape[1] not in (1, self.description.spec.channels):
            raise DataError("the images are in colour, the cyclegan was trained on grey ones", "give radiographs")


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """Keep convolutions in fp32 while the block runs, also where a GPU would take TF32."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield


def sizes_of(description: Description) -> Sizes:
    """Return the sizes of the networks that a description names."""
    recipe = description.recipe
    return Sizes(
        int(recipe["width"]), int(recipe["blocks"]), int(recipe["discriminator_width"]), description.spec.channels
    )


def save_cyclegan(generators: Pair, path: Path, *, description: Description) -> None:
    """Write the generators, atomically; equal models give equal bytes."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in generators.state_dict().items()}
    # In memory first: the library's own writer turns a full disk into an error of another kind.
    content = serialise(tensors, metadata={checkpoint.KEY: description.to_json()})
    with files.atomic(path) as temporary:
        temporary.write_bytes(content)


def describe_cyclegan(name: str | Path) -> tuple[Path, Description]:
    """Return where a cyclegan lies, and its description, without its weights.

    Args:
        name: a run folder or a model file.

    Raises:
        MissingInputError: nothing is there, or the training was interrupted.
        DataError: it is no model file.
        UsageError: it is another kind of model.
    """
    path = checkpoint.locate_model(name)
    description = checkpoint.read_description(path)
    if description.kind != CYCLEGAN:
        raise UsageError(f"'{name}' is a {description.kind}, not a cyclegan", "cxrshort cyclegan train makes one")
    return path, description


def load_cyclegan(name: str | Path, compute: Compute) -> CycleGan:
    """Open a trained cyclegan on the device that computes.

    Args:
        name: a run folder or a model file.
        compute: device.

    Raises:
        MissingInputError: nothing is there, or the training was interrupted.
        DataError: the file is damaged, or its weights do not fit its description.
        UsageError: it is another kind of model.
    """
    path, description = describe_cyclegan(name)
    sizes = sizes_of(description)
    generators = Pair(Generator(sizes), Generator(sizes))
    try:
        generators.load_state_dict(checkpoint.read_weights(path))
    except RuntimeError as error:
        raise DataError(
            f"'{path}' does not fit its width '{sizes.width}' and its blocks '{sizes.blocks}'", "train it again"
        ) from error
    identity = files.sha256(path)[:IDENTITY_DIGITS]
    return CycleGan(generators.to(compute.torch_device), description, model_id=identity, compute=compute)
