"""Photographs and scenes of a user's copies: opened safely, found in the usual layouts, each scene used once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from cxrshort.errors import DataError, MissingInputError
from cxrshort.files import is_text
from cxrshort.images.placement import fit_image
from cxrshort.images.raster import ImageError, open_file, read_bitmap

_WHOLE = 1 << 20
"""A wanted side at which no decoder scales down: outlines are in pixels of the original."""
_SUFFIXES = (".jpg", ".jpeg", ".png")
_PARTS = ("data_large", "data_256", "data_large_standard", "train", "")


@dataclass(frozen=True)
class Scene:
    """Name one photograph of Places.

    Args:
        category: its kind: ``ocean``.
        path: its file.
    """

    category: str
    path: Path


def read_photograph(path: Path, mode: Literal["L", "RGB"] = "RGB") -> Image.Image:
    """Decode a PNG or JPEG file at its full size, upright.

    Raises:
        ImageError: it cannot be used; ``reason`` says why.
    """
    with open_file(path) as file:
        try:
            return read_bitmap(file, mode=mode, size=_WHOLE).image
        except ImageError:
            raise
        except Exception as error:  # decoders of damaged files raise anything, down to struct.error
            raise ImageError("unreadable", f"{type(error).__name__}: {error}") from error


def squash(image: Image.Image, size: int) -> npt.NDArray[np.uint8]:
    """Return a picture as (size, size) or (3, size, size) pixels, both sides resized, as the papers do."""
    pixels = np.asarray(fit_image(image, size=size, fit="squash"))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)) if pixels.ndim == 3 else pixels


def assign_scenes(
    root: Path, kinds: Sequence[str], *, categories: Mapping[str, tuple[str, ...]], generator: np.random.Generator
) -> list[Scene]:
    """Draw a photograph of Places for every picture; none is drawn twice, so no test scene was seen in training.

    Args:
        root: the folder of the downloads.
        kinds: the kind of scene that each picture needs.
        categories: the categories of Places that make up each kind, pooled.
        generator: source of the draw.

    Raises:
        MissingInputError: a category is not there.
        DataError: a kind has fewer photographs than pictures.
    """
    chosen: dict[int, Scene] = {}
    for kind, pool in categories.items():
        places = [number for number, needed in enumerate(kinds) if needed == kind]
        if not places:
            continue
        scenes = [Scene(category, path) for category in pool for path in _photographs(root, category)]
        if len(scenes) < len(places):
            raise DataError(
                f"Places has {len(scenes)} images of {' and '.join(pool)}, {len(places)} are needed",
                "the training part of Places365 has about 5,000 images of each category",
            )
        order = generator.permutation(len(scenes))
        chosen |= {number: scenes[int(position)] for number, position in zip(places, order, strict=False)}
    return [chosen[number] for number in range(len(kinds))]


def _photographs(root: Path, category: str) -> list[Path]:
    """Return the images of a category such as ``lake/natural``, in order of their names."""
    flat = category.replace("/", "-")
    forms = (f"{category[0]}/{category}", flat, f"{category[0]}/{flat}", category, category.replace("/", "_"))
    for base in _homes(root):
        for folder in (base / part / form for part in _PARTS for form in forms):
            if folder.is_dir():
                files = (path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
                return sorted(path for path in files if is_text(path.name))  # others fit in no manifest
    raise MissingInputError(
        f"'{root}' has no scenes '{category}' of Places",
        f"unpack Places365 there, so that places365/data_large/{forms[0]} exists",
    )


def _homes(root: Path) -> list[Path]:
    named = [path for path in root.iterdir() if path.name.casefold().startswith("places") and path.is_dir()]
    return [*sorted(named), root]
