"""``build-dataset`` from the options to what the dataset records."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrshort.datasets.phantom.styles import SHORTCUTS

from .console import cxrshort_here, failure


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with four films in ``films``, one a lateral, and a table of them."""
    for name in ("CXRSHORT_DATA", "CXRSHORT_DATASETS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films").mkdir()
    draw = np.random.default_rng(0)
    lines = ["file,MRN,pcr,projection"]
    for number, view in enumerate(("PA", "AP", "PA", "LATERAL")):
        pixels = draw.integers(0, 255, (40, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "films" / f"{number}.png")
        lines.append(f"{number}.png,P{number},{number % 2},{view}")
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_options_reach_the_dataset_and_its_record(films: Path) -> None:
    columns = ("path=file", "patient_id = MRN", "COVID-19=pcr", "view=projection")
    result = cxrshort_here(
        "build-dataset", "--dataset", "folder", "--root", "films", "--table", "table.csv",
        *[word for column in columns for word in ("--column", column)], "--views", "PA, AP", "--size", 16,
        "--fit", "pad", "--replicates", 2, "--seed", 3, "--name", "mine", "--out", "built", "--jobs", 1, "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["schema"] == "cxrshort.dataset/1"
    record = json.loads((films / "built" / "run.json").read_text())
    arguments = record["arguments"]
    assert arguments["options"]["column_map"] == [
        ["path", "file"], ["patient_id", "MRN"], ["COVID-19", "pcr"], ["view", "projection"]
    ]  # fmt: skip
    assert (arguments["options"]["views"], arguments["replicates"], arguments["seed"]) == (["PA", "AP"], 2, 3)
    assert (record["name"], record["recipe"]["size"], record["recipe"]["fit"]) == ("mine", 16, "pad")
    manifest = (films / "built" / "manifest.csv").read_text().splitlines()
    assert len(manifest) == 4 and "split_1" in manifest[0] and "split_2" not in manifest[0]


@pytest.mark.parametrize("text", ["patient_id", "=MRN", "patient_id="])
def test_column_that_is_no_pair_is_refused(films: Path, text: str) -> None:
    words = ("build-dataset", "--dataset", "folder", "--root", "films", "--table", "table.csv", "--column", text)
    assert failure(cxrshort_here(*words, "--quiet")) == (
        2,
        f"--column '{text}' is not of the form NAME=COLUMN",
        "such as --column patient_id=MRN",
    )


def test_help_in_place_of_a_shortcut_lists_them() -> None:
    result = cxrshort_here("build-dataset", "--shortcut", "help", "--json")
    assert json.loads(result.stdout)["shortcuts"] == dict(SHORTCUTS)


def test_help_in_place_of_a_setting_lists_them_with_type_and_default() -> None:
    listed = json.loads(cxrshort_here("build-dataset", "--set", "help", "--json").stdout)["settings"]
    rows = [row for rows in listed.values() for row in rows]
    assert rows and all({"name", "type", "default", "meaning"} <= row.keys() for row in rows)
