"""Files that nobody should send and somebody will: each function returns file names with their bytes."""

import struct
import warnings
import zlib
from io import BytesIO

import numpy as np
from PIL import Image
from pydicom import dcmwrite
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    MediaStorageDirectoryStorage,
    RLELossless,
)

from .images.test_decoding import png
from .images.test_dicom import dicom, lossless_jpeg

SIDE = 40
NOISE = np.random.default_rng(4).integers(0, 4096, (SIDE, SIDE), dtype=np.uint16)
SHALLOW = (NOISE >> 4).astype(np.uint8)
Files = dict[str, bytes]


def bitmap(kind: str, **options) -> bytes:
    buffer = BytesIO()
    Image.fromarray(SHALLOW).save(buffer, kind, **options)
    return buffer.getvalue()


def packed(film: FileDataset) -> bytes:
    buffer = BytesIO()
    dcmwrite(buffer, film, enforce_file_format=True)
    return buffer.getvalue()


def film(syntax: str = "", **elements) -> bytes:
    """Return a DICOM file of noise in a transfer syntax, by default uncompressed."""
    if syntax == JPEGBaseline8Bit:
        made = encapsulated(dicom(SHALLOW, syntax=syntax), bitmap("JPEG"))
    elif syntax == JPEGLosslessSV1:
        made = encapsulated(dicom(NOISE, syntax=syntax, bits=12), lossless_jpeg(NOISE, bits=12))
    elif syntax == DeflatedExplicitVRLittleEndian:
        made = dicom(NOISE, syntax=syntax, bits=12)
    else:
        made = dicom(NOISE, bits=12)
        if syntax:
            made.compress(syntax)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom frowns on the faults that these files are made to have
        made.update(elements)
        return packed(made)


def encapsulated(made: FileDataset, stream: bytes) -> FileDataset:
    made.PixelData = encapsulate([stream])
    made["PixelData"].VR = "OB"
    return made


def good() -> Files:
    """Return one file of each kind; hostile texts in a header are no reason to refuse a film."""
    return {
        "plain.png": bitmap("PNG"),
        "baseline.jpg": bitmap("JPEG"),
        "progressive.jpeg": bitmap("JPEG", progressive=True),
        "plain.dcm": film(WindowCenter=2000, WindowWidth=4000),
        "runs.dcm": film(RLELossless),
        "wavelet.dcm": film(JPEG2000Lossless),
        "lossy.dcm": film(JPEGBaseline8Bit),
        "lossless.dcm": film(JPEGLosslessSV1),
        "deflated.dcm": film(DeflatedExplicitVRLittleEndian),
        "traversal.dcm": film(PatientID="../../../etc/passwd", Manufacturer="=cmd|'/c calc'!A1", StudyDate="../../.."),
        "control.dcm": film(PatientID='a\x1b[31m\x07b,"c"', SOPInstanceUID="/etc/passwd"),
    }


def truncated(whole: Files, *, pieces: int) -> Files:
    """Cut every good file at many places: in its signature, header, tables, pixels; the last bytes hold no pixels."""
    cut = {}
    for name, data in whole.items():
        for length in sorted({1, 2, 3, 7, 131, 133, *np.linspace(8, len(data) - 30, pieces, dtype=int).tolist()}):
            cut[f"cut-{length}-{name}"] = data[:length]
    return cut


def not_images() -> Files:
    bodies = {
        "page": b"<!DOCTYPE html><html>login</html>",
        "gif": b"GIF89a" + bytes(60),
        "tiff": b"II*\0" + bytes(60),
        "webp": b"RIFF\x20\0\0\0WEBPVP8 " + bytes(60),
        "bmp": b"BM" + bytes(60),
        "pdf": b"%PDF-1.7\n" + bytes(60),
        "zip": b"PK\x03\x04" + bytes(60),
        "program": b"\x7fELF" + bytes(60),
        "script": b"%!PS-Adobe-3.0 EPSF\n" + bytes(60),
        "text": "películas".encode("utf-16"),
        "zeros": bytes(300),
        "png-signature": b"\x89PNG\r\n\x1a\n",
        "jpeg-signature": b"\xff\xd8\xff",
        "dicom-signature": bytes(128) + b"DICM",
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "empty": b"",
    }
    return {f"{name}{suffix}": body for name, body in bodies.items() for suffix in (".png", ".jpg", ".dcm")}


def bombs() -> Files:
    """Return small files that ask for much memory or time."""
    black = zlib.compress(bytes(10**6))
    jpeg = bitmap("JPEG", progressive=True)
    last_scan = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    sides = jpeg.index(b"\xff\xc2") + 5
    text = b"\x89PNG\r\n\x1a\n" + png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8)))
    wavelet = film(JPEG2000Lossless)
    components = wavelet.index(b"\xff\x4f\xff\x51") + 40
    return {
        "above-limit.png": png(10_001, 10_000, data=black),
        "largest.png": png(2**31 - 1, 2**31 - 1, data=black),
        "no-rows.png": png(64, 0, data=black),
        "one-pixel.png": png(1, 1, data=zlib.compress(b"\0\7")),
        "line.png": png(10**8, 1, data=black),
        "column.png": png(1, 10**8, data=black),
        "at-limit-16-bit.png": png(10_000, 10_000, depth=16, data=deflated_zeros(20_001, 10_000)),
        "at-limit-rgba.png": png(10_000, 10_000, colour=6, data=deflated_zeros(40_001, 10_000)),
        "text.png": text + bitmap("PNG")[8:-20],
        "scans.jpg": jpeg[:-2] + 5000 * last_scan + jpeg[-2:],
        "largest.jpg": jpeg[:sides] + b"\xff\xff\xff\xff" + jpeg[sides + 4 :],
        "largest.dcm": film(Rows=65535, Columns=65535),
        "largest-runs.dcm": film(RLELossless, Rows=65535, Columns=65535),
        "components.dcm": wavelet[:components] + b"\x40\0" + wavelet[components + 2 :],
        "inflating.dcm": deflate_bomb(),
        "samples.dcm": film(SamplesPerPixel=60000),
        "lying-stream.dcm": packed(encapsulated(dicom(SHALLOW, syntax=JPEGBaseline8Bit), lying_jpeg())),
    }


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def deflated_zeros(row: int, rows: int) -> bytes:
    """Return ``row * rows`` zeros compressed, quickly: one block again and again."""
    block = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = block.compress(bytes(row * rows // 100)) + block.flush(zlib.Z_FULL_FLUSH)
    checksum = struct.pack(">2H", row * rows % 65521, 1)  # Adler-32 of zeros
    return b"\x78\xda" + 100 * body + b"\x03\x00" + checksum


def deflate_bomb() -> bytes:
    whole = film(DeflatedExplicitVRLittleEndian)
    start = 144 + int.from_bytes(whole[140:144], "little")
    return whole[:start] + deflated_zeros(6 * 10**6, 100)[2:-4]


def lying_jpeg() -> bytes:
    jpeg = bitmap("JPEG")
    sides = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:sides] + b"\xff\xff\xff\xff" + jpeg[sides + 4 :]


def odd_dicom() -> Files:
    """Return DICOM files whose headers cannot be meant."""
    windowed = film(WindowCenter="1000", WindowWidth="2000")
    window = b"\x28\x00\x51\x10DS\x04\x002000"
    changed = {
        f"width-{text.strip()}.dcm": windowed.replace(window, window[:-4] + text.encode())
        for text in ("nan ", "inf ", "-inf", "-500", "0   ", "1e-9", "abc ")
    }
    frames, directory = dicom(NOISE, bits=12), dicom(NOISE, bits=12)
    frames.NumberOfFrames = 3
    directory.file_meta.MediaStorageSOPClassUID = directory.SOPClassUID = MediaStorageDirectoryStorage
    no_pixels = dicom(NOISE, bits=12)
    del no_pixels.PixelData
    unknown = dicom(NOISE, bits=12)
    unknown.file_meta.TransferSyntaxUID = "1.2.3.4.5"
    tags = {
        "allocated-32": {"BitsAllocated": 32},
        "allocated-7": {"BitsAllocated": 7},
        "stored-99": {"BitsStored": 99},
        "stored-0": {"BitsStored": 0},
        "no-rows": {"Rows": 0},
        "more-rows": {"Rows": SIDE + 1},
        "photometric": {"PhotometricInterpretation": "HSV"},
        "no-photometric": {"PhotometricInterpretation": ""},
        "slope-nan": {"RescaleSlope": "nan", "RescaleIntercept": "0"},
        "slope-0": {"RescaleSlope": "0", "RescaleIntercept": "0"},
    }
    whole = film()
    pixels = whole.index(b"\xe0\x7f\x10\x00OW\0\0")
    deep = b"\x40\x00\x75\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return {
        **changed,
        **{f"{name}.dcm": film(**elements) for name, elements in tags.items()},
        "frames.dcm": packed(frames),
        "DICOMDIR.dcm": packed(directory),
        "no-pixels.dcm": packed(no_pixels),
        "unknown-syntax.dcm": packed(unknown),
        "huge-length.dcm": whole[: pixels + 8] + b"\xf0\xff\xff\xff" + whole[pixels + 12 : -200],
        "huge-text.dcm": whole[:pixels] + b"\x10\x00\x10\x00UN\0\0\xf0\xff\xff\x7f" + whole[pixels:],
        "nested.dcm": whole[:pixels] + 5000 * deep + whole[pixels:],
        "constant.dcm": packed(dicom(np.full((SIDE, SIDE), 7, np.uint16), bits=12)),
    }


def tables() -> Files:
    """Return CSV tables that lists of images come in, by what is wrong with them."""
    return {
        "latin-1": "path,patient_id\nplain.png,Núñez\n".encode("latin-1"),
        "utf-16": "path,patient_id\nplain.png,a\n".encode("utf-16"),
        "bytes": bytes(range(256)) * 4,
        "same column twice": b"path,patient_id,path\nplain.png,a,baseline.jpg\n",
        "10 MB cell": b"path,patient_id\nplain.png," + b"x" * 10**7 + b"\n",
        "10 MB path": b"path,patient_id\n" + b"y" * 10**7 + b".png,a\nplain.png,b\n",
        "10 MB header": b"path," + b"z" * 10**7 + b"\nplain.png,a\n",
        "open quote": b'path,patient_id\nplain.png,"a\n',
        "ragged": b"path,patient_id\nplain.png,a,b,c\n",
        "empty": b"",
        "header only": b"path,patient_id\n",
        "zeros": b"path,patient_id\nplain.png,a\0b\n",
        "formula": b"path,patient_id\nplain.png,\"=cmd|'/c calc'!A1\"\n",
        "one file twice": b"path,patient_id\nplain.png,a\nplain.png,b\n",
        "labels": b"path,COVID-19,age_years,sex\nplain.png,9e99,nan,\xff\nbaseline.jpg,yes,-3,M\n",
    }
