"""Images as audits read them: labels, what is left out, and features in blocks."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.dataset import load_dataset
from cxrshort.errors import DataError
from cxrshort.images.grey_values import grey_histograms
from cxrshort.verbs.stats import audited_images
from cxrshort.verbs.stats.audited_images import choose_label, open_images, pixel_features


def changed(source: Path, target: Path, **columns: object) -> Path:
    """Return a copy of a dataset whose manifest has other cells."""
    shutil.copytree(source, target)
    table = pd.read_csv(target / "manifest.csv", dtype=str, keep_default_na=False)
    table.assign(**columns).to_csv(target / "manifest.csv", index=False)
    return target


def test_images_without_an_exact_label_are_left_out_and_counted(clean_phantom: Path, tmp_path: Path) -> None:
    whole = open_images(str(clean_phantom), None)
    labels = np.where(
        np.arange(160) < 5, "", np.where(np.arange(160) < 7, "0.5", whole.targets.astype(int).astype(str))
    )
    images = open_images(str(changed(clean_phantom, tmp_path / "d", **{"COVID-19": labels})), None)
    assert (whole.label, len(whole.targets), whole.notes) == ("COVID-19", 160, [])
    np.testing.assert_array_equal(images.positions, np.arange(7, 160))
    np.testing.assert_array_equal(images.targets, whole.targets[7:])
    assert images.notes == ["images without an exact label of COVID-19 are left out: 7"]
    assert len(set(images.codes)) == images.rows["person_id"].nunique()


def test_features_do_not_depend_on_blocks(clean_phantom: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, positions = load_dataset(str(clean_phantom)), np.array([5, 0, 77, 159])
    monkeypatch.setattr(audited_images, "_BLOCK", 3)
    features = pixel_features(data, positions, {"histogram": grey_histograms})["histogram"]
    np.testing.assert_array_equal(features, grey_histograms(data.pixels.take(positions)))


def test_label_is_covid_or_the_first_with_both_classes(clean_phantom: Path, tmp_path: Path) -> None:
    assert choose_label(load_dataset(str(clean_phantom)), "Effusion") == "Effusion"
    data = load_dataset(str(changed(clean_phantom, tmp_path / "d", **{"COVID-19": "0", "Atelectasis": "1"})))
    assert choose_label(data, None) == "Cardiomegaly"
    with pytest.raises(DataError) as caught:
        choose_label(data, "Efusion")
    assert (caught.value.message, caught.value.hint) == (
        "clean: there is no label 'Efusion'",
        "did you mean 'Effusion'?",
    )
