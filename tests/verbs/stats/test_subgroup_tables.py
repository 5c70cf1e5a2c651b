"""What people see of groups."""

import pytest

from cxrshort.verbs.stats.subgroup_tables import blocks, name_rows, p_text, shared_columns, worst_first

METRIC = {"low": 0.1, "high": 0.9, "rest": 0.8, "difference_low": -0.3, "difference_high": 0.1, "reason": ""}


def comparison(group: str, difference: float, p: float, finding: str, metric: str = "auc") -> dict:
    return {"label": "A", "column": "c", "group": group, "metric": metric, "value": 0.5, "difference": difference,
            "p": p, "p_holm": p, "finding": finding, **METRIC}  # fmt: skip


def group(name: str, *, judged: bool = True, **facts: object) -> dict:
    return {"label": "A", "column": "c", "group": name, "positives": 20, "negatives": 30, "persons": 40,
            "persons_with": 4, "persons_without": 30, "judged": judged,
            "reason": "" if judged else "4 persons with the finding and 30 without, of 10 needed", **facts}  # fmt: skip


ROWS = [
    comparison("x", 0.1, 0.9, "not shown"),
    comparison("y", -0.2, 0.2, "not shown"),
    comparison("z", 0.0, 0.9, "not shown"),
    comparison("z", -0.1, 0.01, "lower", "sensitivity"),
]


def test_groups_that_are_shown_to_be_worse_come_first_then_the_lowest_auc() -> None:
    assert [row["group"] for row in worst_first([group(name) for name in "xyz"], ROWS)] == ["z", "y", "x"]


def test_findings_name_the_metric_and_its_p_value() -> None:
    table = blocks({"groups": [group(name) for name in "xyz"], "comparisons": ROWS, "gaps": [], "underdiagnosis": []},
                   level=0.95)[0]  # fmt: skip
    assert [row["finding"] for row in table.rows] == [
        "sensitivity lower (P 0.010)", "not shown (P 0.20)", "not shown (P 0.90)",
    ]  # fmt: skip
    assert table.rows[1]["difference"] == "-0.200 [-0.300, 0.100]"


def test_small_groups_stand_at_the_end_with_their_sizes() -> None:
    groups = [*(group(name) for name in "xyz"), *(group(f"s{number}", judged=False) for number in range(8))]
    brief, full = blocks({"groups": groups, "comparisons": ROWS, "gaps": [], "underdiagnosis": []}, level=0.95)[-2:]
    start = "Not judged, 8 of 11 groups (persons with and without the finding): s0 (4 and 30); "
    assert brief.text.startswith(start)
    assert brief.text.endswith("s5 (4 and 30); and 2 more (groups.csv, --verbose)")
    assert full.text.endswith("s7 (4 and 30)") and full.shown == ("verbose",)


def test_what_tells_rows_apart_stands_in_the_first_column() -> None:
    rows = [group("x", dataset="a", replicate=0), group("x", dataset="b", replicate=0)]
    assert [name for _, name in name_rows(rows, "group")] == ["a: x", "b: x"]
    assert [column.key for column in shared_columns(rows)] == ["label", "replicate"]


@pytest.mark.parametrize(("p", "text"), [(0.0312, "0.031"), (1.0, "1.0"), (1e-12, "<= 1e-12"), (3e-5, "3.0e-05")])
def test_p_values_have_two_digits(p: float, text: str) -> None:
    assert p_text(p) == text
