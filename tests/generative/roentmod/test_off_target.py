"""Labels of edits under each scheme, against a table that is written out by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.generative.roentmod.off_target import (
    OffTarget,
    check_table,
    choose_off_target,
    label_edits,
    unseen_labels,
)

LABELS = ["Edema", "Cardiomegaly", "Mass"]
NAN = float("nan")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "readers.csv"
    path.write_text("added,Edema,Cardiomegaly\nEdema,0.97,0.92\ncardiomegaly,0.46,0.92\n")
    return path


def rows(*, mass: float = 0.0) -> pd.DataFrame:
    """Return edits of one image: edema, cardiomegaly under a chain of edits, sham and round trip."""
    return pd.DataFrame(
        {
            "edit": ["edema", "inverted, cardiomegaly", "sham", "round trip"],
            "edit_label": ["Edema", "Cardiomegaly", "", ""],
            "Edema": [0.0] * 4,
            "Cardiomegaly": [NAN] * 4,
            "Mass": [mass] * 4,
        }
    )


def labelled(scheme: OffTarget, **options: float) -> list[list[float]]:
    return label_edits(rows(**options), LABELS, scheme)[LABELS].round(4).to_numpy(dtype=float).tolist()


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("exact", [[1, NAN, 0], [0, 1, 0], [0, NAN, 0], [0, NAN, 0]]),
        ("negative", [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]),
        ("ignore", [[1, NAN, NAN], [NAN, 1, NAN], [0, NAN, 0], [0, NAN, 0]]),
    ],
)
def test_each_scheme_fills_what_it_says(scheme: str, expected: list[list[float]]) -> None:
    np.testing.assert_array_equal(labelled(OffTarget(scheme)), expected)


def test_table_gives_shares_and_leaves_what_nobody_looked_for_empty(table: Path) -> None:
    scheme = choose_off_target(str(table), knows=False)
    expected = [[1, 0.92, NAN], [0.46, 1, NAN], [0, NAN, 0], [0, NAN, 0]]
    np.testing.assert_allclose(labelled(scheme), expected)
    assert unseen_labels(scheme, ["Edema", "Cardiomegaly"], LABELS) == ["Mass"]
    assert unseen_labels(OffTarget("ignore"), ["Edema"], LABELS) == []


def test_findings_of_the_source_stay_except_where_nothing_is_asserted(table: Path) -> None:
    scheme = choose_off_target(str(table), knows=False)
    assert [row[2] for row in labelled(scheme, mass=1.0)] == [1, 1, 1, 1]
    np.testing.assert_array_equal([row[2] for row in labelled(OffTarget("ignore"), mass=1.0)], [NAN, NAN, 1, 1])


def test_table_without_a_row_of_an_added_finding_is_refused(table: Path) -> None:
    scheme = choose_off_target(str(table), knows=False)
    check_table(scheme, ["Edema", "Cardiomegaly"])
    with pytest.raises(DataError) as caught:
        check_table(scheme, ["Edema", "Mass", "Hernia"])
    assert caught.value.message == "readers.csv: no row is of the added finding 'Mass', 'Hernia'"


def test_default_is_what_is_known() -> None:
    assert choose_off_target(None, knows=True) == OffTarget("exact")
    assert choose_off_target(None, knows=False) == OffTarget("ignore")


def test_other_words_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'exact' is for the phantom"):
        choose_off_target("exact", knows=False)
    with pytest.raises(UsageError) as caught:
        choose_off_target("negativ", knows=True)
    assert caught.value.hint == "did you mean 'negative'?"
    with pytest.raises(MissingInputError, match=r"none\.csv' does not exist"):
        choose_off_target(str(tmp_path / "none.csv"), knows=True)
