"""``roentmod nearest`` from the options to its exit code."""

import json
from pathlib import Path

import pytest

from cxrshort.verbs.build_dataset import build_dataset

from ..console import cxrshort_here, failure


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("nearest")
    for name, seed, count in (("real", 0, 24), ("made", 5, 6)):
        build_dataset("phantom-III", out=home / name, number_of_images=count, size=64, jobs=1, replicates=1, seed=seed)
    return home


def test_a_copy_ends_with_exit_code_3(home: Path, tmp_path: Path) -> None:
    """The same phantoms under other names."""
    manifest = (home / "real" / "manifest.csv").read_text().replace("phantom-III/", "copy/")
    (tmp_path / "copied.csv").write_text(manifest)
    words = ("roentmod", "nearest", "--dataset", tmp_path / "copied.csv", "--compare-with", home / "real")
    completed = cxrshort_here(*words, "--out", tmp_path / "out", "--device", "cpu", "--fail-on", "leak", "--json")
    assert completed.exit_code == 3, completed.stderr
    document = json.loads(completed.stdout)
    assert document["schema"] == "cxrshort.nearest/1" and document["counts"]["leak"] == 24
    assert document["notes"][-1].startswith("generators can memorise training patients")
    assert (tmp_path / "out" / "nearest.csv").is_file()


def test_other_phantoms_end_well(home: Path, tmp_path: Path) -> None:
    words = ("roentmod", "nearest", "--dataset", home / "made", "--compare-with", home / "real", "--fail-on", "leak")
    completed = cxrshort_here(*words, "--out", tmp_path / "out", "--device", "cpu")
    assert completed.exit_code == 0, completed.stderr
    assert "the nearest pairs" in completed.stdout


def test_what_is_not_there_is_refused(home: Path) -> None:
    words = ("roentmod", "nearest", "--dataset", home / "made", "--compare-with", "absent")
    assert failure(cxrshort_here(*words))[:2] == (66, "'absent' is not built yet")
    assert failure(cxrshort_here(*words, "--fail-on", "copy"))[0] == 2
