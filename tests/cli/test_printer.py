"""What people see of a number with its interval."""

import pytest

from cxrshort.cli.printer import interval
from cxrshort.results import Column

CAUTION = "only 8 persons in the smaller class for an AUC of 0.90"


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"auc": 0.9, "low": 0.7, "high": 0.98}, "0.900 [0.700, 0.980]"),
        ({"auc": 0.9, "low": 0.7, "high": 0.98, "caution": CAUTION}, "0.900 [0.700, 0.980] (only 8 persons)"),
        (
            {"auc": 0.9, "low": 0.7, "high": 0.98, "caution": CAUTION, "deviation": 0.02, "replicates": 5},
            "0.900 [0.700, 0.980], SD 0.020 over 5 (only 8 persons)",
        ),
        (
            {"auc": 1.0, "low": 0.7, "high": 1.0, "reason": "perfect separation"},
            "1.000 [0.700, 1.000] (perfect separation)",
        ),
        ({"auc": 0.9, "low": None, "high": None, "reason": "only 1 positive"}, "no interval: only 1 positive"),
        ({"auc": None, "low": None, "high": None, "reason": "only negatives"}, "none: only negatives"),
    ],
)
def test_interval_stands_with_what_is_to_be_known_of_it(row: dict[str, object], text: str) -> None:
    assert interval(row, Column("AUC", "auc", "interval")) == text
