"""Radiograph files (PNG, JPEG, DICOM) to pixels, and the memory-mapped cache that holds them.

One file becomes one uint8 square: alpha is laid on black, colour becomes luma, 16 bits become 8 (white stays white),
EXIF orientation is applied, and the picture is resized with antialiasing; a `Treatment` says what one file needs
beyond that. What cannot be decoded becomes an `ImageError` with a short, stable reason, never a crash: archives of
100,000 films always hold a few bad files. Only PNG, JPEG and DICOM are opened, by content and not by extension, and
never above `cxrshort.bitmap.MAX_PIXELS` pixels.

Pixels of one row depend on its file, ``size`` and treatment alone, so that a cache has the same bytes for any number
of jobs, any scheduler, and can be carried on after a kill.
"""

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

import joblib
import numpy as np
from numpy.typing import DTypeLike, NDArray
from PIL import Image, ImageOps

from cxrshort.bitmap import AS_IT_IS, Picture, open_file, read_bitmap
from cxrshort.bitmap import ImageError as ImageError
from cxrshort.bitmap import Treatment as Treatment
from cxrshort.errors import DataError, MissingInputError, OutputError
from cxrshort.registry import check_name
from cxrshort.workers import tethered

FITS = ("crop", "pad", "squash")
_CHUNK = 16  # images per task: 0.2 s of work, so that progress moves and the last task is short
_COPY_ROWS = 256  # rows copied at a time
_SAMPLE = 16  # files looked at to learn what most are
_WORTH_PROCESSES = 64  # files; below, starting processes takes longer than they save
_REDUCING_GAP = 3.0  # "very close to fair resampling" in Pillow's words; exact below a reduction of 6


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
    """Tell how one row of the cache came out.

    Args:
        row: row of the cache.
        reason: why the file was refused; empty when its pixels are in the cache.
        detail: what was found, on one line.
        source_height: rows of the original; 0 when refused.
        source_width: columns of the original; 0 when refused.
        pixel_spacing_mm: as in `Decoded`.
    """

    row: int
    reason: str = ""
    detail: str = ""
    source_height: int = 0
    source_width: int = 0
    pixel_spacing_mm: tuple[float, float] | None = None


@dataclass(frozen=True)
class Placement:
    """Map original pixels to cache pixels: ``y' = y * scale_y + top``, ``x' = x * scale_x + left``.

    ``top`` and ``left`` are negative where the picture is cropped. Coordinates are edges of pixels, origin top left.
    """

    scale_y: float
    scale_x: float
    top: float
    left: float


def place(height: int, width: int, *, size: int, fit: str = "crop") -> Placement:
    """Return where a picture of ``height`` by ``width`` pixels lies in its cache square.

    Args:
        height: rows of the upright original.
        width: columns of the upright original.
        size: side of the square.
        fit: ``crop`` brings the shorter side to ``size`` and cuts the rest off on both sides (DeGrave et al. 2021),
            ``pad`` brings the longer side to ``size`` on a black ground, ``squash`` brings both sides to ``size``.

    Raises:
        UsageError: ``fit`` is not one of `FITS`.

    Example:
        >>> place(1000, 2000, size=100)
        Placement(scale_y=0.1, scale_x=0.1, top=0.0, left=-50.0)
    """
    check_name(FITS, fit, kind="fit")
    if fit == "crop":
        scale = size / min(height, width)
        return Placement(scale, scale, (size - height * scale) / 2, (size - width * scale) / 2)
    if fit == "squash":
        return Placement(size / height, size / width, 0.0, 0.0)
    rows, columns = _padded_sides(height, width, size=size)
    return Placement(rows / height, columns / width, float((size - rows) // 2), float((size - columns) // 2))


def fit_image(
    image: Image.Image, *, size: int, fit: str = "crop", resample: Image.Resampling = Image.Resampling.BILINEAR
) -> Image.Image:
    """Resize a picture into a square of ``size`` pixels, as `place` says.

    Bilinear resampling is antialiased (its support grows with the reduction); masks take
    ``Image.Resampling.NEAREST``.
    """
    check_name(FITS, fit, kind="fit")
    width, height = image.size
    gap = None if resample is Image.Resampling.NEAREST else _REDUCING_GAP
    if fit == "pad":
        rows, columns = _padded_sides(height, width, size=size)
        square = Image.new(image.mode, (size, size))
        inner = image.resize((columns, rows), resample, reducing_gap=gap)
        square.paste(inner, ((size - columns) // 2, (size - rows) // 2))
        return square
    # Cutting within resize() is the same as resize-then-crop without its rounding to whole pixels.
    cut_y, cut_x = ((side - min(height, width)) / 2 if fit == "crop" else 0.0 for side in (height, width))
    return image.resize((size, size), resample, box=(cut_x, cut_y, width - cut_x, height - cut_y), reducing_gap=gap)


def _padded_sides(height: int, width: int, *, size: int) -> tuple[int, int]:
    scale = size / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


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
        cxrshort.bitmap.ImageError: missing file
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
        return read_bitmap(file, mode=mode, size=size, treatment=treatment)
    # Imported here: pydicom takes longer to load than hundreds of PNG files to decode, and most archives have none.
    from cxrshort.dicom import looks_like_dicom, read_dicom

    if looks_like_dicom(head):
        return read_dicom(file, mode=mode, windowing=not treatment.skip_windowing)
    raise ImageError("not an image", "neither PNG nor JPEG nor DICOM")


def create_cache(path: Path, shape: tuple[int, ...], dtype: DTypeLike = np.uint8) -> "np.memmap[Any, np.dtype[Any]]":
    """Create a .npy file of zeros and map it for writing.

    The space is reserved at once, since a full disk would otherwise kill the process in the middle of a row.

    Raises:
        OutputError: the folder cannot be written, or the disk has no room.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    try:
        cache = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        _reserve(path)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OutputError(
            f"'{path}' cannot be written ({(error.strerror or str(error)).lower()}); it needs {size / 2**20:.0f} MiB",
            "choose another folder with --out",
        ) from error
    return cache


def _reserve(path: Path) -> None:
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def open_cache(path: Path, mode: Literal["r", "r+"] = "r") -> "np.memmap[Any, np.dtype[Any]]":
    """Map an existing .npy file: (N, H, W) grey or (N, 3, H, W) colour.

    Raises:
        MissingInputError: there is no such file.
        DataError: the file is not a whole .npy array of numbers.
    """
    try:
        return np.lib.format.open_memmap(path, mode=mode)
    except FileNotFoundError as error:
        raise MissingInputError(f"'{path}' does not exist", "build it with cxrshort build-dataset") from error
    except (ValueError, EOFError) as error:
        raise DataError(f"'{path}' is not a whole .npy array", "build it again with cxrshort build-dataset") from error


def keep_rows(source: Path, rows: Sequence[int] | NDArray[np.int64], target: Path) -> None:
    """Turn a finished cache into one that holds only these rows, in this order; ``source`` is gone afterwards.

    Args:
        source: .npy file from `create_cache`.
        rows: rows to keep, ascending.
        target: where the cache appears, whole or not at all.
    """
    cache = open_cache(source)
    if len(rows) < len(cache):
        smaller = source.with_name(f".kept{source.name}")
        kept = create_cache(smaller, (len(rows), *cache.shape[1:]), cache.dtype)
        for start in range(0, len(rows), _COPY_ROWS):
            block = slice(start, start + _COPY_ROWS)
            kept[block] = cache[np.asarray(rows[block])]
        source.unlink()
        source = smaller
    with source.open("rb+") as stream:
        os.fsync(stream.fileno())
    source.replace(target)


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
    each = [treatments] * len(paths) if isinstance(treatments, Treatment) else treatments
    for name in {treatment.fit for treatment in each} if fit is None else {fit}:
        check_name(FITS, name, kind="fit")
    open_cache(images_path, "r+")
    files = list(zip(paths, map(int, rows), (_with_fit(treatment, fit) for treatment in each), strict=True))
    chunks = (files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK))
    many = jobs > 1 and len(paths) >= _WORTH_PROCESSES
    prefer = "processes" if many and _mostly_dicom(paths) else "threads"
    results: list[Decoding] = []
    with warnings.catch_warnings():
        # Once around all threads as well: the filters are global, and threads that restore them overtake each other.
        warnings.simplefilter("ignore")
        pool = joblib.Parallel(n_jobs=jobs, prefer=prefer, return_as="generator")
        work = joblib.delayed(tethered(_decode_chunk))
        for done in pool(work(images_path, chunk, size=size) for chunk in chunks):
            results.extend(done)
            if record is not None:
                record(done)
    return results


def _mostly_dicom(paths: Sequence[Path | str]) -> bool:
    """Tell from the names of a few files, or from their first bytes where the name does not tell."""
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


def _decode_chunk(
    images_path: Path, files: Sequence[tuple[Path | str, int, Treatment]], *, size: int
) -> list[Decoding]:
    images = open_cache(images_path)
    results = []
    # Written row by row instead of through the map: rows share pages, and two machines that map a file of a network
    # file system would write each other's rows back.
    with images_path.open("r+b", buffering=0) as cache, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path, row, treatment in files:
            try:
                decoded = _decode(Path(path), size=size, treatment=treatment, colour=images.ndim == 4)
            except ImageError as error:
                results.append(Decoding(row, error.reason, error.detail))
                continue
            cache.seek(images.offset + row * images[0].nbytes)
            cache.write(decoded.pixels.tobytes())
            results.append(
                Decoding(
                    row,
                    source_height=decoded.source_height,
                    source_width=decoded.source_width,
                    pixel_spacing_mm=decoded.pixel_spacing_mm,
                )
            )
    return results
