"""Radiograph files (PNG, JPEG, DICOM) to pixels, and the memory-mapped cache that holds them.

One file becomes one uint8 square: alpha is laid on black, colour becomes luma, 16 bits become 8 (white stays white),
EXIF orientation is applied, and the picture is resized with antialiasing; a `Treatment` says what one file needs
beyond that. What cannot be decoded becomes an `ImageError` with a short, stable reason, never a crash: archives of
100,000 films always hold a few bad files. Only PNG, JPEG and DICOM are opened, by content and not by extension, and
never above `cxrshort.images.raster.MAX_PIXELS` pixels.

Pixels of one row depend on its file, ``size`` and treatment alone, so that a cache has the same bytes for any number
of jobs, any scheduler, and can be carried on after a kill.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from cxrshort.images.cache import Filling, fill_rows, open_cache
from cxrshort.images.placement import FITS, fit_image
from cxrshort.images.raster import AS_IT_IS, Header, ImageError, Picture, Treatment, open_file, read_bitmap
from cxrshort.registry import check_name

_CHUNK = 16  # images per task: 0.2 s of work, so that progress moves and the last task is short
_SAMPLE = 16  # files looked at to learn what most are
_WORTH_PROCESSES = 64  # files; below, starting processes takes longer than they save


@dataclass(frozen=True)
class Decoded:
    """Hold one radiograph as it stands in the cache.

    Args:
        pixels: (size, size) uint8, or (3, size, size) in colour.
        source_height: rows of the original, upright.
        source_width: columns of the original, upright.
        pixel_spacing_mm: row and column spacing of the original, from DICOM; None where unknown.
    """

    pixels: NDArray[np.uint8]
    source_height: int
    source_width: int
    pixel_spacing_mm: tuple[float, float] | None = None


@dataclass(frozen=True)
class Decoding:
    """Hold the outcome of decoding one file into a row of the cache.

    Args:
        row: row of the cache.
        reason: why the file was refused; empty when its pixels are in the cache.
        detail: what was found, on one line.
        source_height: rows of the original; 0 when refused.
        source_width: columns of the original; 0 when refused.
        pixel_spacing_mm: as in `Decoded`.
        source: the file's size and time of change, see `file_stamp`; empty when refused.
        crc32: checksum of the row in each cache; empty when refused.
    """

    row: int
    reason: str = ""
    detail: str = ""
    source_height: int = 0
    source_width: int = 0
    pixel_spacing_mm: tuple[float, float] | None = None
    source: str = ""
    crc32: Sequence[int] = ()


def decode(
    path: Path, *, size: int, fit: str | None = None, treatment: Treatment = AS_IT_IS, colour: bool = False
) -> Decoded:
    """Decode one PNG, JPEG or DICOM file into a square of 8-bit pixels.

    Args:
        path: the file; its extension does not matter.
        size: side of the square in pixels.
        fit: as in `place`; None leaves it to ``treatment``.
        treatment: what this file needs.
        colour: keep three channels (photographs) instead of luma (radiographs).

    Raises:
        ImageError: the file cannot be used; ``reason`` says why.

    Example:
        >>> decode(Path("nowhere.png"), size=224)
        Traceback (most recent call last):
        cxrshort.images.raster.ImageError: missing file
    """
    with warnings.catch_warnings():
        # Decoders warn about files they then refuse, or read well: the outcome is what the caller is told.
        warnings.simplefilter("ignore")
        return _decode(Path(path), size=size, treatment=_with_fit(treatment, fit), colour=colour)


def _with_fit(treatment: Treatment, fit: str | None) -> Treatment:
    return treatment if fit is None else replace(treatment, fit=fit)


def _decode(path: Path, *, size: int, treatment: Treatment, colour: bool) -> Decoded:
    with open_file(path) as file:
        try:
            picture = _read(file, mode="RGB" if colour else "L", size=size, treatment=treatment)
        except ImageError:
            raise
        except Exception as error:  # decoders of damaged files raise anything, down to IndexError and struct.error
            raise ImageError("unreadable", f"{type(error).__name__}: {error}") from error
        except BaseException as error:
            # A panic of a decoder written in Rust (RLE) does not derive from Exception, nor is its class importable.
            if type(error).__name__ != "PanicException":
                raise
            raise ImageError("unreadable", str(error)) from error
    pixels = np.asarray(fit_image(_treat(picture.image, treatment), size=size, fit=treatment.fit))
    low, high = int(pixels.min()), int(pixels.max())
    if low == high:
        raise ImageError("constant image", f"every pixel is {low}")
    pixels = np.ascontiguousarray(pixels.transpose(2, 0, 1)) if colour else pixels
    return Decoded(pixels, picture.height, picture.width, picture.pixel_spacing_mm)


def _treat(image: Image.Image, treatment: Treatment) -> Image.Image:
    if treatment.equalise:
        image = ImageOps.equalize(image)
    return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if treatment.flip else image


def _read(file: BinaryIO, *, mode: Literal["L", "RGB"], size: int, treatment: Treatment) -> Picture:
    head = file.read(132)
    file.seek(0)
    if head.startswith(b"\x89PNG\r\n\x1a\n") or head.startswith(b"\xff\xd8\xff"):
        return read_bitmap(file, mode=mode, size=size, treatment=treatment, read_header=_read_header)
    # Imported here: pydicom takes longer to load than hundreds of PNG files to decode, and most archives have none.
    from cxrshort.images.dicom import looks_like_dicom, read_dicom

    if looks_like_dicom(head):
        return read_dicom(file, mode=mode, windowing=not treatment.skip_windowing)
    raise ImageError("not an image", "neither PNG nor JPEG nor DICOM")


def _read_header(path: Path) -> Header:
    from cxrshort.images.dicom import read_json_attributes  # as heavy here as above

    return read_json_attributes(path)


def decode_into(
    images_path: Path,
    paths: Sequence[Path | str],
    *,
    rows: Sequence[int],
    size: int,
    fit: str | None = None,
    treatments: Sequence[Treatment] | Treatment = AS_IT_IS,
    jobs: int = 1,
    record: Callable[[list[Decoding]], None] | None = None,
) -> list[Decoding]:
    """Decode files into the rows of an existing cache, in parallel and in place.

    Bytes are the same for any ``jobs``. A refused file leaves its row as it was (zero in a new cache). After a kill,
    the rows that ``record`` was told of are complete: decode the others only.

    Threads decode PNG and JPEG, since those decoders release the interpreter lock: 1.9 times one thread on two cores,
    without the start-up of processes. Processes decode folders of DICOM, whose decoders do not: compressed files took
    1.5 to 2.0 times as long with two threads. An active ``joblib.parallel_config`` (a Dask cluster that sees the same
    paths) takes precedence.

    Args:
        images_path: .npy file from `create_cache`; with four dimensions it is filled in colour.
        paths: the files.
        rows: the row of each file.
        size: side of the square in pixels.
        fit: as in `place`; None leaves it to ``treatments``.
        treatments: what each file needs, or what all of them need.
        jobs: number of files decoded at the same time.
        record: called with the results newly done, in the order of ``paths``, as work proceeds: for a progress bar,
            and for a caller that wants to carry on after a kill.

    Returns:
        One result per file, in the order of ``paths``.

    Raises:
        MissingInputError: there is no such cache.
        UsageError: ``fit`` is not one of `FITS`.
        ValueError: ``rows`` or ``treatments`` are not as many as ``paths``.
    """
    file_treatments = [treatments] * len(paths) if isinstance(treatments, Treatment) else treatments
    for name in {treatment.fit for treatment in file_treatments} if fit is None else {fit}:
        check_name(FITS, name, kind="fit")
    colour = open_cache(images_path).ndim == 4
    is_long = jobs > 1 and len(paths) >= _WORTH_PROCESSES
    results = fill_rows(
        [images_path],
        [(path, _with_fit(treatment, fit)) for path, treatment in zip(paths, file_treatments, strict=True)],
        partial(_decode_task, size=size, colour=colour),
        rows=rows,
        jobs=jobs,
        chunk=_CHUNK,
        prefer="processes" if is_long and _mostly_dicom(paths) else "threads",
        record=lambda chunk_results: (
            record([Decoding(**result) for result in chunk_results]) if record is not None else None
        ),
    )
    return [Decoding(**result) for result in results]


def _mostly_dicom(paths: Sequence[Path | str]) -> bool:
    """Return it by the names of a few files, or by their first bytes where the name does not show it."""
    sample = [Path(path) for path in paths[:: max(1, len(paths) // _SAMPLE)]]
    return 2 * sum(_is_dicom(path) for path in sample) > len(sample)


def _is_dicom(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix in (".dcm", ".dicom", ".dic", ".png", ".jpg", ".jpeg"):
        return suffix.startswith(".d")
    try:
        with open_file(path) as file:
            return file.read(132)[128:] == b"DICM"
    except (ImageError, OSError):
        return False


def _decode_task(task: tuple[Path | str, Treatment], *, size: int, colour: bool) -> Filling:
    path, treatment = task
    source = file_stamp(Path(path))  # before it is read: what changes meanwhile is read again
    decoded = _decode(Path(path), size=size, treatment=treatment, colour=colour)
    return Filling(
        (decoded.pixels,),
        {
            "source_height": decoded.source_height,
            "source_width": decoded.source_width,
            "pixel_spacing_mm": decoded.pixel_spacing_mm,
            "source": source,
        },
    )


def file_stamp(path: Path) -> str:
    """Return what changes whenever a file does: its size and its time of change; empty where there is none."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"
