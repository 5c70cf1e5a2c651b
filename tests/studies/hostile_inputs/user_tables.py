"""A user's own tables, and masks of films: hostile cells, columns, encodings and patterns."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from .base import copy
from .case import ANY_REFUSAL, DATA, DONE, HANDLED, OUTPUT, USAGE, Case
from .films import beside, build, pictures
from .values import TEXTS


def cases(bases: Path, rng: Random) -> Iterator[Case]:
    """Yield the cases."""
    yield from _tables(bases, rng)
    yield from _masks(bases)


def _tables(bases: Path, rng: Random) -> Iterator[Case]:
    lines = (bases / "films" / "films.csv").read_text().splitlines()
    header, rows = lines[0].split(","), [line.split(",") for line in lines[1:]]
    for column, name in enumerate(header):
        for what, value in TEXTS.items():
            cell = '"' + value.replace('"', '""') + '"'
            everywhere = rng.random() < 0.3
            changed = [
                [*row[:column], cell, *row[column + 1 :]] if everywhere or not n else row for n, row in enumerate(rows)
            ]
            yield _table(bases, f"{name} {what}{' everywhere' * everywhere}", [header, *changed])
        yield _table(bases, f"without {name}", [line[:column] + line[column + 1 :] for line in [header, *rows]])
        yield _table(bases, f"{name} twice", [[*line, line[column]] for line in [header, *rows]])
    for name, values in {
        "sex": ["männlich", "2", "female ", "?"],
        "study_date": ["31.12.2020", "2020-13-45", "0000-00-00", "yesterday", "9999999999"],
        "age_years": ["-5", "1e308", "200", "30 years", "030Y", "NaN"],
        "view": ["lateral", "XX", "pa ", "AP_SUPINE"],
        "path": [
            "/etc/passwd",
            "../film0.png",
            "film0.png",
            "C:\\film0.png",
            ".",
            "film0.png/x",
            "x" * 3000,
            "\\\\host\\x.png",
        ],
    }.items():
        column = header.index(name)
        for value in values:
            changed = [[*row[:column], value, *row[column + 1 :]] if not n else row for n, row in enumerate(rows)]
            yield _table(bases, f"{name} {value[:20]}", [header, *changed])
    text = "\n".join(lines) + "\n"
    raw = {
        "UTF-16": text.encode("utf-16"),
        "byte-order mark": b"\xef\xbb\xbf" + text.encode(),
        "CRLF": text.replace("\n", "\r\n").encode(),
        "CR": text.replace("\n", "\r").encode(),
        "NUL": text.replace("PA", "P\0A").encode(),
        "open quote": text.replace("film3", '"film3').encode(),
        "empty": b"",
        "header": lines[0].encode(),
        "commas": b"," * 100_000,
        "bytes": bytes(range(256)) * 4,
        "long cell": text.replace("P3", "x" * 200_000).encode(),
        "semicolons": text.replace(",", ";").encode(),
        "no newline": text.strip().encode(),
    }
    for name, data in raw.items():
        yield beside(
            bases,
            f"table {name}",
            lambda folder, data=data: (folder / "films.csv").write_bytes(data),
            "--table",
            "films/films.csv",
            codes=HANDLED,
        )
        yield beside(
            bases,
            f"corrections {name}",
            lambda folder, data=data: (folder / "films.csv").write_bytes(data),
            "--corrections",
            "films/films.csv",
            codes=HANDLED,
        )
    pairs = [
        "",
        "=",
        "a",
        "a=",
        "=a",
        "path=path",
        "sex=nope",
        "path=sex",
        "COVID-19=COVID-19",
        "x=sex",
        "split_0=sex",
        "image_id=path",
        "patient_id=patient_id",
        "\x1b[31m=sex",
        "cache=path",
        "age_years=view",
        "x" * 5000 + "=sex",
    ]
    for number, pair in enumerate(pairs):
        yield beside(
            bases,
            f"column {number} {pair[:20]!r}",
            lambda folder: None,
            "--table",
            "films/films.csv",
            "--column",
            pair,
            codes=(*HANDLED,),
        )
    twice = ("--column", "Mass=sex", "--column", "Mass=view")
    yield beside(bases, "column twice", lambda folder: None, "--table", "films/films.csv", *twice, codes=(USAGE, DATA))


def _table(bases: Path, name: str, lines: Sequence[Sequence[str]]) -> Case:
    text = "\n".join(map(",".join, lines)) + "\n"
    return beside(
        bases,
        f"table: {name}",
        lambda folder: (folder / "films.csv").write_text(text),
        "--table",
        "films/films.csv",
        "--verbose",
        codes=HANDLED,
    )


def _masks(bases: Path) -> Iterator[Case]:
    for name, data in pictures().items():

        def make(folder: Path, data: bytes = data) -> None:
            (folder.parent / "masks").mkdir()
            (folder.parent / "masks" / "film0_mask.png").write_bytes(data)

        yield beside(bases, f"mask: {name}", make, "--masks", "masks", codes=HANDLED)
    patterns = [
        "",
        "{}",
        "{stem",
        "{stem}{x}",
        "{0}",
        "{stem.__class__}",
        "../{stem}.png",
        "/etc/passwd",
        "*",
        "x" * 5000,
        "{stem!r:>99999999}",
    ]
    for pattern in patterns:
        yield beside(
            bases,
            f"pattern {pattern[:20]!r}",
            lambda folder: None,
            "--masks",
            "films",
            "--mask-pattern",
            pattern,
            codes=HANDLED,
        )
    for out, codes in {
        "films": (OUTPUT, USAGE),
        "films/inner": (DONE, OUTPUT, USAGE),
        "/dev/null": (OUTPUT,),
        "/proc/x": (OUTPUT,),
        "films/film0.png": (OUTPUT,),
        "/dev/full/x": (OUTPUT,),
    }.items():
        yield Case(
            f"out {out}",
            lambda home, out=out: (copy(bases / "films", home / "films"), build("--out", out, "--force"))[1],
            codes,
            out="",
        )
    yield beside(bases, "no folder", lambda folder: None, "--root", "nowhere", codes=ANY_REFUSAL)
