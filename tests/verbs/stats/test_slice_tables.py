"""What people see of slices."""

from cxrshort.verbs.stats.slice_tables import blocks


def row(number: int, *, p: float | None, finding: str, reason: str = "") -> dict:
    return {
        "slice": number,
        "images": 30,
        "persons": 20,
        "errors": 0.5,
        "errors_low": 0.3,
        "errors_high": 0.7,
        "expected": 0.2,
        "excess": 0.3,
        "excess_low": 0.1,
        "excess_high": 0.5,
        "p": p,
        "p_holm": p,
        "finding": finding,
        "positives": 0.25,
        "mostly": "view AP: 90 %, others 20 %",
        "reason": reason,
    }


FEW = "3 images of 2 persons in the testing half"


def test_tested_slices_are_shown_and_the_others_counted() -> None:
    rows = [row(1, p=0.01, finding="shown"), row(2, p=None, finding="not tested", reason=FEW)]
    table, full, text = blocks(rows, level=0.95)
    assert [cells["slice_name"] for cells in table.rows] == ["1"]
    assert table.rows[0]["errors_text"] == "0.500 [0.300, 0.700]"
    assert (table.rows[0]["p_text"], table.rows[0]["positives_text"]) == ("0.010", "25 %")
    assert full.rows[1]["finding"] == f"not tested: {FEW}"
    assert (table.shown, full.shown) == (("quiet", "usual"), ("verbose",))
    assert text.text == "Not tested, 1 of 2 slices: too few images (1)"


def test_nothing_tested_is_said() -> None:
    rows = [row(1, p=None, finding="not tested", reason="no more errors than expected where it was found")]
    first = blocks(rows, level=0.95)[0]
    assert first.text == "No slice has more errors than expected where it was found: none was tested."
