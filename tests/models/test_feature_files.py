"""Files of features: whole, mapped, and joined by identity."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import OutputError
from cxrshort.models.feature_files import IDENTITY, feature_files, feature_rows, write_features


def test_parts_stand_one_after_the_other_in_a_map(tmp_path: Path) -> None:
    parts = [np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((0, 3), np.float32), np.ones((1, 3), np.float32)]
    write_features(tmp_path / "features.npy", parts)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    assert mapped.dtype == np.float32
    np.testing.assert_array_equal(mapped, np.concatenate(parts))
    assert [path.name for path in tmp_path.iterdir()] == ["features.npy"]


def test_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_features(tmp_path / "none" / "features.npy", [np.zeros((1, 1), np.float32)])


def test_rows_say_whose_features_they_are() -> None:
    columns = {name: [f"{name} of it"] for name in ("model", "dataset", *IDENTITY)}
    table = pd.DataFrame({**columns, "file": ["features.npy"], "row": [0], "logit.A": [1.0]})
    rows = feature_rows(table)
    assert set(IDENTITY) < set(rows.columns) and "logit.A" not in rows
    assert rows.loc[0, "row"] == 0


def test_models_have_a_file_each() -> None:
    assert len(set(feature_files(12))) == 12
