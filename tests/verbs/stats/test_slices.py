"""``stats slices``: the planted cluster is shown, its tables and pictures say what it is."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError, UsageError
from cxrshort.verbs.stats.slices import slices

from ...training.tiny import png_signature, write_dataset
from .groups import sliced_predictions


def test_planted_cluster_is_shown_and_described(tmp_path: Path) -> None:
    folder, member = sliced_predictions(tmp_path / "ev")
    result = slices(folder, out=tmp_path / "out")
    first = result.summary["slices"][0]
    assert (first["finding"], first["verdict"], first["slice"]) == ("shown", "suspicious", 1)
    assert first["errors"] > first["expected"] and first["excess_low"] > 0
    assert first["mostly"].startswith("view AP: ")
    images = pd.read_csv(tmp_path / "out" / "slice-images.csv")
    assert list(images["row"]) == list(range(1600))
    own = images[(images["slice"] == 1) & (images["half"] == "testing")]
    assert len(own) == first["images"]
    assert first["errors"] == pytest.approx((own["target"] != own["called"]).mean())
    assert member[own["row"]].mean() > 0.9
    assert first["images_finding"] == ((images["slice"] == 1) & (images["half"] == "finding")).sum()


def test_halves_share_no_person(tmp_path: Path) -> None:
    folder, _ = sliced_predictions(tmp_path / "ev")
    slices(folder, out=tmp_path / "out")
    images = pd.read_csv(tmp_path / "out" / "slice-images.csv")
    persons = pd.read_csv(folder / "predictions.csv")["person_id"]
    assert not set(persons[images["half"] == "finding"]) & set(persons[images["half"] == "testing"])


def test_without_a_cluster_nothing_is_shown(tmp_path: Path) -> None:
    folder, _ = sliced_predictions(tmp_path / "ev", planted=0.0, seed=1)
    result = slices(folder)
    assert "suspicious" not in result.verdicts
    assert {row["finding"] for row in result.summary["slices"]} <= {"not shown", "not tested"}


def test_pictures_of_tested_slices_show_errors_first(tmp_path: Path) -> None:
    folder, _ = sliced_predictions(tmp_path / "ev")
    table = pd.read_csv(folder / "predictions.csv")
    manifest = table[["image_id", "person_id"]].assign(
        repository="tiny", patient_id=table["person_id"], view="AP", cache=str(tmp_path / "tiny"),
        cache_row=np.arange(len(table)), **{"COVID-19": 0},
    )  # fmt: skip
    write_dataset(tmp_path / "tiny", manifest, size=32)
    result = slices(folder, dataset=[str(tmp_path / "tiny")], out=tmp_path / "out", figures=True)
    tested = [row for row in result.summary["slices"] if row["finding"] != "not tested"]
    assert [path.name for path in result.figures] == ["slices.png", *(f"slice-{row['slice']}.png" for row in tested)]
    assert all(png_signature(path) for path in result.figures)


def test_labels_have_slices_of_their_own(tmp_path: Path) -> None:
    folder, _ = sliced_predictions(tmp_path / "ev")
    table = pd.read_csv(folder / "predictions.csv")
    table["target.Mass"], table["logit.Mass"] = table["target.Edema"], np.where(table["target.Edema"] == 1, 3.0, -3.0)
    table.to_csv(folder / "predictions.csv", index=False)
    result = slices(folder)
    assert {row["label"] for row in result.summary["slices"]} == {"Edema"}
    skipped = (
        "Mass, a/small-cnn/erm, tiny: the model makes no error in one half of the persons: there is nothing to find"
    )
    assert result.summary["skipped"] == [skipped] and skipped in result.notes


def test_array_of_any_network_will_do(tmp_path: Path) -> None:
    folder, _ = sliced_predictions(tmp_path / "ev")
    table = pd.read_csv(folder / "predictions.csv")
    foreign = pd.DataFrame({"y": table["target.Edema"], "s": table["logit.Edema"], "who": table["person_id"]})
    foreign.to_csv(tmp_path / "t.csv", index=False)
    options = {"target": "y", "score": "s", "person": "who", "logits": True}
    first = slices(tmp_path / "t.csv", features=str(folder / "features.npy"), **options).summary["slices"][0]
    assert (first["finding"], first["mostly"]) == ("shown", "")


def test_same_seed_gives_the_same_result(tmp_path: Path) -> None:
    folder, _ = sliced_predictions(tmp_path / "ev")
    assert slices(folder, seed=2).summary == slices(folder, seed=2).summary
    json.dumps(slices(folder).summary, allow_nan=False)


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    folder, _ = sliced_predictions(tmp_path / "ev")
    for options, message in (
        ({"most": 1}, 'slices "1" must be at least 2'),
        ({"dataset": ["tiny"]}, "--dataset is for contact sheets, which are figures"),
    ):
        with pytest.raises(UsageError) as caught:
            slices(folder, **options)
        assert caught.value.message == message
    table = pd.read_csv(folder / "predictions.csv")
    foreign = pd.DataFrame({"y": table["target.Edema"], "s": table["logit.Edema"]})
    foreign.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError) as refused:
        slices(tmp_path / "t.csv", target="y", score="s", features=str(folder / "features.npy"))
    assert refused.value.hint == "slices need decisions: give probabilities, or --logits"
