"""Hostile files through a whole build: none crashes it, each is accounted for, and memory stays bounded."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import CxrshortError
from cxrshort.images.cache import create_cache
from cxrshort.images.decoding import decode, decode_into
from cxrshort.images.raster import ImageError
from cxrshort.verbs.build_dataset import build_dataset

from .corpus import bombs, good, not_images, odd_dicom, tables, truncated

REASONS = {
    "DICOMDIR",
    "constant image",
    "invalid window",
    "multi-frame",
    "no pixel data",
    "not an image",
    "too large",
    "truncated",
    "unreadable",
    "unreadable header",
    "zero bytes",
}
GOOD = good()
MEMORY_MIB = 1280
"""Bound of a build with one job: the largest picture as RGBA takes 0.7 GiB, and the libraries 0.2 GiB."""

BUILD = """
import json, sys
from pathlib import Path
from cxrshort.verbs.build_dataset import build_dataset
summary = build_dataset("folder", root=Path(sys.argv[1]), out=Path(sys.argv[2]), size=16, replicates=1, jobs=1).summary
# Not getrusage: its peak is inherited from the process that started this one.
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
peak = next((int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM")), 0)
print(json.dumps({"candidates": summary["candidates"], "rows": summary["rows"], "peak_mib": peak}))
"""


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    bad = truncated(GOOD, pieces=24) | not_images() | bombs() | odd_dicom()
    root = tmp_path_factory.mktemp("corpus")
    for name, data in (GOOD | bad).items():
        (root / name).write_bytes(data)
    return root


@pytest.fixture
def bystanders(corpus, tmp_path) -> Path:
    """Return a folder with what is no regular file of its own, beside two films."""
    for name in ("plain.png", "baseline.jpg"):
        (tmp_path / name).write_bytes(GOOD[name])
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder.png" / "inner.png").write_bytes(GOOD["plain.png"])
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "pool.png")
    (tmp_path / "pool.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "round").symlink_to(tmp_path)
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "elsewhere.png").symlink_to("/etc/passwd")
    (tmp_path / "forbidden.png").write_bytes(b"nothing to see")  # root may read it, and finds no image
    (tmp_path / "forbidden.png").chmod(0)
    (tmp_path / "locked").mkdir(mode=0)
    return tmp_path


def test_build_survives_every_file_and_accounts_for_it(corpus, tmp_path):
    files = {path.name for path in corpus.iterdir()}
    assert len(files - set(GOOD)) >= 300
    command = [sys.executable, "-c", BUILD, str(corpus), str(tmp_path / "out")]
    completed = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "RUST_BACKTRACE": "0"})
    assert completed.returncode == 0, completed.stderr[-2000:]
    reported = json.loads(completed.stdout)
    rows, excluded = read(tmp_path / "out" / "manifest.csv"), read(tmp_path / "out" / "excluded.csv")
    assert reported["candidates"] == len(rows) + len(excluded) == len(files)
    assert {row["path"] for row in rows} == set(GOOD)
    assert {row["path"] for row in excluded} == files - set(GOOD)
    assert {row["reason"] for row in excluded} == REASONS
    assert reported["peak_mib"] < MEMORY_MIB


def test_hostile_texts_of_headers_stay_texts(corpus, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("traversal.dcm", "control.dcm"):
        (tmp_path / "in" / name).write_bytes(GOOD[name])
    build_dataset("folder", root=tmp_path / "in", out=tmp_path / "out", size=16, replicates=1, jobs=1)
    rows = {row["path"]: row for row in read(tmp_path / "out" / "manifest.csv")}
    assert rows["traversal.dcm"]["patient_id"] == "folder:../../../etc/passwd"
    assert rows["traversal.dcm"]["study_date"] == ""
    assert rows["control.dcm"]["patient_id"].isprintable()
    assert not list(tmp_path.rglob("*passwd*"))


def test_what_is_no_file_is_never_opened(bystanders, tmp_path):
    names = ["folder.png", "pipe.png", "loop.png", "gone.png", "device.png", "locked", "nowhere.png"]
    create_cache(tmp_path / "images.npy", (len(names), 16, 16))
    paths = [bystanders / name for name in names]
    results = decode_into(tmp_path / "images.npy", paths, rows=range(len(names)), size=16)
    assert [result.reason for result in results] == [
        "not a file",
        "not a file",
        "unreadable",
        "missing file",
        "not a file",
        "not a file",
        "missing file",
    ]


def test_table_that_names_what_is_no_file_is_accounted_for(bystanders, tmp_path):
    outside = ["../plain.png", "/etc/passwd", "a/../../b.png", "C:\\x.png", "..\\..\\x.png", "x\x01.png"]
    missing = ["folder.png", "pipe.png", "loop.png", "gone.png", "device.png", "nowhere.png", "y" * 5000 + ".png"]
    listed = ["plain.png", "baseline.jpg", "elsewhere.png", "forbidden.png", *outside, *missing]
    (tmp_path / "list.csv").write_text("path\n" + "\n".join(listed) + "\n", encoding="utf-8")
    out = tmp_path.with_name(f"{tmp_path.name}-out")  # not among the films
    summary = build_dataset(
        "folder",
        root=bystanders,
        out=out,
        size=16,
        replicates=1,
        jobs=1,
        options=ReadOptions(table=tmp_path / "list.csv"),
    ).summary
    assert summary["candidates"] == len(listed) and summary["rows"] == 2
    actual = {row["path"]: row["reason"] for row in read(out / "excluded.csv")}
    assert [actual[name] for name in outside] == ["path leaves root"] * len(outside)
    assert [actual[name[:1000]] for name in missing] == ["missing file"] * len(missing)
    assert actual["elsewhere.png"] == "not an image"
    assert actual["forbidden.png"] == ("not an image" if os.geteuid() == 0 else "unreadable")


@pytest.mark.parametrize("table", tables().values(), ids=tables())
def test_hostile_table_is_read_or_refused_in_one_sentence(bystanders, tmp_path, table):
    (tmp_path / "list.csv").write_bytes(table)
    options = ReadOptions(table=tmp_path / "list.csv")
    try:
        summary = build_dataset(
            "folder", root=bystanders, out=tmp_path / "out", size=16, replicates=1, jobs=1, options=options
        ).summary
    except CxrshortError as error:
        assert "\n" not in error.message and len(error.message) < 500
        return
    rows, excluded = read(tmp_path / "out" / "manifest.csv"), read(tmp_path / "out" / "excluded.csv")
    assert summary["candidates"] == len(rows) + len(excluded)
    assert all(row["reason"] for row in excluded) and all(len(row["path"]) <= 1000 for row in excluded)


CHANGES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 2), st.binary(min_size=1, max_size=8)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(GOOD)), CHANGES)
def test_mutated_files_are_decoded_or_refused(tmp_path_factory, name, changes):
    data = bytearray(GOOD[name])
    for where, how, piece in changes:
        place = int(where * len(data))
        data[place : place + (len(piece) if how == 0 else 0)] = piece
        if how == 2:
            del data[place : place + 2 * len(piece)]
    path = tmp_path_factory.getbasetemp() / "mutated"
    path.write_bytes(data)
    try:
        decoded = decode(path, size=16)
    except ImageError as error:
        assert error.reason in REASONS and "\n" not in str(error)
    else:
        assert decoded.pixels.shape == (16, 16) and decoded.pixels.min() < decoded.pixels.max()
