"""Manifests: hostile cells, headers, encodings and rows; and what stands in the place of a manifest."""

import csv
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from .base import CPU, TRAIN
from .case import ANY_REFUSAL, DATA, DONE, HANDLED, MISSING, READ_OR_REFUSED, REFUSED, USAGE, Case
from .values import ESCAPE, TEXTS

Table = list[list[str]]


def cases(bases: Path, rng: Random) -> Iterator[Case]:
    """Yield the cases."""
    yield from _cells(bases, rng)
    yield from _headers(bases)
    yield from _rows(bases)
    yield from _encodings(bases)
    yield from _places(bases)


def read(bases: Path) -> Table:
    """Return the sound manifest of the dataset of strangers, with its header."""
    with (bases / "other" / "manifest.csv").open(newline="") as file:
        return list(csv.reader(file))


def text_of(table: Sequence[Sequence[str]], **options: Any) -> str:
    """Return a table as comma-separated values."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n", **options).writerows(table)
    return buffer.getvalue()


def _case(
    bases: Path,
    name: str,
    data: str | bytes,
    codes: Sequence[int] = READ_OR_REFUSED,
    *,
    verb: str = "evaluate",
    file: str = "m.csv",
) -> Case:
    """Return a case whose verb reads this text as a manifest."""
    content = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")

    def prepare(home: Path) -> list[object]:
        (home / file).write_bytes(content)
        if verb == "train":
            return ["train", "--dataset", file, *TRAIN, "--out", "out"]
        if verb == "doctor":
            return ["doctor", "--dataset", file, "--json"]
        return ["evaluate", bases / "model", "--dataset", file, "--split", "all", *CPU, "--out", "out"]

    return Case(name, prepare, codes, out="" if verb == "doctor" else "out")


def _cells(bases: Path, rng: Random) -> Iterator[Case]:
    table = read(bases)
    header = table[0]
    for column, name in enumerate(header):
        for what, value in TEXTS.items():
            everywhere = rng.random() < 0.3
            rows = [
                [*row[:column], value, *row[column + 1 :]] if number and (everywhere or number == 3) else row
                for number, row in enumerate(table)
            ]
            yield _case(bases, f"{name} {what}{' everywhere' * everywhere}", text_of(rows), (DONE, DATA, MISSING))


def _headers(bases: Path) -> Iterator[Case]:
    table = read(bases)
    header, *rows = table
    for column, name in enumerate(header):
        yield _case(bases, f"without {name}", text_of([row[:column] + row[column + 1 :] for row in table]))
        yield _case(bases, f"{name} twice", text_of([[*row, row[column]] for row in table]), REFUSED)
        yield _case(
            bases,
            f"{name} in capitals",
            text_of([[phantom.upper() if phantom == name else phantom for phantom in header], *rows]),
        )
    for what, value in TEXTS.items():
        wide = [[*header, value], *[[*row, "1"] for row in rows]]
        yield _case(bases, f"column called {what}", text_of(wide))
        yield _case(bases, f"column called {what}, trained", text_of(wide), verb="train", codes=HANDLED)
        yield _case(bases, f"column called {what}, doctor", text_of(wide), verb="doctor", codes=HANDLED)
    for split in ("split_-1", "split_00", "split_99999999999999999999", "split_1e3", "split_", "SPLIT_0"):
        yield _case(bases, f"column {split}", text_of([[*header, split], *[[*row, "train"] for row in rows]]))
    yield _case(
        bases, "1000 columns", text_of([[*header, *map(str, range(1000))], *[[*row, *["0"] * 1000] for row in rows]])
    )
    yield _case(bases, "no header", text_of(rows), REFUSED)
    yield _case(bases, "header alone", text_of([header]), REFUSED)
    yield _case(bases, "header twice", text_of([header, *table]), REFUSED)


def _rows(bases: Path) -> Iterator[Case]:
    header, *rows = read(bases)

    def with_cells(**cells: object) -> str:
        places = {header.index(name): str(value) for name, value in cells.items()}
        changed = [places.get(place, cell) for place, cell in enumerate(rows[0])]
        return text_of([header, changed, *rows[1:]])

    for row in (-1, 20, 10**6, 2**63 - 1, 2**63, 2**53, 2**53 - 1, 1.5, "", "nan", 1e300, "0x1", "1 "):
        yield _case(bases, f"cache_row {row}", with_cells(cache_row=row))
        if "mask_row" in header:
            yield _case(bases, f"mask_row {row}", with_cells(mask_row=row))
    caches = [
        "",
        "/",
        "/dev",
        "/proc/self",
        "nowhere",
        "x" * 5000,
        "é" * 200,
        "a/" * 3000,
        ESCAPE,
        ".",
        "..",
        "~",
        "/dev/zero",
    ]
    for cache in caches:
        yield _case(bases, f"cache {cache[:20]!r}", with_cells(cache=cache), (DONE, DATA, MISSING))
        every = [[cache if name == "cache" else cell for name, cell in zip(header, row, strict=True)] for row in rows]
        yield _case(bases, f"cache {cache[:20]!r} everywhere", text_of([header, *every]), (DATA, MISSING))
    for name in [phantom for phantom in header if phantom.endswith("crc32")]:
        for value in (0, -1, 2**32, 2**64, "x", ""):
            yield _case(bases, f"{name} {value}", with_cells(**{name: value}))
    people = header.index("person_id")
    fold = header.index("split_0")
    same = [[*row[:people], "one", *row[people + 1 :]] for row in rows]
    mixed = [[*row[:fold], ["train", "test"][number % 2], *row[fold + 1 :]] for number, row in enumerate(same)]
    yield _case(bases, "a person in two folds", text_of([header, *mixed]), REFUSED)
    yield _case(
        bases,
        "a single person",
        text_of([header, *[[*row[:fold], "test", *row[fold + 1 :]] for row in same]]),
        READ_OR_REFUSED,
    )
    yield _case(bases, "rows twice", text_of([header, *rows, *rows]), REFUSED)
    yield _case(bases, "one row", text_of([header, rows[0]]))
    yield _case(bases, "empty rows", text_of([header, *[[""] * len(header)] * 3]), REFUSED)
    yield _case(bases, "a short row", text_of([header, rows[0][:4], *rows[1:]]), REFUSED)
    yield _case(bases, "a long row", text_of([header, [*rows[0], "x", "y"], *rows[1:]]), REFUSED)
    yield _case(bases, "cut in a cell", text_of([header, *rows])[:-40], READ_OR_REFUSED)
    labels = [name for name in header if name in ("COVID-19", "Pneumonia", "Edema")]
    for label in labels:
        for value in (2, -1, 0.5, "nan", "yes", 1e-320, "1e0", "+1", "1."):
            every = [
                [str(value) if name == label else cell for name, cell in zip(header, row, strict=True)] for row in rows
            ]
            yield _case(bases, f"{label} {value} everywhere", text_of([header, *every]))
            yield _case(
                bases, f"{label} {value} everywhere, trained", text_of([header, *every]), verb="train", codes=HANDLED
            )


def _encodings(bases: Path) -> Iterator[Case]:
    table = read(bases)
    text = text_of(table)
    variants: dict[str, tuple[str | bytes, Sequence[int]]] = {
        "byte-order mark": ("\ufeff" + text, (DONE,)),
        "two byte-order marks": ("\ufeff\ufeff" + text, REFUSED),
        "UTF-16": (text.encode("utf-16"), REFUSED),
        "UTF-16 without a mark": (text.encode("utf-16-le"), REFUSED),
        "Latin-1": (text.replace("phantom", "ph\xe4ntom").encode("latin-1"), READ_OR_REFUSED),
        "CRLF": (text.replace("\n", "\r\n"), (DONE,)),
        "CR": (text.replace("\n", "\r"), READ_OR_REFUSED),
        "semicolons": (text_of(table, delimiter=";"), REFUSED),
        "tabs": (text_of(table, delimiter="\t"), REFUSED),
        "all quoted": (text_of(table, quoting=csv.QUOTE_ALL), (DONE,)),
        "a quote that never ends": (text.replace(",", ',"', 40), READ_OR_REFUSED),
        "a quote at the end": (text + '"', READ_OR_REFUSED),
        "NUL": (text.replace("phantom", "phan\0tom"), REFUSED),
        "empty": ("", REFUSED),
        "blank lines": ("\n\n\n", REFUSED),
        "one byte": (b"\xff", REFUSED),
        "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(50), REFUSED),
        "gzip": (b"\x1f\x8b\x08" + bytes(50), REFUSED),
        "a cell of 2 MiB": (text.replace("phantom", "x" * 2**21, 1), READ_OR_REFUSED),
        "lone surrogate": (text.encode().replace(b"phantom", b"\xed\xa0\x80", 1), REFUSED),
        "a comment first": ("# made by hand\n" + text, REFUSED),
        "JSON": ('{"image_id": []}', REFUSED),
        "200,000 commas": ("," * 200_000, REFUSED),
        "no newline": (text.rstrip("\n"), (DONE,)),
    }
    for name, (data, codes) in variants.items():
        yield _case(bases, name, data, codes)
        yield _case(bases, f"{name}, trained", data, HANDLED, verb="train")
        raw = data if isinstance(data, bytes) else data.encode()
        arguments = ("evaluate", bases / "model", "--dataset", "-", "--split", "all", *CPU, "--out", "out")
        yield Case(f"{name} by standard input", lambda home, given=arguments: given, codes, stdin=raw)
        yield _case(bases, f"{name} as Parquet", data, (USAGE, DATA), file="m.parquet")
    yield Case(
        "standard input closed",
        lambda home: ("evaluate", bases / "model", "--dataset", "-", *CPU),
        (MISSING, DATA),
        closed=(0,),
    )
    yield Case(
        "standard input twice",
        lambda home: ("evaluate", bases / "model", "--dataset", "-", "--dataset", "-", "--split", "all", *CPU),
        (USAGE, DATA),
        stdin=text.encode(),
    )


def _places(bases: Path) -> Iterator[Case]:
    makers: dict[str, Callable[[Path], object]] = {
        "nothing": lambda path: None,
        "an empty folder": lambda path: path.mkdir(),
        "a pipe": lambda path: os.mkfifo(path),
        "a loop of links": lambda path: path.symlink_to(path),
        "a device": lambda path: path.symlink_to("/dev/zero"),
        "a manifest that is a folder": lambda path: (path / "manifest.csv").mkdir(parents=True),
        "a manifest that is a pipe": lambda path: (path.mkdir(), os.mkfifo(path / "manifest.csv")),
        "a manifest that is a loop": lambda path: (path.mkdir(), (path / "manifest.csv").symlink_to("manifest.csv")),
    }
    for name, make in makers.items():
        for suffix in ("", ".csv", ".parquet"):
            for verb in ("evaluate", "train", "doctor"):
                yield _place(bases, f"{name}{suffix} to {verb}", make, f"d{suffix}", verb)
    names = [
        *TEXTS.values(),
        "x" * 250,
        "a/" * 2000,
        "\udce9",
        ",",
        ",,",
        "I,",
        "phantom-I,,",
        "III,nope",
        "~root",
        "*",
    ]
    for number, name in enumerate(names):
        arguments = ("evaluate", bases / "model", "--dataset", name, *CPU, "--out", "out")
        yield Case(f"name {number} {name[:20]!r}", lambda home, given=arguments: given, ANY_REFUSAL)
        arguments = ("train", "--dataset", name, *TRAIN, "--out", "out", "--json")
        yield Case(f"name {number} {name[:20]!r}, trained", lambda home, given=arguments: given, ANY_REFUSAL)
    arguments = ("evaluate", bases / "model", "--dataset", "I", *CPU, "--out", "out")
    for root in ("x" * 5000, "/dev/null", "\x1b[31m", "."):
        yield Case(
            f"datasets in {root[:20]!r}",
            lambda home: arguments,
            ANY_REFUSAL,
            environment={"CXRSHORT_DATASETS": root},
        )


def _place(bases: Path, name: str, make: Callable[[Path], object], file: str, verb: str) -> Case:
    def prepare(home: Path) -> list[object]:
        make(home / file)
        if verb == "evaluate":
            return ["evaluate", bases / "model", "--dataset", file, "--split", "all", *CPU, "--out", "out"]
        if verb == "train":
            return ["train", "--dataset", file, *TRAIN, "--out", "out"]
        return ["doctor", "--dataset", file, "--json"]

    codes = HANDLED if verb == "doctor" else ANY_REFUSAL
    return Case(name, prepare, codes, out="" if verb == "doctor" else "out")
