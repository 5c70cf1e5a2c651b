"""Synthetic films by two processes with the variables of torchrun, and in shards: the bytes of one process."""

import json
from pathlib import Path

import pytest

from ...cli.console import cxrshort_here
from ...generative.roentmod.tiny_pipeline import build
from ...training.test_distributed_steps import run_two
from .edited import contents, phantoms

CPU = ["--device", "cpu", "--precision", "fp32", "--threads", "1", "--json"]
FILMS = ["roentmod", "synthesise", "--images", "4", "--prompt", "edema", "--repetitions", "2", "--name", "made"]
EDITORS = {
    "phantom": ["--editor", "phantom", "--compare-with", "real"],
    "diffusion": ["--generator", "generator", "--size", "16", "--generator-size", "32", "--steps", "5"],
}


@pytest.mark.parametrize("editor", EDITORS)
def test_two_processes_and_two_shards_write_the_bytes_of_one(
    tmp_path: Path, editor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if editor == "phantom":
        phantoms(tmp_path / "real", images=24)
    else:
        build(tmp_path / "generator")
    options = [*FILMS, *EDITORS[editor], *CPU]
    monkeypatch.chdir(tmp_path)
    alone = cxrshort_here(*options, "--out", "one")
    together, _ = run_two(*options, "--out", "two", cwd=tmp_path)
    assert alone.exit_code == 0, alone.output
    first, second = json.loads(alone.stdout), json.loads(together)
    assert {**second, "folder": ""} == {**first, "folder": ""} and first["rows"] == 4 * 5
    for number in ("2/2", "1/2"):
        assert cxrshort_here(*options, "--out", "parts", "--shard", number).exit_code == 0
    assert cxrshort_here(*options, "--out", "parts", "--merge").exit_code == 0
    expected = contents(tmp_path / "one")
    assert {"images.npy", "manifest.csv"} <= expected.keys()
    assert contents(tmp_path / "two") == contents(tmp_path / "parts") == expected
    assert not list((tmp_path / "two").glob(".*"))
    if editor == "phantom":
        listings = [(tmp_path / name / "nearest" / "nearest.csv").read_bytes() for name in ("one", "two", "parts")]
        assert len(set(listings)) == 1
