"""Model files: altered descriptions, altered tensors, damaged bytes, and what is no file."""

import json
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from .base import CPU, TRAIN
from .case import ANY_REFUSAL, DATA, DONE, FAILED, HANDLED, MISSING, READ_OR_REFUSED, REFUSED, USAGE, Case
from .values import altered

_FLIPS, _CUTS = 60, 30
_FLOATS = (torch.float64, torch.float16, torch.bfloat16)


def cases(bases: Path, rng: Random) -> Iterator[Case]:
    """Yield the cases."""
    yield from _descriptions(bases)
    yield from _tensors(bases)
    yield from _bytes(bases, rng)
    yield from _headers(bases)
    yield from _no_files(bases)


def _evaluate(bases: Path, name: str, write: Callable[[Path], object], codes: Any = READ_OR_REFUSED) -> Case:
    """Return a case that evaluates the model file which ``write`` makes."""

    def prepare(home: Path) -> list[object]:
        write(home / "m.safetensors")
        dataset = ("--dataset", bases / "other", "--split", "all")
        return ["evaluate", "m.safetensors", *dataset, *CPU, "--out", "out", "--json"]

    return Case(name, prepare, codes)


def _use(
    name: str, write: Callable[[Path], object], *arguments: object, out: str = "out", codes: Any = HANDLED
) -> Case:
    """Return a case that uses the model file otherwise."""

    def prepare(home: Path) -> list[object]:
        write(home / "m.safetensors")
        return list(arguments)

    return Case(name, prepare, codes, out=out)


def read(bases: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the description of the sound model."""
    path = bases / "model" / "model.safetensors"
    with safe_open(path, framework="pt") as file:
        record = json.loads(file.metadata()["cxrshort"])
    return load_file(path), record


def _writer(tensors: dict[str, Tensor], record: object) -> Callable[[Path], object]:
    text = record if isinstance(record, str) else json.dumps(record)
    return lambda path: save_file(tensors, path, metadata={"cxrshort": text})


def _descriptions(bases: Path) -> Iterator[Case]:
    tensors, record = read(bases)
    inner = [("spec", key) for key in record["spec"]]
    inner += [("recipe", key) for key in ("task", "method", "epochs", "settings", "labels")]
    inner += [("selection", next(iter(record["selection"]))), ("pixels", "size"), ("pixels", "fit")]
    for path in [*((key,) for key in (*record, "parts", "background", "threshold", "surplus")), *inner]:
        for name, changed in altered(record, path):
            yield _evaluate(bases, name, _writer(tensors, changed))
    for kind in ("segmenter", "ensemble", "pipeline", "cyclegan", "Classifier"):
        yield _evaluate(bases, f"kind {kind}", _writer(tensors, record | {"kind": kind}), REFUSED)
    for arch in ("densenet121", "unet", "timm:resnet18", "txrv:all", "py:os:getcwd", "vit-b-16"):
        yield _evaluate(bases, f"architecture {arch}", _writer(tensors, record | {"architecture": arch}), ANY_REFUSAL)
    sides = {"size": 16384}, {"mean": [0.5] * 3}, {"std": [1e-320]}, {"mean": [1e308]}, {"crop": 1e-300}
    for side in sides:
        writer = _writer(tensors, record | {"spec": record["spec"] | side})
        yield _evaluate(bases, f"spec {side}", writer, (*READ_OR_REFUSED, FAILED))  # memory may run out
    parts = record | {"kind": "pipeline", "parts": [record | {"kind": "pipeline", "parts": []}] * 2}
    yield _evaluate(bases, "pipeline of pipelines", _writer(tensors, parts), REFUSED)
    for name, text in {"list": "[1]", "text": '"x"', "deep": "[" * 10_000, "cut": '{"format"', "empty": ""}.items():
        yield _evaluate(bases, f"description {name}", _writer(tensors, text), REFUSED)
    bad = _writer(tensors, record | {"labels": ["COVID-19", 3]})
    yield _use("doctor", bad, "doctor", "m.safetensors", "--json", out="")
    yield _use("segmenter", bad, *_train(bases, "--segmenter", "m.safetensors", "--background", "noise"))
    other = _writer(tensors, record | {"labels": ["\x1b[31mred"], "dataset": "\x1b[31mred", "training": "\x1b[1m"})
    yield _use("escapes in labels", other, "evaluate", "m.safetensors", "--dataset", bases / "other", *CPU)
    yield _use("doctor of escapes", other, "doctor", "m.safetensors", out="")


def _train(bases: Path, *more: object) -> tuple[object, ...]:
    return ("train", "--dataset", bases / "data", *TRAIN, "--out", "out", *more)


def _tensors(bases: Path) -> Iterator[Case]:
    tensors, record = read(bases)
    for name, value in tensors.items():
        others = {key: phantom for key, phantom in tensors.items() if key != name}
        # torch counts batches anew where a file does not say how many there were.
        codes = READ_OR_REFUSED if name.endswith("num_batches_tracked") else REFUSED
        yield _evaluate(bases, f"without {name}", _writer(others, record), codes)
        yield _evaluate(bases, f"renamed {name}", _writer({**others, f"{name}.x": value}, record), REFUSED)
        wrong: dict[str, tuple[Tensor, Any]] = {
            "of another shape": (torch.zeros(*value.shape, 2), REFUSED),
            "empty": (torch.zeros(0), REFUSED),
            "of truth values": (value > 0, READ_OR_REFUSED),
            "of small integers": (torch.zeros_like(value, dtype=torch.int8), READ_OR_REFUSED),
        }
        if value.is_floating_point():
            wrong |= {
                "not a number": (torch.full_like(value, torch.nan), REFUSED),
                "infinite": (torch.full_like(value, -torch.inf), REFUSED),
                "largest": (torch.full_like(value, torch.finfo(value.dtype).max), READ_OR_REFUSED),
                "complex": (value.to(torch.complex64), READ_OR_REFUSED),
            }
            wrong |= {f"{phantom}": (value.to(phantom), READ_OR_REFUSED) for phantom in _FLOATS}
        for how, (changed, codes) in wrong.items():
            yield _evaluate(bases, f"{name} {how}", _writer({**others, name: changed}, record), codes)
    surplus = {**tensors, "\x1b[31msurplus": torch.zeros(3)}
    yield _evaluate(bases, "surplus tensor", _writer(surplus, record), REFUSED)
    yield _evaluate(bases, "no tensors", _writer({}, record), REFUSED)
    members = {name.replace("network.", "network.members.0."): value for name, value in tensors.items()}
    yield _evaluate(bases, "one member", _writer(members, record), REFUSED)
    wrong_members = {f"network.members.{name}": torch.zeros(1) for name in ("x", "-1.a", "99999999999.a", ".")}
    yield _evaluate(bases, "members of other names", _writer({**tensors, **wrong_members}, record), REFUSED)


def _bytes(bases: Path, rng: Random) -> Iterator[Case]:
    whole = (bases / "model" / "model.safetensors").read_bytes()
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    for number in range(_FLIPS):
        place = rng.randrange(header if number % 2 else len(whole))
        data = bytearray(whole)
        data[place] ^= 1 << rng.randrange(8)
        yield _evaluate(bases, f"bit flipped at {place}", lambda path, data=bytes(data): path.write_bytes(data))
    for number in range(_CUTS):
        length = rng.randrange(header if number % 2 else len(whole))
        yield _evaluate(
            bases, f"cut at {length}", lambda path, length=length: path.write_bytes(whole[:length]), REFUSED
        )
    yield _evaluate(bases, "longer than it says", lambda path: path.write_bytes(whole + bytes(100)), REFUSED)
    yield _use(
        "weights that are cut", lambda path: path.write_bytes(whole[:-9]), *_train(bases, "--weights", "m.safetensors")
    )


def _headers(bases: Path) -> Iterator[Case]:
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    headers: dict[str, object] = {
        "no object": [],
        "dtype of no kind": {"a": entry | {"dtype": "F99"}},
        "dtype of small floats": {"a": entry | {"dtype": "F8_E4M3", "shape": [8]}},
        "negative shape": {"a": entry | {"shape": [-2]}},
        "huge shape": {"a": entry | {"shape": [2**40, 2**40]}},
        "offsets beyond the file": {"a": entry | {"data_offsets": [0, 2**50]}},
        "offsets backwards": {"a": entry | {"data_offsets": [8, 0]}},
        "overlapping": {"a": entry, "b": entry},
        "metadata of numbers": {"__metadata__": {"cxrshort": 3}},
        "metadata as a list": {"__metadata__": []},
        "no metadata": {"a": entry},
        "description of another": {"__metadata__": {"format": "pt"}, "a": entry},
    }
    for name, header in headers.items():
        text = json.dumps(header).encode()
        data = struct.pack("<Q", len(text)) + text + bytes(8)
        yield _evaluate(bases, f"header: {name}", lambda path, data=data: path.write_bytes(data), REFUSED)
        yield _use(
            f"weights, header: {name}",
            lambda path, data=data: path.write_bytes(data),
            *_train(bases, "--weights", "m.safetensors"),
        )
    for length in (0, 1, 2**31, 2**63, 2**64 - 1, 100_000_000):
        data = struct.pack("<Q", length) + b"{}" + bytes(40)
        yield _evaluate(bases, f"header of {length} bytes", lambda path, data=data: path.write_bytes(data), REFUSED)
    for name, data in {"empty": b"", "zip": b"PK\x03\x04" + bytes(60), "pickle": b"\x80\x04." + bytes(9)}.items():
        yield _evaluate(bases, name, lambda path, data=data: path.write_bytes(data), REFUSED)
        for suffix in ("pt", "onnx", "pth"):
            write = lambda path, data=data, suffix=suffix: path.with_suffix(f".{suffix}").write_bytes(data)  # noqa: E731
            dataset = ("--dataset", bases / "other", "--split", "all", *CPU, "--out", "out")
            yield _use(f"{name} as {suffix}", write, "evaluate", f"m.{suffix}", *dataset, codes=ANY_REFUSAL)
            yield _use(
                f"{name} as weights.{suffix}", write, *_train(bases, "--weights", f"m.{suffix}"), codes=ANY_REFUSAL
            )


def _no_files(bases: Path) -> Iterator[Case]:
    makers: dict[str, Callable[[Path], object]] = {
        "nothing": lambda path: None,
        "folder": lambda path: path.mkdir(),
        "pipe": lambda path: os.mkfifo(path),
        "loop of links": lambda path: path.symlink_to(path),
        "link to nothing": lambda path: path.symlink_to("nowhere"),
        "device": lambda path: path.symlink_to("/dev/zero"),
        "terminal": lambda path: path.symlink_to("/dev/tty"),
        "folder of a folder": lambda path: (path / "model.safetensors").mkdir(parents=True),
        "folder of a pipe": lambda path: (path.mkdir(), os.mkfifo(path / "model.safetensors")),
    }
    for name, make in makers.items():
        yield _evaluate(bases, name, make, (MISSING, DATA))
        yield _use(f"{name} as weights", make, *_train(bases, "--weights", "m.safetensors"), codes=ANY_REFUSAL)
        yield _use(
            f"{name} as segmenter",
            make,
            *_train(bases, "--segmenter", "m.safetensors", "--background", "black"),
            codes=ANY_REFUSAL,
        )
        yield _use(
            f"{name} as masks",
            make,
            *_train(bases, "--mask-file", "m.safetensors", "--method", "rrr"),
            codes=ANY_REFUSAL,
        )
        yield _use(f"{name} for doctor", make, "doctor", "m.safetensors", "--json", out="", codes=HANDLED)
    names = ["x" * 5000, "é" * 200, "\x1b[31mred", "", " ", "-", "py:", "py:os", "py:os:getcwd", "py:no.such:thing"]
    names += ["timm:", "timm:nope", "txrv:", "txrv:nope", "onnx:", "http://x/y", "a?b", "?", "m?labels=", "m?x=1&x=2"]
    names += ["py:os:getcwd?labels=a&size=-1", "py:os:getcwd?size=nan", "py:cxrshort.cli.app:app?labels=a", "a\nb"]
    names += ["py:sys:exit?labels=COVID-19", "py:builtins:input?labels=COVID-19", "py:json:loads?labels=COVID-19"]
    for number, name in enumerate(names):
        arguments = ("evaluate", name, "--dataset", bases / "other", "--split", "all", *CPU, "--out", "out")
        yield _use(f"name {number} {name[:30]!r}", lambda path: None, *arguments, codes=(*ANY_REFUSAL,))
    yield _use(
        "twice",
        lambda path: None,
        "evaluate",
        bases / "model",
        bases / "model" / "model.safetensors",
        "--dataset",
        bases / "other",
        *CPU,
        "--out",
        "out",
        codes=(USAGE, DATA),
    )
    yield _use("no model", lambda path: None, "evaluate", "--dataset", bases / "other", codes=(USAGE,))
    yield _use(
        "sound",
        lambda path: None,
        "evaluate",
        bases / "model",
        "--dataset",
        bases / "other",
        "--split",
        "all",
        *CPU,
        "--out",
        "out",
        codes=(DONE,),
    )
