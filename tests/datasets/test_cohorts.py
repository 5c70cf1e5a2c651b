"""Datasets composed of repositories, before a pixel is read."""

from dataclasses import replace

import pandas as pd
import pytest

from cxrshort.columns import EXCLUDED_COLUMNS, LABELS
from cxrshort.datasets import cohorts
from cxrshort.datasets.repositories.chexpert import REPOSITORY as CHEXPERT
from cxrshort.datasets.repositories.reading import Reading, ReadOptions
from cxrshort.errors import DataError, MissingInputError, UsageError

from .lookalikes import NIH_HEADER, bimcv_negative, bimcv_positive, chestx_ray14, github_covid, write

OPTIONS = ReadOptions()


@pytest.mark.parametrize(
    ("dataset", "names"),
    [
        ("I", ["chestx-ray14", "github-covid"]),
        ("github-covid", ["github-covid"]),
        ("github-covid, chestx-ray14", ["github-covid", "chestx-ray14"]),
        ("github-covid,I,github-covid", ["github-covid", "chestx-ray14"]),
    ],
)
def test_source_names_of_a_dataset(dataset, names):
    assert cohorts.source_names(dataset) == names


@pytest.mark.parametrize(
    ("dataset", "message", "hint"),
    [
        ("chestxray14", "'chestxray14' is not a known dataset", "did you mean 'chestx-ray14'?"),
        ("Phantom-1", "'Phantom-1' is not a known dataset", "did you mean 'phantom-I'?"),
        ("I,phantom-I", "'phantom-I' is a phantom dataset, which cannot be joined with others", "build it alone"),
    ],
)
def test_source_names_refuse(dataset, message, hint):
    with pytest.raises(UsageError) as caught:
        cohorts.source_names(dataset)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_source_names_refuse_an_empty_part():
    with pytest.raises(UsageError, match="^'' is not a known dataset$"):
        cohorts.source_names("I,")


def test_every_cohort_is_made_of_known_repositories():
    for name in cohorts.COHORTS:
        assert cohorts.source_names(name) == list(cohorts.COHORTS[name].sources)


def test_gather_counts_every_candidate_of_every_repository(tmp_path):
    counted = [chestx_ray14(tmp_path), github_covid(tmp_path)]
    actual = cohorts.gather("I", root=tmp_path, options=OPTIONS)
    assert actual.rows["image_id"].tolist() == [image for entry in counted for image in entry.rows]
    assert actual.rows.index.tolist() == list(range(len(actual.rows)))
    expected = pd.concat([pd.Series(entry.reasons) for entry in counted]).groupby(level=0).sum()
    assert actual.excluded["reason"].value_counts().to_dict() == expected.to_dict()
    assert tuple(actual.excluded.columns) == EXCLUDED_COLUMNS
    assert list(actual.fractions) == ["chestx-ray14", "github-covid"]
    assert actual.test_patients == {"chestx-ray14:00000013"}
    assert actual.root == tmp_path.resolve()
    assert {note.partition(": ")[0] for note in actual.notes} == {"chestx-ray14", "github-covid"}
    assert cohorts.builtin_labels(actual.rows) == list(LABELS)


def test_gather_refuses_a_root_that_is_not_there(tmp_path):
    with pytest.raises(MissingInputError) as caught:
        cohorts.gather("I", root=tmp_path / "gone", options=OPTIONS)
    assert caught.value.message == f"'{tmp_path / 'gone'}' does not exist"
    assert caught.value.hint == "give the folder of the downloads with --root, or set CXRSHORT_DATA"


def test_gather_refuses_a_repository_that_is_not_there(tmp_path):
    chestx_ray14(tmp_path)
    with pytest.raises(MissingInputError, match="has no folder of github-covid"):
        cohorts.gather("I", root=tmp_path, options=OPTIONS)


def test_gather_counts_the_reasons_when_nothing_remains(tmp_path):
    rows = [f"{name}.png,Hernia,0,1,60,M,PA,1,1,1,1" for name in "ab"]
    write(tmp_path / "ChestX-ray14" / "Data_Entry_2017.csv", "\n".join([NIH_HEADER, *rows]) + "\n")
    with pytest.raises(DataError) as caught:
        cohorts.gather("chestx-ray14", root=tmp_path, options=OPTIONS)
    assert caught.value.message == "'chestx-ray14' has no radiograph that can be used (missing file: 2)"
    assert caught.value.hint == "look at the folder given with --root"


def test_without_moves_rows_to_the_excluded(tmp_path):
    github_covid(tmp_path)
    actual = cohorts.gather("github-covid", root=tmp_path, options=OPTIONS)
    refused = pd.DataFrame({"reason": ["not an image"], "detail": ["zero bytes"]}, index=[1])
    left = cohorts.exclude(actual, refused)
    assert left.rows["image_id"].tolist() == ["github-covid/a.jpeg"]
    assert left.excluded.iloc[-1].to_dict() == {
        "path": actual.rows["path"][1],
        "patient_id": "github-covid:3",
        "reason": "not an image",
        "detail": "zero bytes",
    }
    assert len(left.rows) + len(left.excluded) == len(actual.rows) + len(actual.excluded)
    unchanged = cohorts.exclude(actual, refused.iloc[:0])
    pd.testing.assert_frame_equal(unchanged.rows, actual.rows)
    pd.testing.assert_frame_equal(unchanged.excluded, actual.excluded)


def test_second_reading_of_two_collections_opens_nothing(tmp_path, monkeypatch):
    from cxrshort.datasets.repositories.parsing import headers

    bimcv_positive(tmp_path)
    bimcv_negative(tmp_path)
    opened = []
    monkeypatch.setattr(
        headers, "_read_all", lambda paths, read, jobs: opened.append(len(paths)) or [read(path) for path in paths]
    )
    options = replace(OPTIONS, header_cache=tmp_path / "headers")
    for _ in range(2):
        cohorts.gather("III", root=tmp_path, options=options)
    assert len(opened) == 4 and min(opened[:2]) > 5
    assert opened[2:] == [1, 1]  # the header that each look-alike lacks is looked for again


def test_tea_takes_one_normal_film_of_each_patient_and_says_what_was_not_sampled(tmp_path, monkeypatch):
    rows = pd.DataFrame(
        {
            "image_id": [f"chexpert/{number}" for number in range(8)],
            "path": [f"{number}.jpg" for number in range(8)],
            "patient_id": ["chexpert:a", "chexpert:a", "chexpert:b", "chexpert:b", "chexpert:c"] + ["chexpert:d"] * 3,
            "age_years": 50.0,
            "No Finding": [1.0] * 4 + [0.0] * 4,
            "Pneumonia": [0.0] * 4 + [1.0] * 4,
        }
    )
    reading = Reading(rows, pd.DataFrame(columns=list(EXCLUDED_COLUMNS)))
    repository = replace(CHEXPERT, read=lambda folder, root, options: reading, folders=())
    monkeypatch.setattr(cohorts.registry, "load_entry", lambda table, name, kind: repository)
    parts = [part for part in cohorts.COHORTS["tea-xray"].parts if part.source == "chexpert"]
    small = [replace(part, sample=2) for part in parts]
    monkeypatch.setitem(cohorts.COHORTS, "tea-xray", replace(cohorts.COHORTS["tea-xray"], parts=tuple(small)))
    actual = cohorts.gather("tea-xray", root=tmp_path, options=OPTIONS)
    normal = actual.rows[actual.rows["Normal"] == 1]
    assert len(normal) == normal["patient_id"].nunique() == 2
    assert len(actual.rows) == 4 and len(actual.excluded) == 4
    assert set(actual.excluded["reason"]) == {"not sampled"}
    assert "chexpert Normal: the paper counts 4,644 images of 4,644 patients, here are 2 of 2" in actual.notes


def test_roentmod_takes_the_projections_that_its_paper_says():
    views = {name: dict(cohorts.COHORTS[name].parts[0].options).get("views") for name in cohorts.COHORTS}
    # MIMIC-CXR's 94,067 scans are "frontal" in the paper, and too few to hold its AP films; PadChest's may hold them.
    assert views["roentmod-nih"] == views["roentmod-chexpert"] == views["roentmod-mimic"] == ("PA",)
    assert views["roentmod-padchest"] is None


def test_correction_that_another_repository_has_is_no_false_alarm(tmp_path):
    chestx_ray14(tmp_path)
    github_covid(tmp_path)
    write(tmp_path / "more.csv", "path_or_name,action,reason\n00000001_000.png,flip,x\nnowhere.png,drop,x\n")
    actual = cohorts.gather("I", root=tmp_path, options=replace(OPTIONS, corrections=tmp_path / "more.csv"))
    assert [note for note in actual.notes if "corrections" in note] == ["1 corrections match no image: nowhere.png"]


def test_official_test_list_is_the_whole_test_fold(tmp_path):
    chestx_ray14(tmp_path)
    github_covid(tmp_path)
    fractions = cohorts.gather("I", root=tmp_path, options=OPTIONS).fractions
    assert fractions == {"chestx-ray14": (0.0, 0.05), "github-covid": (0.10, 0.10)}
    for path in (tmp_path / "ChestX-ray14").rglob("*test_list*"):
        path.unlink()
    assert cohorts.gather("chestx-ray14", root=tmp_path, options=OPTIONS).fractions["chestx-ray14"] == (0.05, 0.05)
