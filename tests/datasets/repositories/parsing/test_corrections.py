"""Corrections of single images."""

from dataclasses import replace

import pandas as pd
import pytest

from cxrshort.datasets.repositories.chestx_ray14 import REPOSITORY
from cxrshort.datasets.repositories.parsing.corrections import correct, unmatched_corrections
from cxrshort.datasets.repositories.parsing.layout import find_repository
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import DataError

from ...lookalikes import chestx_ray14, write

CANDIDATES = pd.DataFrame({"image_id": ["x/a.png", "b.png", "c.png"], "view": ["PA", "AP", "UNKNOWN"]})


def corrected(tmp_path, lines):
    write(tmp_path / "more.csv", "path_or_name,action,reason\n" + lines)
    return correct(CANDIDATES, repository="zoo", more=tmp_path / "more.csv")


def test_correct_matches_by_base_name(tmp_path):
    result = corrected(tmp_path, "other/place/a.png,drop,blank\n")
    assert list(result.dropped) == ["blank", "", ""]


def test_correct_changes_views(tmp_path):
    result = corrected(tmp_path, "a.png,lateral,seen\nc.png,view=AP,seen\n")
    assert list(result.candidates["view"]) == ["LATERAL", "AP", "AP"]


def test_correct_passes_on_what_concerns_pixels(tmp_path):
    result = corrected(tmp_path, "a.png,flip,\nb.png,flip,\nb.png,skip_windowing,\n")
    assert list(result.candidates["correction"]) == ["flip", "flip;skip_windowing", ""]


def test_correct_reports_what_matches_nothing(tmp_path):
    result = corrected(tmp_path, "".join(f"{name}.png,drop,\n" for name in "bvwxy"))
    assert list(result.dropped) == ["", "no reason given", ""]
    names = ["place/a.png", "b.png", "other/c.png"]
    notes = unmatched_corrections(names, repositories=["zoo", "circus"], more=tmp_path / "more.csv")
    assert notes == ("4 corrections match no image: v.png, w.png, x.png, ...",)
    assert unmatched_corrections([f"{name}.png" for name in "bvwxy"], repositories=[], more=tmp_path / "more.csv") == ()
    assert unmatched_corrections(names, repositories=["zoo"], more=None) == ()


def test_correct_refuses_an_unknown_action(tmp_path):
    with pytest.raises(DataError) as caught:
        corrected(tmp_path, "a.png,rotate,\n")
    assert caught.value.message == "more.csv: 'rotate' is not a known action"
    assert caught.value.hint == (
        "one of: drop, lateral, flip, skip_windowing, view=PA, view=AP, view=AP_SUPINE, view=LATERAL, view=UNKNOWN"
    )


@pytest.mark.parametrize("repository", ["bimcv+", "bimcv-"])
def test_published_corrections_of_bimcv_are_complete(repository):
    notes = unmatched_corrections(["a.png"], repositories=[repository], more=None)
    assert notes[0].startswith("12 corrections match no image: sub-S03169_ses-E07193_run-1_bp-chest_vp-ap_dx.png")


def test_corrections_of_two_collections_that_hold_the_same_lines_are_counted_once():
    notes = unmatched_corrections(["a.png"], repositories=["bimcv+", "bimcv-"], more=None)
    assert notes[0].startswith("12 corrections match no image")


def test_corrections_reach_the_rows_and_the_ledger(tmp_path):
    chestx_ray14(tmp_path)
    lines = "00000001_000.png,drop,hand\n00000001_001.png,lateral,seen\n00000005_000.png,flip,upside down\n"
    write(tmp_path / "more.csv", "path_or_name,action,reason\n" + lines)
    options = replace(ReadOptions(), corrections=tmp_path / "more.csv")
    reading = REPOSITORY.read(find_repository(tmp_path, REPOSITORY), tmp_path, options)
    reasons = reading.excluded.set_index("path")[["reason", "detail"]]
    folder = "ChestX-ray14/images_001/images"
    assert reasons.loc[f"{folder}/00000001_000.png"].to_list() == ["dropped by a correction", "hand"]
    assert reasons.loc[f"{folder}/00000001_001.png", "reason"] == "lateral view"
    assert reading.rows.set_index("image_id")["correction"].to_dict() == {
        "chestx-ray14/00000005_000.png": "flip",
        "chestx-ray14/00000013_026.png": "",
    }
