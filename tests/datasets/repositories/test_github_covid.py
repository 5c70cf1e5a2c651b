"""GitHub-COVID: both vocabularies, the paper's view filter, early and late revisions."""

from pathlib import Path

import numpy as np
import pytest

from cxrshort.columns import COVID, LABELS
from cxrshort.datasets.repositories.github_covid import REPOSITORY
from cxrshort.datasets.repositories.parsing.layout import find_repository
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import DataError

from ..lookalikes import GITHUB_HEADER, github_covid, touch, write


def read(root: Path, options: ReadOptions | None = None):
    return REPOSITORY.read(find_repository(root, REPOSITORY), root, options or ReadOptions())


def test_covid_films_have_no_pneumonia_and_other_labels_stay_empty(tmp_path):
    github_covid(tmp_path)
    rows = read(tmp_path).rows
    assert (rows[COVID] == 1).all() and (rows["Pneumonia"] == 0).all()
    assert rows[[label for label in LABELS if label not in (COVID, "Pneumonia")]].isna().all(axis=None)


def test_demographics_are_read(tmp_path):
    github_covid(tmp_path)
    first, second = read(tmp_path).rows.to_dict("records")
    assert (first["sex"], first["age_years"], first["study_date"], first["view"]) == ("M", 65, "2020-01-22", "PA")
    assert (second["sex"], second["age_years"], second["study_date"], second["view"]) == ("F", 70, "2020-03-16", "AP")


def test_other_findings_are_kept_on_request(tmp_path):
    github_covid(tmp_path)
    rows = read(tmp_path, ReadOptions(include_other_findings=True)).rows.set_index("image_id")
    assert list(rows.index) == [f"github-covid/{name}" for name in ("a.jpeg", "b.jpg", "g.jpg", "h.jpg")]
    assert rows.loc["github-covid/h.jpg", ["Pneumonia", COVID]].to_list() == [1, 0]
    assert np.isnan(rows.loc["github-covid/g.jpg", COVID])


def test_notes_count_unknown_findings_and_the_papers_images(tmp_path):
    github_covid(tmp_path)
    assert read(tmp_path).notes == (
        "1 unknown finding strings: todo (1)",
        "COVID-19, PA and AP: 2 images of 2 patients",
        "COVID-19, PA, AP and AP Supine: 3 images of 3 patients",
    )


def test_one_film_under_two_patients_joins_them(tmp_path):
    github_covid(tmp_path)
    assert read(tmp_path).same_person == (("github-covid:11", "github-covid:2"),)


def test_views_can_be_widened(tmp_path):
    github_covid(tmp_path)
    rows = read(tmp_path, ReadOptions(views=("PA", "AP", "AP_SUPINE"))).rows
    assert list(rows["view"]) == ["PA", "AP", "AP_SUPINE"]


def test_first_revision_is_read(tmp_path):
    folder = tmp_path / "GitHub-COVID"
    write(folder / "metadata.csv", "Patientid,offset,sex,age,finding,view,filename\n1,0,M,65,COVID-19,PA,a.jpg\n")
    touch(folder / "images", "a.jpg")
    assert list(read(tmp_path).rows["patient_id"]) == ["github-covid:1"]


def test_no_covid_at_all_is_refused(tmp_path):
    write(tmp_path / "github-covid" / "metadata.csv", GITHUB_HEADER + "\n1,0,,,Covid,PA,X-ray,,images,a.jpg,,,\n")
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert caught.value.message == "metadata.csv: no finding is COVID-19 in 1 row"
    assert caught.value.hint == (
        "expected words such as 'COVID-19' or 'Pneumonia/Viral/COVID-19'; download the collection again"
    )


def test_real_pack_gives_the_films_that_its_readme_counts(test_data):
    reading = read(test_data)
    assert reading.rows["view"].value_counts().to_dict() == {"PA": 208, "AP": 80}
    assert reading.excluded["reason"].value_counts().to_dict() == {
        "not COVID-19": 209,
        "supine view": 122,
        "not a radiograph": 84,
        "lateral view": 24,
        "missing file": 24,
    }
    assert len(reading.rows) + len(reading.excluded) == 751
    assert "COVID-19, PA, AP and AP Supine: 400 images of 244 patients" in reading.notes
    assert reading.same_person == (
        ("github-covid:285", "github-covid:339"),
        ("github-covid:287", "github-covid:340"),
    )
