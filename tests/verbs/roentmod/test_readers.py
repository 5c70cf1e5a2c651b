"""Readers of whom all is known: shares, agreement and files are what they answered."""

import json
from pathlib import Path

import pandas as pd
import pytest

from cxrshort.errors import OutputError, UsageError
from cxrshort.stats.cooccurrence import read_cooccurrence
from cxrshort.verbs.roentmod.readers import readers

from .filled_sheets import FINDINGS, SHOWN, change, fill, write_key
from .painted_edits import build_films


def test_cells_are_the_shares_that_the_edits_show(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=3)
    summary = readers(fill(key), key=key).summary
    names = {"cardiomegaly": "Cardiomegaly", "edema": "Edema", "left upper lobe mass": "Mass", "sham": "sham"}
    for edit, shares in SHOWN.items():
        cells = [cell for cell in summary["cells"] if cell["added"] == names[edit]]
        assert [cell["share"] for cell in cells] == pytest.approx(shares)
        assert [cell["seen"] for cell in cells] == list(FINDINGS)
        assert all((cell["images"], cell["persons"], cell["readings"]) == (20, 20, 60) for cell in cells)
        assert all(cell["share_low"] <= cell["share"] <= cell["share_high"] for cell in cells)
    assert [cell["added"] for cell in summary["cells"] if cell["on_target"]] == list(FINDINGS)


def test_adherence_stands_beside_the_sham_edits(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=2)
    result = readers(fill(key), key=key)
    rows = {row["edit"]: row for row in result.summary["adherence"]}
    heart = rows["cardiomegaly"]
    assert (heart["share"], heart["sham"]) == pytest.approx((0.9, 0.3))
    assert heart["beyond_sham"] == pytest.approx(0.6) and 0.2 < heart["beyond_sham_low"] < 0.6
    assert heart["prompt"] == "cardiomegaly, please" and heart["by_reader"]["R2"]["share"] == pytest.approx(0.9)
    assert [name for name, row in rows.items() if row["low_adherence"]] == ["left upper lobe mass"]
    assert any("less than 80% of its edits: left upper lobe mass (0.70)" in note for note in result.notes)


def test_unsure_answers_are_dropped_or_half(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=1)
    path = change(fill(key)[0], lambda table: table.assign(Mass="2"))
    shares = {}
    for rule in ("drop", "half"):
        cells = readers([path], key=key, unsure=rule).summary["cells"]
        shares[rule] = next(cell for cell in cells if (cell["added"], cell["seen"]) == ("Mass", "Mass"))
    assert (shares["drop"]["share"], shares["drop"]["images"], shares["drop"]["unsure"]) == (None, 0, 20)
    assert (shares["half"]["share"], shares["half"]["images"]) == (0.5, 20)
    with pytest.raises(UsageError, match="'seen' is not a known rule for unsure answers"):
        readers([path], key=key, unsure="seen")


def test_readers_who_err_agree_less(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=3, repeats=40)
    rows = readers(fill(key, error=0.1), key=key).summary["agreement"]
    together = [row for row in rows if row["finding"] == "all findings"]
    assert [(row["readers"], row["coefficient"]) for row in together] == [
        ("R1, R2", "Cohen's kappa"),
        ("R1, R3", "Cohen's kappa"),
        ("R2, R3", "Cohen's kappa"),
        ("all readers", "Fleiss' kappa"),
        ("all readers", "Krippendorff's alpha"),
        ("R1, twice", "Cohen's kappa"),
        ("R2, twice", "Cohen's kappa"),
        ("R3, twice", "Cohen's kappa"),
    ]
    # Two answers that are each wrong with 0.1 are equal with 0.82; of 240 the standard error is 0.025.
    assert all(row["equal"] == pytest.approx(0.82, abs=0.1) for row in together)
    assert all(row["low"] < row["value"] < row["high"] < 0.9 for row in together)
    perfect = readers(fill(key), key=key).summary["agreement"]
    assert {row["value"] for row in perfect if row["finding"] == "all findings"} == {1.0}


def test_divided_images_have_no_agreement(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=2, shared=0.0)
    result = readers(fill(key), key=key)
    assert not result.summary["agreement"] and "no image was read twice, so that agreement is not known" in result.notes


def test_table_is_what_the_stress_test_reads(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=2)
    result = readers(fill(key), key=key, out=tmp_path / "out")
    table = read_cooccurrence(tmp_path / "out" / "cooccurrence.csv")
    assert result.file == tmp_path / "out" / "cooccurrence.csv"
    assert table.share(["edema"], "Cardiomegaly") == pytest.approx(0.8)
    assert table.adherence("Mass") == pytest.approx(0.7) and table.share(["sham"], "Mass") is None


def test_folder_holds_tables_and_figures(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=2)
    result = readers(fill(key), key=key, out=tmp_path / "out")
    names = {
        "cooccurrence.csv",
        "cells.csv",
        "adherence.csv",
        "agreement.csv",
        "realism.csv",
        "summary.json",
        "run.json",
    }
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*names, "cooccurrence.png", "by-reader.png"}
    cells = pd.read_csv(tmp_path / "out" / "cells.csv")
    assert cells.groupby("reader").size().to_dict() == {"R1": 12, "R2": 12, "all": 12}
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["schema"] == "cxrshort.readers/1" and summary["cells"] == result.summary["cells"]
    with pytest.raises(OutputError, match="exists already"):
        readers(fill(key), key=key, out=tmp_path / "out")


def test_cohort_stands_beside_the_edits(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=1)
    manifest = pd.read_csv(build_films(tmp_path) / "manifest.csv")
    manifest["Edema"], manifest["Cardiomegaly"] = 0, 0
    manifest.loc[:3, "Edema"], manifest.loc[:0, "Cardiomegaly"] = 1, 1
    manifest.to_csv(tmp_path / "cohort.csv", index=False)
    result = readers(fill(key), key=key, cohort=str(tmp_path / "cohort.csv"), out=tmp_path / "out")
    cells = {(cell["added"], cell["seen"]): cell["cohort"] for cell in result.summary["cells"]}
    assert (cells["Edema", "Cardiomegaly"], cells["Cardiomegaly", "Edema"]) == (0.25, 1.0)
    assert cells["sham", "Edema"] is None and result.summary["cohort"] == "films"


def test_realism_is_of_all_edits_and_of_each(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=1)
    path = change(fill(key)[0], lambda table: table.assign(artificial=["1"] * 8 + ["0"] * 72))
    rows = readers([path], key=key).summary["realism"]
    every = next(row for row in rows if (row["images_of"], row["question"]) == ("all edits", "artificial"))
    assert every["share"] == pytest.approx(0.1) and every["images"] == 80
    assert {row["images_of"] for row in rows} == {"all edits", *FINDINGS, "sham"}


def test_missing_shams_and_questions_are_noted(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=1, edits=("cardiomegaly", "edema"))
    path = change(fill(key)[0], lambda table: table.drop(columns=["Edema"]))
    result = readers([path], key=key)
    assert "readers were not asked about what was added: edema" in result.notes
    assert any(note.startswith("no sham edits were read") for note in result.notes)
    assert result.notes[-1].startswith("--out DIR writes cooccurrence.csv")


def test_no_sheet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no sheet to read"):
        readers([], key=write_key(tmp_path))
