"""Targets of labels, numbers and probes; an empty label is not a negative one."""

import numpy as np
import pandas as pd
import pytest

from cxrshort import manifest as manifests
from cxrshort.errors import UsageError
from cxrshort.targets import label_matrix, read_targets

TABLE = pd.DataFrame(
    {
        "image_id": ["a", "b", "c", "d"],
        "view": ["PA", "AP", "LATERAL", ""],
        "sex": ["M", "F", "", "F"],
        "age_years": ["61.5", "", "7", "90"],
        "Edema": [0.0, 1.0, np.nan, 0.5],
    }
)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("view", [0, 1, np.nan, np.nan]),
        ("sex", [1, 0, np.nan, 0]),
        ("age_years", [61.5, np.nan, 7, 90]),
        ("Edema", [0, 1, np.nan, 0.5]),
    ],
)
def test_targets_of_probes_numbers_and_labels(column: str, expected: list[float]) -> None:
    targets = read_targets(TABLE, column)
    assert targets.dtype == np.float32
    np.testing.assert_array_equal(targets, np.float32(expected))


@pytest.mark.parametrize("cells", [["few", "many", "1"], ["", "", ""]])
def test_words_and_nothing_are_no_numbers(cells: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        read_targets(pd.DataFrame({"image_id": list("abc"), "opacities": cells, "Edema": [0.0, 1.0, 0.0]}), "opacities")
    assert caught.value.message == "'opacities' is not a known label"


def test_label_matrix_keeps_empty_apart_from_zero() -> None:
    np.testing.assert_array_equal(label_matrix(TABLE, ["Edema"]), np.float32([[0], [1], [np.nan], [0.5]]))
    zero = label_matrix(TABLE, ["Edema"], empty_as=0.0)
    assert zero.dtype == np.float32 and zero[2, 0] == 0


def test_label_matrix_refuses_an_unknown_label() -> None:
    with pytest.raises(UsageError) as caught:
        label_matrix(TABLE, ["edema"])
    assert (caught.value.message, caught.value.hint) == ("'edema' is not a known label", "did you mean 'Edema'?")


@pytest.mark.parametrize(("label", "meant"), [("viev", "view"), ("age_yeras", "age_years"), ("opacites", "opacities")])
def test_unknown_label_that_is_nearly_a_column_is_said_to_be_one(label: str, meant: str) -> None:
    table = pd.DataFrame(
        {
            "view": ["PA", "AP"],
            "age_years": [61.0, 8.5],
            "opacities": ["3", "7"],
            "cache_row": [0, 1],
            "Edema": [0.0, 1.0],
        }
    )
    with pytest.raises(UsageError) as caught:
        read_targets(table, label)
    assert (caught.value.message, caught.value.hint) == (f"'{label}' is not a known label", f"did you mean '{meant}'?")
    with pytest.raises(UsageError) as caught:
        read_targets(table, "?")
    assert caught.value.hint == "one of: Edema, view, age_years, opacities"


def test_targets_of_all_labels_cost_in_proportion_to_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    looked, look = [], manifests._is_label
    monkeypatch.setattr(manifests, "_is_label", lambda values: looked.append(values.name) or look(values))
    for count in (10, 40):
        looked.clear()
        names = [f"finding {number}" for number in range(count)]
        table = pd.DataFrame({"image_id": ["x/1", "x/2"], **dict.fromkeys(names, np.float32([0, 1]))})
        assert label_matrix(table, names).shape == (2, count)
        assert len(looked) == 2 * count
