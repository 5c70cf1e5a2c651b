"""BIMCV: broken headers, projections, molecular and radiologic labels, people in both collections."""

import pandas as pd
import pytest

from cxrshort.columns import CHESTX_RAY14_LABELS, COVID
from cxrshort.datasets.repositories.bimcv import NEGATIVE, POSITIVE, _labels, _refuse
from cxrshort.datasets.repositories.parsing.layout import find_repository
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import MissingInputError, UsageError

from ..lookalikes import bimcv_negative, bimcv_positive

FIRST = "sub-S01/ses-E01/mod-rx/sub-S01_ses-E01_run-1_bp-chest_vp-ap_dx.png"
SECOND = "sub-S01/ses-E02/mod-rx/sub-S01_ses-E02_run-1_vp-ap_dx.png"
THIRD = "sub-S01/ses-E03/mod-rx/a.png"
NO_REPORT = "sub-S02/ses-E04/mod-rx/e.png"


def read(repository, root, **options):
    build = bimcv_positive if repository is POSITIVE else bimcv_negative
    build(root)
    return repository.read(find_repository(root, repository), root, ReadOptions(**options))


def labels_of(reading, repository, name):
    row = reading.rows.set_index("image_id").loc[f"{repository.name}/{name}"]
    actual = {label for label in (*CHESTX_RAY14_LABELS, COVID) if row[label] == 1}
    return None if row[list(CHESTX_RAY14_LABELS)].isna().all() else actual


def test_one_broken_header_keeps_the_other_images_of_its_session(tmp_path):
    reading = read(POSITIVE, tmp_path)
    assert f"bimcv+/{NO_REPORT}" in set(reading.rows["image_id"])
    errors = reading.excluded[reading.excluded["reason"] == "unreadable header"]
    assert sorted(errors["path"].str.rpartition("/")[2]) == ["b.png", "no_header.png"]
    assert "no such file" in set(errors["detail"])


def test_projection_comes_from_the_description_not_from_the_file_name(tmp_path):
    views = read(POSITIVE, tmp_path).rows.set_index("image_id")["view"]
    assert views[f"bimcv+/{FIRST}"] == "AP"
    assert views[f"bimcv+/{SECOND}"] == "PA"
    assert views[f"bimcv+/{THIRD}"] == "PA"


def test_notes_count_what_is_unknown(tmp_path):
    reading = read(POSITIVE, tmp_path)
    assert reading.notes == (
        "1 other files below the subjects were left alone",
        "1 participants with radiographs have no images here",
        "6 images without a report: their findings are empty",
        "1 unknown finding strings: unheard of (1)",
        "1 unknown series descriptions: SOMETHING NEW (1)",
    )


def test_molecular_labels_of_the_positive_collection(tmp_path):
    reading = read(POSITIVE, tmp_path)
    assert (reading.rows[COVID] == 1).all()
    assert labels_of(reading, POSITIVE, FIRST) == {COVID, "Pneumonia"}
    assert labels_of(reading, POSITIVE, SECOND) == {COVID, "Pneumonia"}
    assert labels_of(reading, POSITIVE, THIRD) == {COVID, "Pneumonia"}
    assert labels_of(reading, POSITIVE, NO_REPORT) is None


def test_radiologic_labels_of_the_positive_collection(tmp_path):
    reading = read(POSITIVE, tmp_path, covid_labels="radiologic")
    assert labels_of(reading, POSITIVE, THIRD) == {COVID}
    assert reading.rows.set_index("image_id")[COVID].isna().to_list() == [False, False, False, True]


def test_certain_labels_are_those_that_a_report_states_without_doubt(tmp_path):
    reports = {"radiologic": ["covid 19", "covid 19 uncertain", "viral pneumonia"], "certain": ["covid 19"]}
    for kind, words in reports.items():
        for word in ("covid 19", "covid 19 uncertain", "viral pneumonia", "normal"):
            labels, _ = _labels([(word,)], pd.RangeIndex(1), positive=True, covid_labels=kind)
            assert (labels[COVID][0] == 1) == (word in words)


def test_window_without_a_width_is_no_window():
    names = ["WindowCenter", "WindowWidth", "VOILUT", "error"]
    headers = pd.DataFrame([["5", "9", "", ""], ["5", "", "", ""], ["", "", "yes", ""]], columns=names)
    refusals = _refuse(headers, [(), (), ()], ReadOptions(require_windowing=True))
    assert refusals[-1].where.tolist() == [False, True, False]


def test_negative_collection_is_negative_whatever_reports_say(tmp_path):
    reading = read(NEGATIVE, tmp_path)
    assert (reading.rows[COVID] == 0).all()
    assert "2 images have a report of COVID-19 and a negative test: COVID-19 is 0" in reading.notes


def test_radiologic_labels_of_the_negative_collection(tmp_path):
    rows = read(NEGATIVE, tmp_path, covid_labels="radiologic").rows.set_index("image_id")
    assert rows.loc[f"bimcv-/{SECOND}", COVID] == 1
    assert rows.loc[f"bimcv-/{THIRD}", COVID] == 0


def test_an_empty_list_of_findings_is_a_report(tmp_path):
    assert labels_of(read(NEGATIVE, tmp_path), NEGATIVE, THIRD) == set()


def test_people_in_both_collections_are_joined(tmp_path):
    assert read(NEGATIVE, tmp_path).same_person == (
        ("bimcv-:sub-S01", "bimcv+:sub-S77"),
        ("bimcv-:sub-S02", "bimcv+:sub-S78"),
    )
    assert read(POSITIVE, tmp_path).same_person == ()


def test_images_without_windows_or_reports_are_refused_on_request(tmp_path):
    reading = read(POSITIVE, tmp_path, require_windowing=True, require_report=True)
    assert list(reading.rows["image_id"]) == [f"bimcv+/{FIRST}", f"bimcv+/{SECOND}"]
    reasons = reading.excluded.set_index("path")["reason"]
    assert reasons[f"bimcv+/{THIRD}"] == "no windowing information"
    assert reasons[f"bimcv+/{NO_REPORT}"] == "no report"


@pytest.mark.parametrize(("unit", "years"), [("convert", 0.5), ("drop", 6)])
def test_ages_in_months(tmp_path, unit, years):
    rows = read(POSITIVE, tmp_path, age_unit=unit).rows.set_index("image_id")
    assert rows.loc[f"bimcv+/{THIRD}", "age_years"] == years


def test_header_names_where_pixels_need_it(tmp_path):
    rows = read(POSITIVE, tmp_path).rows
    assert all((tmp_path / path).is_file() for path in rows["sidecar"])
    assert set(rows["photometric"]) == {"MONOCHROME2"}


def test_unknown_kind_of_label_is_refused(tmp_path):
    with pytest.raises(UsageError) as caught:
        read(POSITIVE, tmp_path, covid_labels="pcr")
    assert caught.value.message == "'pcr' is not a known kind of COVID-19 label"


def test_collection_without_images_is_refused(tmp_path):
    bimcv_positive(tmp_path)
    (tmp_path / "bimcv+" / "sub-S01").rename(tmp_path / "elsewhere")
    (tmp_path / "bimcv+" / "sub-S02").rename(tmp_path / "elsewhere2")
    with pytest.raises(MissingInputError) as caught:
        POSITIVE.read(tmp_path / "bimcv+", tmp_path, ReadOptions())
    assert caught.value.message == f"'{tmp_path / 'bimcv+'}' has no images"
