"""``stats attributes``: what is planted is ranked first, what is clean is left alone."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.dataset import load_dataset
from cxrshort.errors import DataError
from cxrshort.stats.confounding import confounding
from cxrshort.verbs.stats import attributes as verb
from cxrshort.verbs.stats.attributes import attributes

from .test_audited_images import changed


def test_planted_border_makes_the_hospital_a_shortcut(planted_phantom: Path) -> None:
    """P(style | class) = 0.9 tells 1 - H(0.9)/H(0.5) = 53 % of a balanced label."""
    result = attributes(str(planted_phantom), label="COVID-19")
    first = result.summary["attributes"][0]
    assert first["attribute"] in ("repository", "manufacturer", "modality")  # each is the hospital
    assert first["verdict"] == "shortcut" and first["within_classes"]
    assert 0.3 < first["utility"] < 0.75 and first["detectability"] > 0.6
    assert first["risk"] == pytest.approx(first["utility"] * first["detectability"])
    assert first["risk_low"] < first["risk"] < first["risk_high"]
    verdicts = {row["attribute"]: row["verdict"] for row in result.summary["attributes"]}
    assert {verdicts[name] for name in ("sex", "age_years", "view")} == {"no evidence"}
    assert result.document["schema"] == "cxrshort.stats-attributes/1"


def test_clean_dataset_is_not_accused_of_any_pair(clean_phantom: Path) -> None:
    result = attributes(str(clean_phantom))
    assert set(result.verdicts) <= {"no evidence", "not testable"}
    tested = [row for row in result.summary["attributes"] if row["risk"] is not None]
    assert len(tested) >= 15
    # Hospitals differ in their borders, so that one axis is high; the other is not.
    assert max(row["detectability"] for row in tested) > 0.5
    assert all(row["smallest_risk"] > 0 for row in tested)


def test_first_axis_is_the_table_of_confounding(planted_phantom: Path) -> None:
    manifest = load_dataset(str(planted_phantom)).manifest
    rows = {row["attribute"]: row for row in attributes(str(planted_phantom), label="COVID-19").summary["attributes"]}
    table = confounding(manifest, ["COVID-19"], columns=list(rows), rng=np.random.default_rng(0))
    # The order of columns decides what each draws, so that only what draws nothing is the same to the last digit.
    age = table.set_index("column").loc["age_years"]
    assert (rows["age_years"]["auc"], rows["age_years"]["auc_low"]) == (age["auc"], age["low"])
    assert rows["repository"]["confounding"].startswith("strong")
    written = (
        pd.read_csv(planted_phantom / "confounding.csv").set_index(["label", "column"]).loc["COVID-19", "repository"]
    )
    assert written["utility"] == pytest.approx(rows["repository"]["utility"], abs=0.1)  # of other images of a person


def test_numbers_of_an_attribute_do_not_depend_on_the_others(planted_phantom: Path) -> None:
    names = ("utility", "utility_p", "detectability", "detectability_p", "risk", "risk_low", "risk_high")
    (alone,) = attributes(str(planted_phantom), label="COVID-19", columns=["view"]).summary["attributes"]
    together = attributes(str(planted_phantom), columns=["sex", "view", "repository"]).summary["attributes"]
    (row,) = [row for row in together if (row["label"], row["attribute"]) == ("COVID-19", "view")]
    assert [row[name] for name in names] == [alone[name] for name in names]


def test_attribute_that_is_the_label_cannot_be_told_apart(planted_phantom: Path, tmp_path: Path) -> None:
    labels = pd.read_csv(planted_phantom / "manifest.csv")["COVID-19"]
    folder = changed(planted_phantom, tmp_path / "d", repository=np.where(labels == 1, "a", "b"))
    row = attributes(str(folder), label="COVID-19", columns=["repository"]).summary["attributes"][0]
    assert (row["utility"], row["within_classes"], row["confounding"]) == (1.0, False, "worst-case confounded")


def test_noise_of_many_levels_has_no_utility(clean_phantom: Path, tmp_path: Path) -> None:
    room = [f"room {number}" for number in np.random.default_rng(0).integers(0, 40, 160)]
    result = attributes(str(changed(clean_phantom, tmp_path / "d", room=room)), label="COVID-19")
    (row,) = [row for row in result.summary["attributes"] if row["attribute"] == "room"]
    assert abs(row["utility"]) < 0.2  # of plain mutual information, 40 levels among 87 persons have 0.5
    assert (row["verdict"], row["why"]) == ("not testable", "detectability: every value is rare")


def test_person_identifiers_are_no_attributes(clean_phantom: Path) -> None:
    names = {row["attribute"] for row in attributes(str(clean_phantom), label="COVID-19").summary["attributes"]}
    assert names == {"repository", "view", "sex", "age_years", "manufacturer", "modality"}
    with pytest.raises(DataError) as caught:
        attributes(str(clean_phantom), columns=["patient_id"])
    assert caught.value.message == (
        "manifest.csv: column 'patient_id' names images, persons or files and is no attribute"
    )
    with pytest.raises(DataError) as caught:
        attributes(str(clean_phantom), columns=["veiw"])
    assert (caught.value.message, caught.value.hint) == (
        "manifest.csv: there is no column 'veiw'",
        "did you mean 'view'?",
    )


def test_one_class_is_refused_with_its_reason(clean_phantom: Path, tmp_path: Path) -> None:
    folder = changed(clean_phantom, tmp_path / "d", **{"COVID-19": "0"})
    with pytest.raises(DataError) as caught:
        attributes(str(folder), label="COVID-19", columns=["view"])
    assert caught.value.message == "clean: no attribute can be tested (only 0 persons in the smaller class)"


def test_folder_holds_the_table_and_the_figure(planted_phantom: Path, tmp_path: Path) -> None:
    result = attributes(str(planted_phantom), label="COVID-19", out=tmp_path / "out", figures=True)
    assert [path.name for path in result.figures] == ["attributes.png"]
    table = pd.read_csv(tmp_path / "out" / "attributes.csv")
    assert table["attribute"].tolist() == [row["attribute"] for row in result.summary["attributes"]]
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["attributes"] == result.summary["attributes"]


def test_same_seed_gives_the_same_numbers(planted_phantom: Path) -> None:
    first, again = (attributes(str(planted_phantom), label="COVID-19").summary["attributes"] for _ in range(2))
    assert first == again


def test_pixels_of_a_sample_of_persons_are_read_and_that_is_said(
    planted_phantom: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "MOST_PERSONS", 60)
    result = attributes(str(planted_phantom), label="COVID-19", columns=["view"])
    assert result.summary["attributes"][0]["probed_persons"] == 60
    assert result.notes[-1] == "pixels of 60 persons drawn at random are read for: COVID-19"
