"""Sheets of a dataset of edits: what is written, blinded, repeatable and refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrshort.dataset import load_dataset
from cxrshort.errors import DataError, OutputError
from cxrshort.verbs.roentmod.reader_sheets import reader_sheets

from .painted_edits import EDITS, build_edits, build_films


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("readers")
    build_edits(home, build_films(home))
    return home


def test_each_picture_is_the_edit_that_the_key_names(home: Path, tmp_path: Path) -> None:
    result = reader_sheets(str(home / "edits"), readers=2, per_edit=5, repeats=2, out=tmp_path / "sheets")
    assert result.folder == tmp_path / "sheets" and result.summary["readings"] == {"R1": 22, "R2": 22}
    key = pd.read_csv(tmp_path / "sheets" / "key.csv", keep_default_na=False)
    first = key[key["repetition"] == 1]
    assert first["added"].value_counts().to_dict() == {"Cardiomegaly": 10, "Effusion": 10, "Edema": 10, "": 10}
    for row in key.to_dict(orient="records"):
        path = tmp_path / "sheets" / "readers" / row["reader"] / "images" / f"{row['reading_id']}.png"
        with Image.open(path) as image:
            painted = np.flatnonzero((np.asarray(image) == 255).all(axis=1))
        assert list(EDITS).index(row["edit"]) in painted


def test_folder_of_a_reader_names_no_edit_and_no_image(home: Path, tmp_path: Path) -> None:
    reader_sheets(str(home / "edits"), readers=1, out=tmp_path / "sheets")
    data = load_dataset(str(home / "edits")).manifest
    secret = {*data["edit"], *data["image_id"], *data["person_id"], "phantom"}
    for path in (tmp_path / "sheets" / "readers").rglob("*"):
        content = path.read_bytes() if path.suffix in (".csv", ".txt") else b""
        assert not any(word.encode() in content or word in path.name for word in secret)


def test_same_seed_gives_the_same_sheets(home: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        reader_sheets(str(home / "edits"), readers=1, seed=seed, out=tmp_path / name)
    keys = [(tmp_path / name / "key.csv").read_bytes() for name in "abc"]
    assert keys[0] == keys[1] != keys[2]


def test_originals_are_read_among_the_edits(home: Path, tmp_path: Path) -> None:
    result = reader_sheets(
        str(home / "edits"), readers=1, per_edit=4, originals=str(home / "films"), out=tmp_path / "sheets"
    )
    key = pd.read_csv(tmp_path / "sheets" / "key.csv", keep_default_na=False)
    real = key[key["role"] == "original"]
    assert len(real) == 4 and set(real["image_id"]) == set(key.loc[key["edit"] == "sham", "source_image_id"])
    assert result.summary["edits"][-1] == {
        "edit": "original",
        "role": "original",
        "added": "",
        "images": 4,
        "persons": 4,
    }
    films = load_dataset(str(home / "films"))
    row = real.iloc[0]
    with Image.open(tmp_path / "sheets" / "readers" / "R1" / "images" / f"{row['reading_id']}.png") as image:
        place = films.manifest["image_id"].tolist().index(row["image_id"])
        np.testing.assert_array_equal(np.asarray(image), films.pixels.take([place])[0])


def test_notes_say_what_is_missing(home: Path, tmp_path: Path) -> None:
    edits = build_edits(tmp_path, home / "films", edits=("edema", "cardiomegaly"))
    notes = reader_sheets(str(edits), readers=1, findings=["Edema"], dry_run=True).notes
    assert notes[0].startswith("no edit adds nothing:")
    assert notes[1] == "readers are not asked about a finding that edits add: Cardiomegaly"


def test_dry_run_writes_nothing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = reader_sheets(str(home / "edits"), readers=2, dry_run=True)
    assert result.plan and result.summary["outputs"][0]["folder"] == "results/edits-reader-sheets"
    assert not list(tmp_path.iterdir())


def test_what_would_unblind_or_is_no_edit_is_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no image has an edit"):
        reader_sheets(str(home / "films"), out=tmp_path / "sheets")
    larger = build_films(tmp_path, size=48)
    with pytest.raises(DataError) as refusal:
        reader_sheets(str(home / "edits"), originals=str(larger), out=tmp_path / "sheets")
    assert "differ in size (32x32 and 48x48)" in refusal.value.message
    with pytest.raises(DataError, match="edits holds no image that an edit of edits was made from"):
        reader_sheets(str(home / "edits"), originals=str(home / "edits"), out=tmp_path / "sheets")


def test_finished_sheets_are_overwritten_on_request_alone(home: Path, tmp_path: Path) -> None:
    reader_sheets(str(home / "edits"), readers=1, out=tmp_path / "sheets")
    with pytest.raises(OutputError, match="exists already"):
        reader_sheets(str(home / "edits"), readers=1, out=tmp_path / "sheets")
    reader_sheets(str(home / "edits"), readers=2, out=tmp_path / "sheets", force=True)
    assert sorted(path.name for path in (tmp_path / "sheets" / "readers").iterdir()) == ["R1", "R2"]
