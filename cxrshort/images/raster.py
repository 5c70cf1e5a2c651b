"""PNG and JPEG files to 8-bit pictures, and what every reader of image files shares: errors, limits, treatments.

Radiographs in PNG hold the detector's values more often than a picture. A DICOM header in JSON beside the file, as
BIMCV-COVID-19 has it, then says how they are shown; `cxrshort.images.dicom` reads it. Every step maps one stored value
to one grey level, so it is computed once for each possible value.
"""

import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageChops, UnidentifiedImageError

from cxrshort.errors import DataError

MAX_PIXELS = 100_000_000
"""Largest picture that is decoded; the largest flat detectors give 20 megapixels."""
MAX_SIDE = 65_535
"""Most rows or columns that are decoded, as in DICOM and JPEG; each row costs memory, however short it is."""
MAX_BYTES = 512 * 2**20
"""Largest file that is opened: MAX_PIXELS of 16 bits, and room for a header."""
_MOST_SCANS = 100  # of a JPEG; encoders write about 10, and 141 bytes cost 0.1 s in the largest picture
_WHOLE = 1 << 20  # a wanted side at which no decoder scales down
_TABLE_ROWS = 1 << 20  # pixels looked up at a time

_ROTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_270,
)


@dataclass(frozen=True)
class Treatment:
    """Specify how one file becomes the picture that a person should see; the defaults suit most files.

    ``sidecar``, ``photometric`` and ``bits_stored`` are for grey PNG and JPEG: DICOM files say it themselves.

    Args:
        fit: ``crop``, ``pad`` or ``squash``, see `cxrshort.images.placement.place`.
        equalise: flatten the histogram of the 8-bit picture at its original size, before black borders come in
            (Bassi et al. 2025, TEA).
        flip: the film is stored upside down.
        skip_windowing: the pixels are as they should be shown, whatever a header says.
        sidecar: DICOM header in JSON, see `cxrshort.images.dicom.read_json_attributes`; without VOI LUT and window the
            whole range of the stored bits is shown.
        photometric: ``MONOCHROME1`` is inverted; empty leaves it to the sidecar.
        bits_stored: bits that the pixels use; None leaves it to the sidecar. Where unknown, and where a pixel exceeds
            them (the table then describes the DICOM file that was converted), white is the largest value of the file's
            own depth: 65,535, as in DeGrave et al. 2021.
    """

    fit: str = "crop"
    equalise: bool = False
    flip: bool = False
    skip_windowing: bool = False
    sidecar: Path | None = None
    photometric: str = ""
    bits_stored: int | None = None


AS_IT_IS = Treatment()
"""What most files need."""


class ImageError(DataError):
    """Report why a file cannot be used as a radiograph.

    Args:
        reason: a few words from a fixed list ("zero bytes", "truncated"), fit for counting.
        detail: what was found in this file, on one line; may be empty.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = " ".join(detail.split())[:200]
        super().__init__(f"{reason}: {self.detail}" if self.detail else reason)


@dataclass(frozen=True)
class Picture:
    """Hold a decoded file before it is resized.

    Args:
        image: 8-bit grey (mode L) or colour (mode RGB); a large JPEG may be scaled down already.
        height: rows of the original, upright.
        width: columns of the original, upright.
        pixel_spacing_mm: row and column spacing of the original; None where unknown.
    """

    image: Image.Image
    height: int
    width: int
    pixel_spacing_mm: tuple[float, float] | None = None


@dataclass(frozen=True)
class Header:
    """Hold what a header beside a file says of its stored values.

    Args:
        bits_stored: bits that the original's pixels use; 0 where unknown.
        photometric: ``MONOCHROME1``, ``MONOCHROME2`` or empty.
        shown: takes stored values, (N,), through rescale and VOI step: 0 is black, 1 white; None without a VOI step.
            Called with the values and the number of bits that they use.
    """

    bits_stored: int
    photometric: str
    shown: Callable[[NDArray[np.int64], int], NDArray[np.float64] | None]


ReadHeader = Callable[[Path], Header]

NO_HEADER = Header(0, "", lambda values, bits: None)
"""What is known where nothing lies beside the file."""


def open_file(path: Path) -> BinaryIO:
    """Open a regular file of a sensible size for reading.

    Raises:
        ImageError: "missing file", "not a file", "zero bytes", "too large" or "unreadable".
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            raise ImageError("not a file", "a folder, pipe or device")
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise ImageError("missing file") from error
    except OSError as error:
        raise ImageError("unreadable", (error.strerror or "").lower()) from error
    if 0 < status.st_size <= MAX_BYTES:
        return file
    file.close()
    if not status.st_size:
        raise ImageError("zero bytes")
    raise ImageError("too large", f"{status.st_size / 2**20:.0f} MiB, the limit is {MAX_BYTES // 2**20} MiB")


def check_pixel_count(height: int, width: int) -> None:
    """Refuse a picture above `MAX_PIXELS` or `MAX_SIDE`, before memory is taken for it.

    Raises:
        ImageError: "too large".
    """
    if height * width > MAX_PIXELS:
        raise ImageError("too large", f"{width} x {height} pixels, the limit is {MAX_PIXELS // 10**6} megapixels")
    if max(height, width) > MAX_SIDE:
        raise ImageError("too large", f"{width} x {height} pixels, the limit is {MAX_SIDE} a side")


def read_bitmap(
    file: BinaryIO,
    *,
    mode: Literal["L", "RGB"],
    size: int,
    treatment: Treatment = AS_IT_IS,
    read_header: ReadHeader | None = None,
) -> Picture:
    """Read a PNG or JPEG file: alpha on black, luma, 8 bits, upright.

    Args:
        file: the open file.
        mode: ``L`` for radiographs, ``RGB`` for photographs.
        size: side that it will be resized to; a JPEG is decoded at no less than twice that.
        treatment: how stored values are shown; equalising needs a JPEG at its original size, and is not done here.
        read_header: reads the treatment's sidecar; files without need none.

    Raises:
        ImageError: the file is truncated, too large or damaged, or its header cannot be used.
    """
    draft_side = _WHOLE if treatment.equalise else 2 * size
    try:
        image: Image.Image = Image.open(file, formats=("PNG", "JPEG"))
        width, height = image.size
        check_pixel_count(height, width)
        _check_scans(file, image)
        # JPEG only: libjpeg leaves out frequencies that the cache cannot show; twice the size keeps it antialiased.
        image.draft(mode, (draft_side, draft_side))
        image.load()
    except Image.DecompressionBombError as error:
        raise ImageError("too large", str(error)) from error
    except UnidentifiedImageError as error:
        raise ImageError("unreadable", "damaged header") from error
    except (OSError, SyntaxError) as error:
        if "truncated" in str(error):
            raise ImageError("truncated", str(error)) from error
        raise
    rotation = _ROTATIONS.get(_orientation(image))
    image = _flatten(image, mode=mode, treatment=treatment, read_header=read_header)
    if rotation is None:
        return Picture(image, height, width)
    if rotation in _SIDEWAYS:
        height, width = width, height
    return Picture(image.transpose(rotation), height, width)


def _check_scans(file: BinaryIO, image: Image.Image) -> None:
    if image.format != "JPEG":
        return
    place = file.tell()
    file.seek(0)
    scans = file.read().count(b"\xff\xda")
    file.seek(place)
    if scans > _MOST_SCANS:
        raise ImageError("too large", f"{scans} scans, the limit is {_MOST_SCANS}")


def _orientation(image: Image.Image) -> int:
    try:
        value: Any = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # the picture is whole: damaged metadata, of any kind, must not cost it
        return 1
    return value if isinstance(value, int) else 1


def _flatten(
    image: Image.Image,
    *,
    mode: Literal["L", "RGB"],
    treatment: Treatment,
    read_header: ReadHeader | None = None,
) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion would clip at 255
        return _shade(np.asarray(image), treatment, depth=16, read_header=read_header).convert(mode)
    if image.has_transparency_data:
        image = image if image.mode in ("RGBA", "LA") else image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert(mode)
        image = image if alpha.getextrema() == (255, 255) else ImageChops.multiply(image, alpha.convert(mode))
    elif image.mode == "CMYK" or image.mode == "P":
        image = image.convert("RGB")
    image = image.convert(mode)
    if mode == "RGB" or (not treatment.sidecar and not treatment.photometric and not treatment.bits_stored):
        return image
    return _shade(np.asarray(image), treatment, depth=8, read_header=read_header)


def _shade(stored: NDArray[Any], treatment: Treatment, *, depth: int, read_header: ReadHeader | None) -> Image.Image:
    """Return stored values as the grey levels that they stand for."""
    if treatment.skip_windowing:
        treatment = AS_IT_IS
    header = read_header(treatment.sidecar) if treatment.sidecar and read_header else NO_HEADER
    return Image.fromarray(look_up(_grey_levels(treatment, header, depth=depth, brightest=int(stored.max())), stored))


def look_up(levels: NDArray[np.uint8], index: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the level of each pixel; indices outside take the first or last level.

    Done in pieces, since NumPy turns every index into 8 bytes: 800 MB for the largest picture.
    """
    shown = np.empty(index.shape, np.uint8)
    step = max(1, _TABLE_ROWS // index.shape[1])
    for start in range(0, len(index), step):
        block = slice(start, start + step)
        np.take(levels, index[block], out=shown[block], mode="clip")
    return shown


def _grey_levels(treatment: Treatment, header: Header, *, depth: int, brightest: int) -> NDArray[np.uint8]:
    """Return the grey level of each value that ``depth`` bits can hold."""
    values = np.arange(1 << depth)
    bits = treatment.bits_stored or header.bits_stored or depth
    # Pixels with fewer bits than were stored are not the stored values: they have been through the window already.
    shown = header.shown(values, bits) if bits <= depth else None
    if shown is None:
        shown = values / (2 ** (bits if 1 <= bits <= depth and brightest < 2**bits else depth) - 1)
    photometric = treatment.photometric or header.photometric
    levels = np.rint(np.clip(shown, 0, 1) * 255)
    return (255 - levels if photometric.strip().upper() == "MONOCHROME1" else levels).astype(np.uint8)
