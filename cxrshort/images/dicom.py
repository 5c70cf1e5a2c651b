"""DICOM files to 8-bit pictures, in the order of the standard (PS3.3 C.7.6.3, C.11): stored value, modality, VOI.

Headers in JSON (PS3.18 annex F), which archives keep beside PNG files, go through the same steps.

Every step maps one stored value to one grey level, so the steps are computed once for each possible stored value (at
most 65,536) and looked up for the pixels; this is exact, and quicker than windowing millions of pixels in float.

What would invalidate the grey levels: a vendor whose header contradicts its pixels (``Fake_MONOHR1.dcm`` of
TorchXRayVision). Nothing in the file tells; corrections by name are the caller's.
"""

import base64
import json
import struct
import zlib
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.encaps import get_frame
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_windowing
from pydicom.pixels.utils import pixel_array
from pydicom.uid import DeflatedExplicitVRLittleEndian, MediaStorageDirectoryStorage

from cxrshort.images.raster import MAX_BYTES, Header, ImageError, Picture, check_pixel_count, look_up, open_file

_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
_PIECE = 2**16  # bytes inflated at a time; they become 64 MiB at most
_LONGEST_HEADER = 16 * 2**20  # bytes; a lookup table of 65,536 entries takes 0.5 MiB as JSON
_IN_JSON = {
    "PhotometricInterpretation": "unreadable header",
    "BitsStored": "unreadable header",
    "RescaleIntercept": "invalid rescale",
    "RescaleSlope": "invalid rescale",
    "ModalityLUTSequence": "invalid lookup table",
    "WindowCenter": "invalid window",
    "WindowWidth": "invalid window",
    "VOILUTFunction": "invalid window",
    "VOILUTSequence": "invalid lookup table",
}
"""Attributes that are taken from a header in JSON, and what is said of a file where one cannot be read."""


def looks_like_dicom(head: bytes) -> bool:
    """Return whether the first 132 bytes of a file are those of DICOM.

    Old archives hold files without the preamble. Those begin with an element of group 0002 or 0008, little endian,
    and are then required to name an SOP class or pixels by `read_dicom`.
    """
    return head[128:132] == b"DICM" or (len(head) >= 8 and head[:2] in (b"\x02\x00", b"\x08\x00") and head[3] == 0)


def read_dicom(file: BinaryIO, *, mode: Literal["L", "RGB"], windowing: bool = True) -> Picture:
    """Read a DICOM radiograph as it is meant to be shown, white on black.

    Modality LUT or rescale (absent: identity), then the first VOI LUT, else the first window with its function, and
    MONOCHROME1 inverted. The range of the VOI step becomes 0 to 255. Without a VOI step, pictures of at most 8 stored
    bits are shown as stored, and deeper ones from their own minimum to their own maximum (pixel padding left out),
    because 16 stored bits often hold 10 or 12.

    Args:
        file: the open file.
        mode: ``L`` for radiographs; colour becomes luma.
        windowing: False shows the stored values as they are: no rescale, no VOI step, no inversion.

    Raises:
        ImageError: "DICOMDIR", "no pixel data", "multi-frame", "too large", "invalid window", "unreadable" and others.
    """
    dataset = _read_dataset(file)
    _check(dataset)
    stored = pixel_array(dataset)
    if dataset.SamplesPerPixel == 1 and dataset.PhotometricInterpretation in _MONOCHROME:
        image = Image.fromarray(_grey(stored, dataset, windowing=windowing))
    else:
        image = Image.fromarray(_colour(stored, dataset))
    return Picture(image.convert(mode), int(dataset.Rows), int(dataset.Columns), _pixel_spacing(dataset))


def _read_dataset(file: BinaryIO) -> pydicom.Dataset:
    check_deflated_size(file)
    try:
        return pydicom.dcmread(file)
    except InvalidDicomError:
        file.seek(0)
    dataset = pydicom.dcmread(file, force=True)
    if "SOPClassUID" not in dataset and "PixelData" not in dataset:
        raise ImageError("not an image", "neither PNG nor JPEG nor DICOM")
    return dataset


def check_deflated_size(file: BinaryIO) -> None:
    """Refuse a deflated DICOM file that inflates to more than `MAX_BYTES`; leaves the file at its beginning.

    Raises:
        ImageError: "too large".
    """
    head = file.read(4096)
    if DeflatedExplicitVRLittleEndian.encode() in head and head[128:132] == b"DICM":
        # pydicom inflates without a limit. The value of the first element is the length of what precedes the stream.
        file.seek(144 + int.from_bytes(head[140:144], "little"))
        inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while not inflater.eof and (piece := file.read(_PIECE)):
            size += len(inflater.decompress(piece))
            if size > MAX_BYTES:
                raise ImageError("too large", f"inflates to more than {MAX_BYTES // 2**20} MiB")
    file.seek(0)


def _check(dataset: pydicom.Dataset) -> None:
    meta = getattr(dataset, "file_meta", {})
    if meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage or "DirectoryRecordSequence" in dataset:
        raise ImageError("DICOMDIR", "a directory of other files")
    if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
        raise ImageError("unreadable", "floating-point pixels")
    if not dataset.get("PixelData"):
        raise ImageError("no pixel data")
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise ImageError("multi-frame", f"{dataset.NumberOfFrames} frames")
    if dataset.BitsAllocated > 16:
        raise ImageError("unreadable", f"{dataset.BitsAllocated} bits allocated")
    check_pixel_count(dataset.Rows, dataset.Columns)
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        check_pixel_count(*_codestream_sides(get_frame(dataset.PixelData, 0, number_of_frames=1)))
        return
    expected = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated // 8
    if dataset.PhotometricInterpretation != "YBR_FULL_422" and len(dataset.PixelData) < expected:
        raise ImageError("truncated", f"{len(dataset.PixelData)} of {expected} bytes of pixels")


def _codestream_sides(frame: bytes) -> tuple[int, int]:
    """Return height and width as the compressed stream itself states them; a decoder allocates those, not the header's.

    Zeros where the stream is neither JPEG, JPEG-LS nor JPEG 2000 (RLE states none).
    """
    start = frame.find(b"\xff\x4f\xff\x51")  # JPEG 2000: SOC, SIZ (ISO 15444-1 A.5.1), perhaps within a JP2 file
    if 0 <= start < 4096 and len(frame) >= start + 42:
        width, height, left, top = struct.unpack_from(">4I", frame, start + 8)
        (components,) = struct.unpack_from(">H", frame, start + 40)
        if components > 4:
            raise ImageError("unreadable", f"{components} colour components")
        return height - top, width - left
    position = 2
    while frame.startswith(b"\xff\xd8") and position + 9 <= len(frame):  # JPEG: SOI, then segments up to a frame header
        marker = frame[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) or marker == 0xF7:
            height, width = struct.unpack_from(">2H", frame, position + 5)
            return height, width
        position += 2 + int.from_bytes(frame[position + 2 : position + 4], "big")
    return 0, 0


def _grey(stored: NDArray[Any], dataset: pydicom.Dataset, *, windowing: bool) -> NDArray[np.uint8]:
    lowest = -(1 << (dataset.BitsStored - 1)) if dataset.PixelRepresentation else 0
    index = stored if lowest == 0 else stored.astype(np.int32) - lowest
    values = np.arange(lowest, lowest + (1 << dataset.BitsStored))
    with np.errstate(all="ignore"):
        shown, low, high = (_shown if windowing else _own_range)(values, dataset, index=index)
        table = np.rint(np.clip((shown - low) / (high - low), 0, 1) * 255) if high != low else np.zeros(len(shown))
    if not np.isfinite(table).all():
        raise ImageError("unreadable", "the rescale or window gives values that are not finite")
    if dataset.PhotometricInterpretation == "MONOCHROME1" and windowing:
        table = 255 - table
    return look_up(table.astype(np.uint8), index)


def _shown(
    values: NDArray[np.int64], dataset: pydicom.Dataset, *, index: NDArray[Any]
) -> tuple[NDArray[np.float64], float, float]:
    """Take stored values through the modality and VOI steps; return them with the values for black and white."""
    shown = _modality(values, dataset)
    return _voi(shown, dataset) or _own_range(shown, dataset, index=index)


def _modality(values: NDArray[np.int64], dataset: pydicom.Dataset) -> NDArray[np.float64]:
    """Apply the modality LUT, else the rescale; identity without either (PS3.3 C.11.1)."""
    if dataset.get("ModalityLUTSequence"):
        shown, _ = _look_up(values, dataset.ModalityLUTSequence[0], dataset)
        return shown
    return np.asarray(apply_modality_lut(values, dataset), dtype=np.float64)


def _voi(shown: NDArray[np.float64], dataset: pydicom.Dataset) -> tuple[NDArray[np.float64], float, float] | None:
    """Apply the first VOI LUT, else the first window (PS3.3 C.11.2); None without either.

    White of a table is the largest number of the stated bits, the fewer of BitsStored and the table's own, since
    vendors state 16 for tables of 12; a table that holds more is believed.
    """
    if dataset.get("VOILUTSequence"):
        item = dataset.VOILUTSequence[0]
        looked_up, largest = _look_up(shown, item, dataset)
        bits = max(min(int(item.LUTDescriptor[2]), int(dataset.BitsStored)), largest.bit_length())
        return looked_up, 0.0, float((1 << bits) - 1)
    if not _has_window(dataset):
        return None
    try:
        low, high = apply_windowing(np.array([-np.inf, np.inf]), dataset)
        return apply_windowing(shown, dataset), low, high
    except ValueError as error:
        raise ImageError("invalid window", str(error)) from error


def _own_range(
    shown: NDArray[Any], dataset: pydicom.Dataset, *, index: NDArray[Any]
) -> tuple[NDArray[np.float64], float, float]:
    """Return values with the range of what 8 bits can hold, or of the picture's own pixels where they are deeper."""
    if dataset.BitsStored <= 8:
        return shown, min(shown[0], shown[-1]), max(shown[0], shown[-1])
    ends = shown[_range_without_padding(index, dataset)]
    return shown, ends.min(), ends.max()


def _look_up(values: NDArray[Any], item: pydicom.Dataset, dataset: pydicom.Dataset) -> tuple[NDArray[np.float64], int]:
    """Apply a lookup table (PS3.3 C.11.1.1.1); values outside take its first or last entry. Return its largest too.

    Not pydicom's own, which wraps at 256 where a table of more entries gives 8 bits.
    """
    try:
        count, first, _ = item.LUTDescriptor
        data = item.LUTData
        if isinstance(data, bytes):
            narrow = len(data) < 2 * (count or 1 << 16)
            little_endian = dataset.original_encoding[1] is not False
            entries = np.frombuffer(data, np.uint8 if narrow else "<u2" if little_endian else ">u2")
        else:
            entries = np.asarray(data)
        entries = entries[: count or 1 << 16]
        index = np.clip(np.rint(values) - first, 0, len(entries) - 1).astype(np.int64)
        looked_up: NDArray[np.float64] = entries[index].astype(np.float64)
        return looked_up, int(entries.max())
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ImageError("invalid lookup table", str(error)) from error


def _has_window(dataset: pydicom.Dataset) -> bool:
    center, width = (
        value[0] if isinstance(value, MultiValue) and value else value
        for value in (dataset.get("WindowCenter"), dataset.get("WindowWidth"))
    )
    if center in (None, "") or width in (None, "") or isinstance(center, MultiValue) or isinstance(width, MultiValue):
        return False
    if not (np.isfinite(float(center)) and np.isfinite(float(width))):
        raise ImageError("invalid window", f"center {center}, width {width}")
    return True


def _range_without_padding(index: NDArray[Any], dataset: pydicom.Dataset) -> list[int]:
    padding = dataset.get("PixelPaddingValue")
    if padding is not None:
        lowest = -(1 << (dataset.BitsStored - 1)) if dataset.PixelRepresentation else 0
        ends = [int(value) - lowest for value in (padding, dataset.get("PixelPaddingRangeLimit", padding))]
        unpadded = index[(index < min(ends)) | (index > max(ends))]
        index = unpadded if unpadded.size else index
    return [int(index.min()), int(index.max())]


def _colour(stored: NDArray[Any], dataset: pydicom.Dataset) -> NDArray[np.uint8]:
    bits = int(dataset.BitsStored)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)
        bits = 8 * stored.dtype.itemsize
    if stored.ndim != 3 or stored.shape[2] != 3:
        raise ImageError("unreadable", f"photometric interpretation '{dataset.PhotometricInterpretation}'")
    return (stored >> max(bits - 8, 0)).astype(np.uint8)


def _pixel_spacing(dataset: pydicom.Dataset) -> tuple[float, float] | None:
    spacing = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing")
    try:
        rows, columns = (float(value) for value in spacing)
    except (TypeError, ValueError):
        return None
    return (rows, columns) if 0 < rows < np.inf and 0 < columns < np.inf else None


def read_json_attributes(path: Path) -> Header:
    """Read a DICOM header in JSON, such as those of BIMCV-COVID-19, which name no value representations.

    A slope or intercept that stands alone counts, unlike in DICOM files, where both are required.

    Raises:
        ImageError: "unreadable header", or "invalid" rescale, window or lookup table.
    """
    dataset = pydicom.Dataset()
    stated = _read_json(path)
    for keyword, reason in _IN_JSON.items():
        try:
            attribute = pydicom.Dataset.from_json(_standard(stated, keyword))
            dataset.update({element.tag: element for element in attribute if not element.is_empty})
        except Exception as error:  # pydicom's converters raise what the values make Python raise
            raise ImageError(reason, str(error)) from error
    dataset.RescaleSlope, dataset.RescaleIntercept = dataset.get("RescaleSlope", 1), dataset.get("RescaleIntercept", 0)
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0  # of the values that follow
    return Header(int(dataset.get("BitsStored", 0)), photometric, partial(_shown_by_header, dataset))


def _shown_by_header(dataset: pydicom.Dataset, values: NDArray[np.int64], bits: int) -> NDArray[np.float64] | None:
    dataset.BitsStored = bits
    with np.errstate(all="ignore"):
        shown = _modality(values, dataset)
        if not np.isfinite(shown).all():
            words = f"slope {dataset.get('RescaleSlope')}, intercept {dataset.get('RescaleIntercept')}"
            raise ImageError("invalid rescale", words)
        voi = _voi(shown, dataset)
        return None if voi is None else np.asarray((voi[0] - voi[1]) / (voi[2] - voi[1]))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        with open_file(path) as file:
            stated = json.loads(file.read(_LONGEST_HEADER))
    except (ImageError, OSError, ValueError, RecursionError) as error:
        raise ImageError("unreadable header", str(error)) from error
    if not isinstance(stated, dict):
        raise ImageError("unreadable header", "not a table of DICOM attributes")
    return stated


def _standard(stated: dict[str, Any], keyword: str) -> dict[str, Any]:
    """Return one attribute as the standard writes it: with its representation, and its values in a list."""
    tag = f"{tag_for_keyword(keyword):08X}"
    attribute = stated.get(tag)
    if isinstance(attribute, dict) and "InlineBinary" in attribute:
        return {tag: {"vr": "OW", "InlineBinary": attribute["InlineBinary"]}}
    value = attribute.get("Value") if isinstance(attribute, dict) else attribute
    values = value if isinstance(value, list) else [] if value is None else [value]
    vr = dictionary_VR(tag)
    if vr == "SQ":
        values = [_standard_table(item) for item in values[:1] if isinstance(item, dict)]
    return {tag: {"vr": vr[:2], "Value": values}}  # "US or SS": the descriptor is read alike as either


def _standard_table(item: dict[str, Any]) -> dict[str, Any]:
    descriptor, data = _standard(item, "LUTDescriptor"), _standard(item, "LUTData")
    (count, *_), (entries,) = descriptor["00283002"].get("Value") or [0], data.values()
    if count and len(entries.get("Value", [])) == count:
        # Packed, since pydicom takes 2 microseconds to check a number: 10 ms of a film's 50.
        packed = np.asarray(entries["Value"], dtype="<u2").tobytes()
        data = {"00283006": {"vr": "OW", "InlineBinary": base64.b64encode(packed).decode()}}
    return descriptor | data
