"""Columns of metadata as numbers."""

import numpy as np
import pandas as pd

from cxrshort.stats.metadata_features import metadata_features


def test_levels_beyond_the_twenty_largest_have_no_number() -> None:
    table = pd.DataFrame({"site": np.repeat([f"s{number:02}" for number in range(25)], np.arange(25, 0, -1))})
    features = metadata_features(table, ["site"])
    assert features.shape == (325, 20)
    assert features[(table["site"] == "s03").to_numpy()].argmax(axis=1).tolist() == [3] * 22
    assert features[(table["site"] >= "s20").to_numpy()].sum() == 0


def test_constant_and_absent_columns_are_left_out() -> None:
    table = pd.DataFrame({"sex": ["F", "F"], "age_years": [4.0, 4.0], "view": ["PA", ""]})
    assert metadata_features(table, ["sex", "age_years", "view", "repository"]).tolist() == [[1.0], [0.0]]
    assert metadata_features(table, ["sex"]).shape == (2, 0)


def test_missing_numbers_stay_missing_and_integers_with_gaps_are_taken() -> None:
    table = pd.DataFrame({"source_width": pd.array([100, None, 300], dtype="Int64")})
    np.testing.assert_array_equal(metadata_features(table, ["source_width"]), [[100.0], [np.nan], [300.0]])
