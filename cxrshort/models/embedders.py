"""What turns pictures into embeddings: a model's last layer, InceptionV3, files of embeddings, or pixels themselves.

Distances of embeddings mean something within one embedder and one preparation of the pixels alone. A classifier of
radiographs is blind to what it was not trained on, InceptionV3 looks at texture, and small pixels see where things lie
and no detail; so a question about identity is put to more than one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.images.prefetch import Source
from cxrshort.models import checkpoint
from cxrshort.models.classifier import Classifier
from cxrshort.models.embeddings import last_layers, refuse_without_features, score_with_features
from cxrshort.models.foreground import visible_pixels
from cxrshort.models.inception import check_weights, open_inception
from cxrshort.models.precomputed_embeddings import check_present, is_precomputed, read_precomputed
from cxrshort.models.scoring import SCORING_BATCH
from cxrshort.models.sources.foreign import foreign_kind
from cxrshort.models.sources.opening import Reference, describe_model, open_model

PIXELS, CLIP, INCEPTION = "pixels", "clip", "inception"
THUMBNAIL = 32
"""Side of the small pictures that serve as an embedding without weights: 1,024 numbers."""
CLIP_LABELS = "labels=radiograph,other"
"""What completes the name of a CLIP folder, since the embedding of an image does not depend on texts."""
_NAME = re.compile(r"[\w.+-]+")
_PREFIX = f"{INCEPTION}:"


@dataclass(frozen=True)
class Embedder:
    """Describe what makes embeddings, before any is made.

    Args:
        name: what tables call it.
        source: a model's name, ``inception:FILE``, or :data:`PIXELS`; "" for files.
        unit: whether embeddings are brought to unit length before they are compared, as those of CLIP.
        files: what it is read from.
        reference: the model, where it is one.
    """

    name: str
    source: str
    unit: bool = False
    files: tuple[Path, ...] = ()
    reference: Reference | None = field(default=None, compare=False)

    @property
    def definition(self) -> str:
        """Return what the embedding is, in words."""
        length = ", unit length" if self.unit else ", raw"
        if self.source == PIXELS:
            return f"mean grey of {THUMBNAIL} x {THUMBNAIL} squares, no network"
        if not self.source:
            return f"computed elsewhere ({', '.join(path.name for path in self.files)}){length}"
        if self.source.startswith(_PREFIX):
            return f"pooled features of InceptionV3{length}"
        return f"features before the last layer of {self.source.partition('?')[0]}{length}"


PIXEL_EMBEDDER = Embedder(PIXELS, PIXELS)


def describe_embedders(names: Sequence[str]) -> list[Embedder]:
    """Return what makes the embeddings that the user names, and small pixels behind them.

    Args:
        names: ``MODEL``, ``inception:FILE.safetensors``, ``clip:FOLDER``, or any of them and files of embeddings behind
            a name of one's own: ``NAME=FILE.npz``. Files of one name are joined.

    Raises:
        UsageError: two of one name, or a model without features.
        MissingInputError: a file or model is not there.
    """
    embedders: dict[str, Embedder] = {}
    for text in names:
        embedder = _describe(text)
        earlier = embedders.get(embedder.name)
        if earlier is not None and (earlier.source or embedder.source):
            raise UsageError(f"'{embedder.name}' is the name of two embeddings", f"name one of them: NAME={text}")
        if embedder.name == PIXELS:
            raise UsageError(f"'{PIXELS}' is the embedding that is always there", f"name it otherwise: NAME={text}")
        joined = embedder if earlier is None else replace(earlier, files=(*earlier.files, *embedder.files))
        embedders[embedder.name] = joined
    return [*embedders.values(), PIXEL_EMBEDDER]


def _describe(text: str) -> Embedder:
    name, equals, rest = text.partition("=")
    own_name = name if equals and rest and _NAME.fullmatch(name) else ""
    source = rest if own_name else text
    if is_precomputed(source):
        if not own_name:
            raise UsageError(f"'{text}' has no name that tables could call it", f"NAME={text}")
        check_present(Path(source))
        return Embedder(own_name, "", CLIP in own_name.casefold(), (Path(source),))
    if source.startswith(_PREFIX):
        path = Path(source.removeprefix(_PREFIX)).expanduser()
        check_weights(path)
        return Embedder(own_name or INCEPTION, source, files=(path,))
    is_clip = foreign_kind(source) == CLIP
    if is_clip and "labels=" not in source:
        source = f"{source}{'&' if '?' in source else '?'}{CLIP_LABELS}"
    reference = describe_model(source)
    refuse_without_features([reference])
    return Embedder(
        own_name or _short_name(reference, is_clip), source, is_clip, tuple(reference.files.values()), reference
    )


def _short_name(reference: Reference, is_clip: bool) -> str:
    if is_clip:
        return f"{CLIP}:{Path(reference.name.partition('?')[0].partition(':')[2]).name}"
    return reference.title.partition("?")[0].removeprefix("runs/")


def embed_images(embedder: Embedder, parts: Sequence[Dataset], compute: Compute) -> list[npt.NDArray[np.float32]]:
    """Return the embeddings (N, D) of the images of each dataset.

    Args:
        embedder: of :func:`describe_embedders`.
        parts: the datasets.
        compute: device, precision and processes; several processes embed a share each, and all return the whole.

    Raises:
        DataError: images were made otherwise than the model was trained on, or have no embedding, or one that is not
            finite.
    """
    if not embedder.source:
        stored = read_precomputed(embedder.files)
        return [stored.take(part.manifest["image_id"].tolist()) for part in parts]
    if embedder.source == PIXELS:
        return [small_pixels(part) for part in parts]
    model, layers = _open(embedder, compute)
    embeddings = []
    for part in parts:
        pixels: Source = part.pixels
        if embedder.reference is not None:
            description = embedder.reference.description
            checkpoint.check_pixels(embedder.name, description, dataset=part.name, pixels=part.recipe)
            pixels = visible_pixels(description, part)
        values = score_with_features(model, layers, pixels, compute=compute)[1]
        if wrong := int((~np.isfinite(values)).any(axis=1).sum()):
            raise DataError(
                f"'{embedder.name}' has no finite features for {wrong} of {len(values)} images of {part.name}",
                "check its weights",
            )
        embeddings.append(values)
    return embeddings


def _open(embedder: Embedder, compute: Compute) -> tuple[Classifier, list[nn.Linear]]:
    if embedder.reference is None:
        model, layer = open_inception(embedder.files[0])
        return model.to(compute.torch_device), [layer]
    opened = open_model(embedder.reference, compute)
    return opened.classifier, last_layers(opened)


def small_pixels(data: Dataset) -> npt.NDArray[np.float32]:
    """Return the mean grey in [0, 1] of each of 32 x 32 parts of every image, (N, 1024); fewer of smaller images."""
    parts = [
        small_vectors(data.pixels.take(np.arange(start, min(start + SCORING_BATCH, len(data.manifest)))))
        for start in range(0, len(data.manifest), SCORING_BATCH)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, THUMBNAIL**2), np.float32)


def small_vectors(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the mean grey in [0, 1] of each of 32 x 32 parts of pictures (N, H, W) or (N, 3, H, W), (N, 1024)."""
    images: Tensor = torch.from_numpy(np.ascontiguousarray(pictures)).float() / 255
    images = images.mean(dim=1) if images.dim() == 4 else images
    sides = (min(THUMBNAIL, images.shape[-2]), min(THUMBNAIL, images.shape[-1]))
    return np.asarray(functional.adaptive_avg_pool2d(images[:, None], sides).flatten(1).numpy())
