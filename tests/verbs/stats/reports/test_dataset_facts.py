"""Facts of datasets are the numbers of their own tables, and none where there is no table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.verbs.stats.reports import dataset_facts as facts

from ..studies import EVALUATION, INSIDE, OUTSIDE, change_run, change_table, load, write_run

MAKERS = [
    facts.data_sources,
    facts.patient_flow,
    facts.inclusion_criteria,
    facts.image_preparation,
    facts.data_subsets,
    facts.missing_metadata,
    facts.image_acquisition,
    facts.characteristics,
    facts.partitions,
    facts.disjoint_level,
    facts.study_dates,
    facts.confounders,
    facts.label_counts,
    facts.sample_size,
]


@pytest.mark.parametrize("make", MAKERS)
def test_no_folder_gives_no_fact(tmp_path: Path, make) -> None:
    write_run(tmp_path / "other", "stats cost")
    assert make(load(tmp_path)) == []


@pytest.mark.parametrize("make", [make for make in MAKERS if make is not facts.study_dates])
def test_every_fact_names_a_file_that_is_there(study: Path, make) -> None:
    made = make(load(study))
    assert made
    for fact in made:
        assert Path(fact.proof.partition(": ")[0]).is_file()


def test_numbers_are_those_of_the_manifest(study: Path) -> None:
    manifest = pd.read_csv(study / INSIDE / "manifest.csv")
    loaded = load(study / INSIDE, study / EVALUATION)
    images, patients = len(manifest), manifest["patient_id"].nunique()
    (sources,) = facts.data_sources(loaded)
    repositories = manifest["repository"].value_counts()
    assert sources.text.startswith(f"dataset phantom-I holds {images} images of {patients} patients from ")
    for name, count in repositories.items():
        assert f"{name} {count}" in sources.text
    (flow,) = facts.patient_flow(loaded)
    assert flow.text == (
        f"dataset phantom-I: {images} candidates, 0 excluded, {images} images included, of {patients} patients"
    )
    (labels,) = facts.label_counts(loaded)
    assert labels.text.endswith(f"COVID-19 {int((manifest['COVID-19'] == 1).sum())}")


def test_folds_are_counted_from_the_manifest(study: Path) -> None:
    manifest = pd.read_csv(study / INSIDE / "manifest.csv")
    loaded = load(study / INSIDE, study / EVALUATION)
    made = [fact.text for fact in facts.fold_characteristics(loaded)]
    for fold, text in zip(("train", "val", "test"), made, strict=True):
        part = manifest[manifest["split_0"] == fold]
        assert text == (
            f"dataset phantom-I, split_0, {fold}: {len(part)} images of {part['person_id'].nunique()} persons, "
            f"{(part['sex'] == 'F').sum()} of women, median age {np.median(part['age_years']):.0f}, "
            f"{(part['COVID-19'] == 1).sum()} with COVID-19"
        )


def test_exclusions_have_their_reasons(changeable: Path) -> None:
    def exclude(record: dict) -> None:
        record["summary"].update(excluded={"lateral view": 7, "no age": 1}, candidates=168)
        record["arguments"].update(where="age_years > 18", sample=160, per="repository")

    change_run(changeable / INSIDE, exclude)
    loaded = load(changeable / INSIDE)
    criteria, flow = (fact.text for fact in facts.inclusion_criteria(loaded))
    assert criteria == "dataset phantom-I includes views PA, AP; where age_years > 18"
    assert flow.startswith("dataset phantom-I: 168 candidates, 8 excluded (lateral view 7, no age 1), 160 images")
    (subset,) = facts.data_subsets(loaded)
    assert subset.text == (
        "dataset phantom-I: a random sample of 160 images of each repository, images where age_years > 18"
    )


def test_persons_in_two_folds_prove_no_disjointness(changeable: Path) -> None:
    assert len(facts.disjoint_level(load(changeable / INSIDE))) == 1

    def leak(manifest: pd.DataFrame) -> pd.DataFrame:
        return manifest.assign(person_id="one")

    change_table(changeable / INSIDE, "manifest.csv", leak)
    assert facts.disjoint_level(load(changeable / INSIDE)) == []


def test_dates_are_the_first_and_the_last(changeable: Path) -> None:
    assert facts.study_dates(load(changeable / INSIDE)) == []
    dates = ["2020-03-01", "2019-12-31"] + [""] * 158
    change_table(changeable / INSIDE, "manifest.csv", lambda manifest: manifest.assign(study_date=dates))
    (dated,) = facts.study_dates(load(changeable / INSIDE))
    assert dated.text == "2 images of dataset phantom-I are dated, from 2019-12-31 to 2020-03-01"


def test_confounders_are_strong_ones_of_the_label(study: Path) -> None:
    loaded = load(study)
    texts = [fact.text for fact in facts.confounders(loaded)]
    assert texts[0].startswith("in dataset phantom-I, repository alone predicts COVID-19: AUC 1.00 [")
    assert all("predicts COVID-19" in text for text in texts)
    unconfounded = [text for text in texts if "phantom-external, repository" in text]
    assert unconfounded == []


def test_differences_name_both_datasets(study: Path) -> None:
    text = " ".join(fact.text for fact in facts.data_differences(load(study / INSIDE, study / OUTSIDE)))
    assert "phantom-I holds" in text and "phantom-external holds" in text


def test_missing_shares_are_stated(study: Path) -> None:
    (missing,) = facts.missing_metadata(load(study / INSIDE))
    assert missing.text == "missing in dataset phantom-I: sex 0.0%, age_years 0.0%, view 0.0%"
