"""``stats leakage``: planted leaks are found, a sound dataset is not accused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.verbs.stats.cohort_tables import ColumnNames
from cxrshort.verbs.stats.leakage import leakage

from .cohorts import dataset, film, manifest
from .scored import written


def verdicts(result) -> dict[tuple[str, str], str]:
    return {(finding["check"], finding["scope"]): finding["verdict"] for finding in result.summary["findings"]}


def finding(result, check: str, scope: str = "within I") -> dict:
    return next(row for row in result.summary["findings"] if (row["check"], row["scope"]) == (check, scope))


def test_sound_datasets_are_not_accused(tmp_path: Path) -> None:
    folders = [str(dataset(tmp_path / name, manifest(name=name))) for name in ("I", "II")]
    result = leakage(folders)
    assert set(result.verdicts) == {"no evidence"}
    assert len(result.verdicts) == 17
    assert result.summary["label_leaks"] == []


def test_persons_in_two_folds_are_a_leak_with_their_follow_ups(tmp_path: Path) -> None:
    rows = manifest()
    rows.loc[1, "split_0"] = "test"
    result = leakage([str(dataset(tmp_path / "I", rows))])
    assert finding(result, "shared persons") == {
        "check": "shared persons",
        "scope": "within I",
        "verdict": "leak",
        "count": 1,
        "compared": 20,
        "why": "I:0 (train 1, test 1)",
    }
    later = finding(result, "follow-ups")
    assert (later["verdict"], later["count"]) == ("leak", 1)
    assert later["why"] == "earlier in train, later in test: 1"
    assert finding(result, "shared images")["verdict"] == "no evidence"


def test_copy_under_another_person_is_a_leak_of_its_own(tmp_path: Path) -> None:
    rows = manifest()
    films = np.stack([film(number) for number in range(len(rows))])
    first, second = 0, int(np.flatnonzero(rows["split_0"] == "test")[0])
    films[second] = (0.8 * films[first] + 20).astype(np.uint8)
    result = leakage([str(dataset(tmp_path / "I", rows, films))], out=tmp_path / "out", figures=True)
    near = finding(result, "near-identical images")
    assert (near["verdict"], near["count"], near["compared"]) == ("leak", 1, 40)
    assert f"I/{first} and I/{second}, r = " in near["why"]
    (pair,) = pd.read_csv(tmp_path / "out" / "pairs.csv").to_dict("records")
    assert (pair["image_first"], pair["image_second"], pair["crosses"]) == (f"I/{first}", f"I/{second}", True)
    assert [path.name for path in result.figures] == ["near-identical.png"]
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"findings.csv", "columns.csv", "run.json"}
    without = leakage([str(tmp_path / "I")], compare_pixels=False)
    assert not any(check == "near-identical images" for check, _ in verdicts(without))


def test_small_images_make_suspicion_not_a_leak(tmp_path: Path) -> None:
    rows = manifest(6).assign(person_id=list("ABCDEF"), split_0=["train"] * 3 + ["test"] * 3)
    films = np.stack([film(number, 48) for number in range(6)])
    films[4] = films[1]
    near = finding(leakage([str(dataset(tmp_path / "I", rows, films))]), "near-identical images")
    assert near["verdict"] == "suspicious"
    assert near["why"].endswith("images of 48 pixels do not tell all persons apart")


def test_person_of_training_in_the_test_of_another_dataset_is_a_leak(tmp_path: Path) -> None:
    inside = manifest()
    outside = manifest(name="II")
    scope = "between I and II"
    for fold, verdict in (("test", "suspicious"), ("train", "leak")):
        person = inside["person_id"][inside["split_0"] == fold].iloc[0]
        shared = outside.assign(person_id=outside["person_id"].where(outside["split_0"] != "test", person))
        folder = tmp_path / fold
        result = leakage(
            [str(dataset(folder / "I", inside)), str(dataset(folder / "II", shared))], compare_pixels=False
        )
        assert finding(result, "shared persons", scope)["verdict"] == verdict
        assert finding(result, "shared persons", scope)["count"] == 1


def test_column_that_knows_the_label_is_a_leak(tmp_path: Path) -> None:
    rows = manifest(400)
    rows["ward"] = np.where(rows["Edema"] == 1, "ICU", "B2")
    result = leakage([str(dataset(tmp_path / "I", rows))], compare_pixels=False)
    (leak,) = result.summary["label_leaks"]
    assert (leak["column"], leak["label"], leak["verdict"], leak["strength"]) == ("ward", "Edema", "leak", 1.0)
    assert finding(result, "label-leaking columns")["why"].startswith("ward gives Edema away, strength 1.00 [")


def test_any_table_with_named_columns(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"film": ["f1", "f2", "f2", "f3"], "who": ["a", "b", "b", ""], "part": ["train", "train", "test", "test"]}
    )
    result = leakage(
        [str(written(table, tmp_path, "t.csv"))], columns=ColumnNames(person="who", image="film", splits=["part"])
    )
    assert verdicts(result) == {
        ("shared persons", "within t"): "leak",
        ("shared images", "within t"): "leak",
        ("shared studies", "within t"): "not testable",
        ("follow-ups", "within t"): "not testable",
        ("near-identical images", "within t"): "not testable",
        ("label-leaking columns", "within t"): "not testable",
    }
    assert result.notes == ["t: 1 of 4 rows name no person; not compared"]
    json.dumps(result.document, allow_nan=False)


@pytest.mark.parametrize("seed", [0, 1])
def test_same_seed_same_document(seed: int, tmp_path: Path) -> None:
    folder = str(dataset(tmp_path / "I", manifest(200)))
    documents = [json.dumps(leakage([folder], seed=seed, jobs=jobs).document) for jobs in (1, 2)]
    assert documents[0] == documents[1]
