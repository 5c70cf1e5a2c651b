"""Memory maps and run records of a dataset: altered headers, damaged bytes, altered fields."""

import io
import json
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import numpy as np

from .base import CPU, TRAIN, copy
from .case import ANY_REFUSAL, DATA, DONE, MISSING, Case
from .values import altered


def cases(bases: Path, rng: Random) -> Iterator[Case]:
    """Yield the cases."""
    for name, content in _arrays(bases, rng):
        yield _evaluated(bases, f"images: {name}", "images.npy", content)
        yield _masked(bases, f"masks: {name}", content)
        yield _mask_file(bases, f"mask file: {name}", content)
    for name, make in _not_files().items():
        for file in ("images.npy", "run.json", "manifest.csv"):
            yield _replaced(bases, f"{file} is {name}", file, make)
    yield from _records(bases)


def _header(text: str, *, version: tuple[int, int] = (1, 0)) -> bytes:
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H", len(text)) + text.encode("latin-1")


def _arrays(bases: Path, rng: Random) -> Iterator[tuple[str, bytes]]:
    whole = (bases / "other" / "images.npy").read_bytes()
    pixels = np.load(io.BytesIO(whole))
    body = pixels.tobytes()
    shapes = ["(-1,32,32)", "(20,-32,-32)", "(2**62,32,32)", "(20,32)", "(20480,)", "()", "(20,1,32,32)", "(5,4,32,32)"]
    shapes += [
        "(0,32,32)",
        "(20,0,32)",
        "(20,32,32.0)",
        "('20',32,32)",
        "(20,32,32,1)",
        "(99999999999,32,32)",
        "20",
        "[20,32,32]",
    ]
    shapes += ["(4611686018427387904,4,4)", "(True,32,640)", "(20,16,64)", "(10,32,64)", "None", "(1,)*40"]
    for shape in shapes:
        yield f"shape {shape}", _header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n") + body
    kinds = [
        "<f8",
        "<f4",
        "|b1",
        "|O",
        "|V1",
        "<U1",
        "|S1",
        "<M8[s]",
        "<c8",
        ">u2",
        "|i1",
        "<u99",
        "",
        "nonsense",
        "\x1b[31m",
    ]
    for kind in kinds:
        yield (
            f"dtype {kind!r}",
            _header(f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': (20,32,32), }}\n") + body,
        )
    for descr in ("[('a', '|u1')]", "None", "3", "('|u1', (32,))", "[('a','|O')]", "{}"):
        yield f"descr {descr}", _header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': (20,32,32), }}\n") + body
    for order in ("True", "None", "3", "'x'"):
        yield f"order {order}", _header(f"{{'descr': '|u1', 'fortran_order': {order}, 'shape': (20,32,32), }}\n") + body
    texts = {
        "no dictionary": "[]",
        "more keys": "{'descr': '|u1', 'fortran_order': False, 'shape': (20,32,32), 'x': 1}",
        "fewer keys": "{'descr': '|u1'}",
        "a call": "{'descr': __import__('os').getcwd(), 'fortran_order': False, 'shape': (20,32,32)}",
        "deep": "(" * 8000,
        "brackets": "{" * 500,
        "empty": "",
        "escapes": "\x1b[31m",
        "null": "\0\0\0",
        "long": "{'descr': '|u1', 'fortran_order': False, 'shape': (20,32,32)}" + " " * 20_000,
        "minus": "{'descr': '|u1', 'fortran_order': False, 'shape': (" + "-" * 5000 + "1,)}",
        "digits": "{'descr': '|u1', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",)}",
    }
    for name, text in texts.items():
        yield f"header {name}", _header(text) + body
    for version in ((0, 0), (2, 0), (3, 0), (9, 9)):
        yield (
            f"version {version}",
            _header("{'descr': '|u1', 'fortran_order': False, 'shape': (20,32,32)}", version=version) + body,
        )
    for length in (0, 1, 6, 8, 10, 50, 128, 1000, len(whole) - 1):
        yield f"cut at {length}", whole[:length]
    yield "longer", whole + bytes(4096)
    yield "pickle", b"\x80\x04cos\nsystem\n(S'true'\ntR."
    yield "zip", b"PK\x03\x04" + bytes(60)
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    yield "an object array", buffer.getvalue()
    for name, other in {
        "all zero": np.zeros_like(pixels),
        "wider": np.zeros((20, 32, 33), np.uint8),
        "larger": np.zeros((20, 64, 64), np.uint8),
    }.items():
        buffer = io.BytesIO()
        np.save(buffer, other)
        yield name, buffer.getvalue()
    for _ in range(20):
        place = rng.randrange(128)
        data = bytearray(whole)
        data[place] ^= 1 << rng.randrange(8)
        yield f"bit flipped at {place}", bytes(data)


def _evaluated(bases: Path, name: str, file: str, content: bytes) -> Case:
    return _replaced(bases, name, file, lambda path: path.write_bytes(content))


def _replaced(bases: Path, name: str, file: str, make: Callable[[Path], object]) -> Case:
    def prepare(home: Path) -> list[object]:
        data = copy(bases / "other", home / "d")
        (data / file).unlink()
        make(data / file)
        return ["evaluate", bases / "model", "--dataset", "d", "--split", "all", *CPU, "--out", "out", "--json"]

    return Case(name, prepare, (DONE, DATA, MISSING))


def _masked(bases: Path, name: str, content: bytes) -> Case:
    def prepare(home: Path) -> list[object]:
        data = copy(bases / "data", home / "d")
        (data / "masks.npy").write_bytes(content)
        return ["train", "--dataset", "d", *TRAIN, "--background", "black", "--masks", "--out", "out"]

    return Case(name, prepare, (DONE, *ANY_REFUSAL))


def _mask_file(bases: Path, name: str, content: bytes) -> Case:
    def prepare(home: Path) -> list[object]:
        (home / "m.npy").write_bytes(content)
        return ["train", "--dataset", bases / "data", *TRAIN, "--method", "rrr", "--mask-file", "m.npy", "--out", "out"]

    return Case(name, prepare, (DONE, *ANY_REFUSAL))


def _not_files() -> dict[str, Callable[[Path], object]]:
    return {
        "missing": lambda path: None,
        "a folder": lambda path: path.mkdir(),
        "a pipe": lambda path: os.mkfifo(path),
        "a loop of links": lambda path: path.symlink_to(path),
        "a link to nothing": lambda path: path.symlink_to("nowhere"),
        "a device": lambda path: path.symlink_to("/dev/zero"),
        "empty": lambda path: path.write_bytes(b""),
        "unreadable": lambda path: path.symlink_to("/proc/self/mem"),
    }


def _records(bases: Path) -> Iterator[Case]:
    record = json.loads((bases / "other" / "run.json").read_text())
    inner = [("recipe", key) for key in record.get("recipe", {})] + [("masks", "lungs")]
    for path in [*((key,) for key in (*record, "surplus")), *inner]:
        if len(path) > 1 and not isinstance(record.get(path[0]), dict):
            continue
        for name, changed in altered(record, path):
            yield _record(bases, f"run.json {name}", json.dumps(changed).encode(), verb="evaluate")
            if path[0] in ("masks", "recipe", "name", "folder"):
                yield _record(bases, f"run.json {name}, trained", json.dumps(changed).encode(), verb="train")
    texts = {
        "list": b"[]",
        "text": b'"x"',
        "deep": b"[" * 20_000,
        "cut": b'{"verb"',
        "empty": b"",
        "bytes": b"\xff\xfe",
        "null": b"null",
    }
    for name, data in texts.items():
        for verb in ("evaluate", "train", "doctor"):
            yield _record(bases, f"run.json {name} to {verb}", data, verb=verb)


def _record(bases: Path, name: str, data: bytes, *, verb: str) -> Case:
    def prepare(home: Path) -> list[object]:
        folder = copy(bases / ("data" if verb == "train" else "other"), home / "d")
        (folder / "run.json").write_bytes(data)
        if verb == "train":
            return ["train", "--dataset", "d", *TRAIN, "--background", "black", "--masks", "--out", "out"]
        if verb == "doctor":
            return ["doctor", "--dataset", "d", "--json"]
        return ["evaluate", bases / "model", "--dataset", "d", "--split", "all", *CPU, "--out", "out"]

    return Case(name, prepare, (DONE, DATA, MISSING), out="" if verb == "doctor" else "out")
