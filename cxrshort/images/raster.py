"""PNG and JPEG files to 8-bit pictures, and what every reader of image files shares: errors, limits, treatments.

Radiographs in PNG hold the detector's values more often than a picture. A DICOM header in JSON (PS3.18 annex F) beside
the file, as BIMCV-COVID-19 has it, then says how they are shown: rescale, VOI LUT or window, MONOCHROME1 inverted.
Every step maps one stored value to one grey level, so it is computed once for each possible value.
"""

import base64
import json
import math
import stat
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
_LONGEST_HEADER = 16 * 2**20  # bytes; a lookup table of 65,536 entries takes 0.5 MiB as JSON
_MOST_SCANS = 100  # of a JPEG; encoders write about 10, and 141 bytes cost 0.1 s in the largest picture
_WHOLE = 1 << 20  # a wanted side at which no decoder scales down
_TABLE_ROWS = 1 << 20  # pixels looked up at a time

_BITS_STORED = "00280101"
_PHOTOMETRIC = "00280004"
_WINDOW_CENTER = "00281050"
_VOI_FUNCTION = "00281056"
_WINDOW_WIDTH = "00281051"
_RESCALE_INTERCEPT = "00281052"
_RESCALE_SLOPE = "00281053"
_LUT_DESCRIPTOR = "00283002"
_LUT_DATA = "00283006"
_VOI_LUT = "00283010"
"""Attributes of a header in JSON, by tag."""

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
    """Say what one file needs to become the picture that a person should see; the defaults ask for nothing special.

    ``sidecar``, ``photometric`` and ``bits_stored`` are for grey PNG and JPEG: DICOM files say it themselves.

    Args:
        fit: ``crop``, ``pad`` or ``squash``, see `cxrshort.images.placement.place`.
        equalise: flatten the histogram of the 8-bit picture at its original size, before black borders come in
            (Bassi et al. 2025, TEA).
        flip: the film is stored upside down.
        skip_windowing: the pixels are as they should be shown, whatever a header says.
        sidecar: DICOM header in JSON; its rescale (absent: identity), then its first VOI LUT, else its first window
            apply. Without either the whole range of the stored bits is shown.
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
    """Say why one file is not a radiograph that can be used.

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


def open_file(path: Path) -> BinaryIO:
    """Open a regular file of a sensible size for reading.

    Raises:
        ImageError: "missing file", "not a file", "zero bytes", "too large" or "unreadable".
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
            raise ImageError("not a file", "a folder, pipe or device")
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise ImageError("missing file") from error
    except OSError as error:
        raise ImageError("unreadable", (error.strerror or "").lower()) from error
    if 0 < found.st_size <= MAX_BYTES:
        return file
    file.close()
    if not found.st_size:
        raise ImageError("zero bytes")
    raise ImageError("too large", f"{found.st_size / 2**20:.0f} MiB, the limit is {MAX_BYTES // 2**20} MiB")


def check_pixel_count(height: int, width: int) -> None:
    """Refuse a picture above `MAX_PIXELS` or `MAX_SIDE`, before memory is taken for it.

    Raises:
        ImageError: "too large".
    """
    if height * width > MAX_PIXELS:
        raise ImageError("too large", f"{width} x {height} pixels, the limit is {MAX_PIXELS // 10**6} megapixels")
    if max(height, width) > MAX_SIDE:
        raise ImageError("too large", f"{width} x {height} pixels, the limit is {MAX_SIDE} a side")


def read_bitmap(file: BinaryIO, *, mode: Literal["L", "RGB"], size: int, treatment: Treatment = AS_IT_IS) -> Picture:
    """Read a PNG or JPEG file: alpha on black, luma, 8 bits, upright.

    Args:
        file: the open file.
        mode: ``L`` for radiographs, ``RGB`` for photographs.
        size: side that it will be resized to; a JPEG is decoded at no less than twice that.
        treatment: how stored values are shown; equalising needs a JPEG at its original size, and is not done here.

    Raises:
        ImageError: the file is truncated, too large or damaged, or its header cannot be used.
    """
    wanted = _WHOLE if treatment.equalise else 2 * size
    try:
        image: Image.Image = Image.open(file, formats=("PNG", "JPEG"))
        width, height = image.size
        check_pixel_count(height, width)
        _check_scans(file, image)
        # JPEG only: libjpeg leaves out frequencies that the cache cannot show; twice the size keeps it antialiased.
        image.draft(mode, (wanted, wanted))
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
    image = _flatten(image, mode=mode, treatment=treatment)
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


def _flatten(image: Image.Image, *, mode: Literal["L", "RGB"], treatment: Treatment) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion would clip at 255
        return _shade(np.asarray(image), treatment, depth=16).convert(mode)
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
    return _shade(np.asarray(image), treatment, depth=8)


def _shade(stored: NDArray[Any], treatment: Treatment, *, depth: int) -> Image.Image:
    """Return stored values as the grey levels that they stand for."""
    return Image.fromarray(look_up(_grey_levels(treatment, depth=depth, brightest=int(stored.max())), stored))


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


def _grey_levels(treatment: Treatment, *, depth: int, brightest: int) -> NDArray[np.uint8]:
    """Return the grey level of each value that ``depth`` bits can hold."""
    values = np.arange(1 << depth, dtype=np.float64)
    if treatment.skip_windowing:
        treatment = AS_IT_IS
    header = _read_header(treatment.sidecar) if treatment.sidecar else {}
    bits = treatment.bits_stored or _number(header, _BITS_STORED, depth)
    # Pixels with fewer bits than were stored are not the stored values: they have been through the window already.
    shown = _windowed(values, header, bits) if bits <= depth else None
    if shown is None:
        shown = values / (2 ** (bits if 1 <= bits <= depth and brightest < 2**bits else depth) - 1)
    photometric = treatment.photometric or str(_first(header, _PHOTOMETRIC))
    levels = np.rint(np.clip(shown, 0, 1) * 255)
    return (255 - levels if photometric.strip().upper() == "MONOCHROME1" else levels).astype(np.uint8)


def _windowed(values: NDArray[np.float64], header: dict[str, Any], bits: float) -> NDArray[np.float64] | None:
    """Return values from 0 (black) to 1 (white), or outside; None where the header has neither table nor window."""
    slope, intercept = _number(header, _RESCALE_SLOPE, 1), _number(header, _RESCALE_INTERCEPT, 0)
    rescaled = values * slope + intercept
    if not np.isfinite(rescaled).all():
        raise ImageError("invalid rescale", f"slope {slope:g}, intercept {intercept:g}")
    table = _first(header, _VOI_LUT)
    if isinstance(table, dict):
        return _through_table(rescaled, table, bits)
    if "" in (_first(header, _WINDOW_CENTER), _first(header, _WINDOW_WIDTH)):
        return None
    center, width = _number(header, _WINDOW_CENTER, math.nan), _number(header, _WINDOW_WIDTH, math.nan)
    if not (math.isfinite(center) and math.isfinite(width) and width > 0):
        raise ImageError("invalid window", f"center {center:g}, width {width:g}")
    return _through_window(rescaled, center, width, str(_first(header, _VOI_FUNCTION)).strip().upper())


def _through_window(values: NDArray[np.float64], center: float, width: float, function: str) -> NDArray[np.float64]:
    """Apply a window (PS3.3 C.11.2.1.2 and C.11.2.1.3): linear unless the header says another function."""
    if function == "SIGMOID":
        shown: NDArray[np.float64] = 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700)))
        return shown
    if function == "LINEAR_EXACT":
        return (values - center) / width + 0.5
    if width <= 1:  # the standard has no narrower ones
        return np.where(values > center - 0.5, 1.0, 0.0)
    return (values - (center - 0.5)) / (width - 1) + 0.5


def _through_table(values: NDArray[np.float64], table: dict[str, Any], bits: float) -> NDArray[np.float64]:
    """Apply a VOI LUT (PS3.3 C.11.2.1.1): values outside take its first or last entry.

    White is the largest number of the stated bits, the fewer of BitsStored and the table's own, since vendors state
    16 for tables of 12; a table that holds more is believed.
    """
    try:
        descriptor = [int(each) for each in _values(table, _LUT_DESCRIPTOR)]
        entries = np.asarray(_entries(table), dtype=np.float64)
        first, stated = descriptor[1], min(descriptor[2], int(bits))
        white = 2 ** max(stated, int(entries.max()).bit_length()) - 1
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise ImageError("invalid lookup table", str(error)) from error
    index = np.clip(np.rint(values) - first, 0, len(entries) - 1).astype(np.int64)
    looked_up: NDArray[np.float64] = entries[index] / white
    return looked_up


def _entries(table: dict[str, Any]) -> Any:
    data = table.get(_LUT_DATA)
    if isinstance(data, dict) and "InlineBinary" in data:
        return np.frombuffer(base64.b64decode(data["InlineBinary"]), "<u2")
    return _values(table, _LUT_DATA)


def _read_header(path: Path) -> dict[str, Any]:
    try:
        with open_file(path) as file:
            header = json.loads(file.read(_LONGEST_HEADER))
    except (ImageError, OSError, ValueError, RecursionError) as error:
        raise ImageError("unreadable header", str(error)) from error
    if not isinstance(header, dict):
        raise ImageError("unreadable header", "not a table of DICOM attributes")
    return header


def _values(header: dict[str, Any], tag: str) -> list[Any]:
    attribute = header.get(tag)
    value = attribute.get("Value") if isinstance(attribute, dict) else attribute
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _first(header: dict[str, Any], tag: str) -> Any:
    """Return the first value of an attribute, ``""`` where there is none."""
    values = _values(header, tag)
    return "" if not values or values[0] is None else values[0]


def _number(header: dict[str, Any], tag: str, default: float) -> float:
    """Return the first value of an attribute: ``default`` where there is none, NaN where it is not a number."""
    value = _first(header, tag)
    if value == "":
        return default
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
