"""Default folders of results."""

from pathlib import Path

import pandas as pd
import pytest

from cxrshort.dataset import Dataset
from cxrshort.models.result_folders import results_folder


def data(name: str, path: Path | None) -> Dataset:
    return Dataset(name, pd.DataFrame({"image_id": ["a", "b"]}), path)


@pytest.mark.parametrize(
    ("models", "path", "options", "verb", "expected"),
    [
        (["runs/I/net/erm"], Path("I/manifest.csv"), {}, "", "I-net-erm/I"),
        (["./a/model.safetensors", "b"], Path("some.csv"), {"split": "val"}, "explain", "a+b/some-split-val-explain"),
        (["txrv:all"], Path("I/manifest.csv"), {"label": "Mass,Hernia"}, "", "txrv-all/I-label-Mass-Hernia"),
        (["."], Path("I/manifest.csv"), {}, "swap-test", "here/I-swap-test"),
    ],
)
def test_folder_names_models_datasets_options_and_verb(models, path, options, verb, expected):
    assert results_folder(models, [data("I", path)], options=options, verb=verb) == Path("results") / expected


def test_rows_from_standard_input_are_told_apart_by_their_images():
    first, second = data("standard-input", None), Dataset("standard-input", pd.DataFrame({"image_id": ["c"]}))
    folders = [results_folder(["m"], [rows], options={}) for rows in (first, second)]
    assert folders[0] != folders[1] and all(folder.name.startswith("standard-input-") for folder in folders)
