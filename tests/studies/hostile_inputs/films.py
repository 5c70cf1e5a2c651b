"""A user's own folders: damaged pictures and DICOM files, hostile names, links and tables."""

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from .base import copy
from .case import DATA, DONE, HANDLED, MISSING, Case
from .values import ESCAPE, TEXTS

BUILD = ("--size", "16", "--replicates", "1", "--jobs", "1", "--out", "out")


def cases(bases: Path, rng: Random) -> Iterator[Case]:
    """Yield the cases."""
    every = {**pictures(), **_dicoms()}
    for name, data in every.items():
        yield beside(bases, name, lambda folder, data=data: (folder / "bad.png").write_bytes(data))
        yield _alone(name, data)
    sound = {"png": _png(), "jpg": _bitmap("JPEG"), "dcm": _dicom()}
    for suffix, data in sound.items():
        for _ in range(15):
            yield beside(bases, f"{suffix} altered", _altered(data, suffix, rng))
    yield from _names(bases)
    yield from _links(bases)


def build(*more: object, json: bool = True) -> list[object]:
    return ["build-dataset", "--dataset", "folder", "--root", "films", *BUILD, *more, *(["--json"] if json else [])]


def beside(
    bases: Path,
    name: str,
    make: Callable[[Path], object],
    *more: object,
    codes: Sequence[int] = (DONE, DATA),
    out: str = "out",
) -> Case:
    """Return a case that builds a dataset of sound films and what ``make`` puts beside them."""

    def prepare(home: Path) -> list[object]:
        make(copy(bases / "films", home / "films"))
        return build(*more)

    return Case(name, prepare, codes, out=out)


def _alone(name: str, data: bytes) -> Case:
    def prepare(home: Path) -> list[object]:
        (home / "films").mkdir()
        (home / "films" / "film.dcm").write_bytes(data)
        return build("--figures", json=False)

    return Case(f"{name} alone", prepare, (DONE, DATA, MISSING))


def _altered(data: bytes, suffix: str, rng: Random) -> Callable[[Path], object]:
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    cut = bytes(changed[: rng.randrange(1, len(changed))] if rng.random() < 0.4 else changed)
    return lambda folder: (folder / f"altered.{suffix}").write_bytes(cut)


def _noise(*shape: int, kind: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(1).integers(0, np.iinfo(kind).max, shape).astype(kind)


def _bitmap(kind: str, pixels: np.ndarray | None = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(_noise(40, 40) if pixels is None else pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int = 40, height: int = 40, *, depth: int = 8, colour: int = 0, data: bytes | None = None) -> bytes:
    content = zlib.compress(_noise(40 * 41).tobytes()) if data is None else data
    start = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return start + _chunk(b"IDAT", content) + _chunk(b"IEND", b"")


def pictures() -> dict[str, bytes]:
    animated = io.BytesIO()
    frames = [Image.fromarray(_noise(40, 40)) for _ in range(3)]
    frames[0].save(animated, "PNG", save_all=True, append_images=frames[1:])
    palette = io.BytesIO()
    Image.fromarray(_noise(40, 40)).convert("P").save(palette, "PNG", transparency=0)
    bomb = zlib.compress(bytes(10**7))
    return {
        "cut PNG": _bitmap("PNG")[:200],
        "cut JPEG": _bitmap("JPEG")[:300],
        "PNG of 16 bits": _bitmap("PNG", _noise(40, 40, kind=np.uint16)),
        "PNG of colours": _bitmap("PNG", _noise(40, 40, 3)),
        "PNG with transparency": _bitmap("PNG", _noise(40, 40, 4)),
        "PNG of a palette": palette.getvalue(),
        "animated PNG": animated.getvalue(),
        "PNG of bilevel": _png(depth=1, data=zlib.compress(bytes(40 * 6))),
        "PNG of depth 3": _png(depth=3),
        "PNG of colour 5": _png(colour=5),
        "PNG of 0 by 0": _png(0, 0),
        "PNG of 2147483647 squared": _png(2**31 - 1, 2**31 - 1, data=bomb),
        "PNG of 4294967295 squared": _png(2**32 - 1, 2**32 - 1, data=bomb),
        "PNG of 30000 squared": _png(30_000, 30_000, data=bomb),
        "PNG of 1 by 100 million": _png(1, 10**8, data=bomb),
        "PNG of one pixel": _png(1, 1, data=zlib.compress(b"\0\1")),
        "PNG without pixels": _png(data=b""),
        "PNG of other pixels": _png(data=b"nonsense"),
        "PNG with a text of 50 MB": _png()[:33]
        + _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(5 * 10**7)))
        + _png()[33:],
        "PNG of one grey": _bitmap("PNG", np.full((40, 40), 7, np.uint8)),
        "JPEG in CMYK": _cmyk(),
        "GIF": _bitmap("GIF"),
        "TIFF": _bitmap("TIFF"),
        "WebP": _bitmap("WEBP"),
        "empty": b"",
        "page": b"<!DOCTYPE html><html>login</html>",
        "zip": b"PK\x03\x04" + bytes(60),
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>',
        "PostScript": b"%!PS-Adobe-3.0 EPSF\n" + bytes(60),
        "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    }


def _cmyk() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(_noise(40, 40, 4), "CMYK").save(buffer, "JPEG")
    return buffer.getvalue()


def _dicom(without: Sequence[str] = (), **elements: Any) -> bytes:
    import warnings

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["x"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film = FileDataset("film.dcm", {}, file_meta=meta, preamble=bytes(128))
    film.SOPInstanceUID, film.SOPClassUID = meta.MediaStorageSOPInstanceUID, meta.MediaStorageSOPClassUID
    values = {
        "PatientID": "P1",
        "PatientSex": "F",
        "PatientAge": "030Y",
        "StudyDate": "20210304",
        "Modality": "DX",
        "ViewPosition": "PA",
        "Rows": 40,
        "Columns": 40,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelData": (_noise(40, 40, kind=np.uint16) >> 4).tobytes(),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, value in (values | elements).items():
            if name not in without:
                setattr(film, name, value)
        buffer = io.BytesIO()
        film.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _dicoms() -> dict[str, bytes]:
    made = {
        f"DICOM without {name}": _dicom([name])
        for name in (
            "PixelData",
            "Rows",
            "BitsAllocated",
            "BitsStored",
            "PixelRepresentation",
            "SamplesPerPixel",
            "PhotometricInterpretation",
            "PatientID",
        )
    }
    wrong: dict[str, dict[str, Any]] = {
        "rows of 65535": {"Rows": 65535, "Columns": 65535},
        "no rows": {"Rows": 0},
        "bits of 0": {"BitsAllocated": 0, "BitsStored": 0},
        "bits of 13": {"BitsAllocated": 13},
        "bits of 64": {"BitsAllocated": 64},
        "more bits than there are": {"BitsStored": 40, "HighBit": 39},
        "other photometry": {"PhotometricInterpretation": "RAINBOW"},
        "palette without one": {"PhotometricInterpretation": "PALETTE COLOR"},
        "three samples": {"SamplesPerPixel": 3},
        "many frames": {"NumberOfFrames": 10**6},
        "frames of no number": {"NumberOfFrames": "0"},
        "pixels too few": {"PixelData": bytes(10)},
        "pixels all one": {"PixelData": bytes(3200)},
        "a window of no width": {"WindowCenter": 100, "WindowWidth": 0},
        "a window of no number": {"WindowCenter": "nan", "WindowWidth": "inf"},
        "many windows": {"WindowCenter": [1, 2, 3], "WindowWidth": [1]},
        "a slope of 0": {"RescaleSlope": 0, "RescaleIntercept": 0},
        "a slope of 1e308": {"RescaleSlope": "1e308", "RescaleIntercept": "1e308"},
        "escapes in the id": {"PatientID": ESCAPE},
        "a long id": {"PatientID": "x" * 5000},
        "an id of a path": {"PatientID": "../../etc/passwd"},
        "an age of 999 years": {"PatientAge": "999Y"},
        "an age of nonsense": {"PatientAge": "old"},
        "a date of nonsense": {"StudyDate": "99999999"},
        "a birth after the study": {"PatientBirthDate": "29990101"},
        "another sex": {"PatientSex": "X"},
        "another modality": {"Modality": "CT"},
        "another character set": {"SpecificCharacterSet": "NOPE"},
    }
    made |= {f"DICOM of {name}": _dicom(**elements) for name, elements in wrong.items()}
    whole = _dicom()
    made |= {f"DICOM cut at {length}": whole[:length] for length in (132, 140, 300, 500, len(whole) - 50)}
    return made


def _names(bases: Path) -> Iterator[Case]:
    names = [
        b"caf\xe9.png",
        b"a\nb.png",
        b"-rf.png",
        b"x" * 251 + b".png",
        ESCAPE.encode() + b".png",
        "\u202egnp.png".encode(),
    ]
    names += [
        b".png",
        b"a b.png",
        b"$(id).png",
        b"a,b.png",
        b'"q".png',
        b"%s.png",
        b"..png",
        b"\xff\xfe.png",
        b"a\\b.png",
        b"=1+1.png",
    ]
    for name in names:
        yield beside(
            bases,
            f"file called {name[:20]!r}",
            lambda folder, name=name: _write(folder, name),
            "--verbose",
            codes=(DONE,),
        )
        yield beside(
            bases, f"folder called {name[:20]!r}", lambda folder, name=name: _inner(folder, name), codes=(DONE,)
        )
    for name, text in TEXTS.items():
        for option in ("--root", "--name", "--out", "--table", "--corrections", "--same-patients", "--masks"):
            out = "" if option == "--out" else "out"
            yield beside(bases, f"{option} {name}", lambda folder: None, f"{option}={text}", codes=HANDLED, out=out)


def _write(folder: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(_bitmap("PNG"))


def _inner(folder: Path, name: bytes) -> None:
    inner = Path(os.fsdecode(os.fsencode(folder) + b"/" + name[:200]))
    inner.mkdir()
    (inner / "inner.png").write_bytes(_bitmap("PNG"))


def _links(bases: Path) -> Iterator[Case]:
    makers: dict[str, Callable[[Path], object]] = {
        "link out of the root": lambda folder: (folder / "out.png").symlink_to("/etc/passwd"),
        "loop of links": lambda folder: (folder / "loop.png").symlink_to("loop.png"),
        "link to the folder": lambda folder: (folder / "round").symlink_to(folder),
        "pipe": lambda folder: os.mkfifo(folder / "pipe.png"),
        "device": lambda folder: (folder / "zero.png").symlink_to("/dev/zero"),
        "folder with the name of a picture": lambda folder: (folder / "x.png").mkdir(),
        "pipe as table": lambda folder: os.mkfifo(folder / "t.csv"),
        "400 folders deep": lambda folder: _deep(folder),
    }
    for name, make in makers.items():
        yield beside(bases, name, make, codes=(DONE,))
        yield beside(bases, f"{name} in a table", make, "--table", "films/films.csv", codes=HANDLED)
    for what in ("films/t.csv", "films", "/dev/zero", "/dev/null", "nowhere.csv"):
        for option in ("--table", "--corrections", "--masks"):
            yield beside(bases, f"{option} {what} as a pipe", makers["pipe as table"], option, what, codes=HANDLED)


def _deep(folder: Path) -> None:
    here = os.open(folder, os.O_RDONLY)
    for _ in range(400):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
