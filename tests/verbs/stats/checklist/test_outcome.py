"""Outcomes of a check: the worst decides, and nothing to look at never passes."""

import pytest

from cxrshort.verbs.stats.checklist.outcome import STATUSES, Outcome, combine_outcomes, not_assessable


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        (["PASS", "PASS"], "PASS"),
        (["PASS", "NOT ASSESSABLE"], "NOT ASSESSABLE"),
        (["NOT ASSESSABLE", "WARN"], "WARN"),
        (["WARN", "FAIL", "PASS"], "FAIL"),
        ([], "NOT ASSESSABLE"),
    ],
)
def test_worst_decides(statuses: list[str], status: str) -> None:
    outcomes = [Outcome(word, f"fact {word}", f"file {word}") for word in statuses]
    combined = combine_outcomes(outcomes, missing="nothing")
    assert combined.status == status
    assert combined.fact == (f"fact {status}" if statuses else "nothing")
    assert combined.source == (f"file {status}" if statuses else "")


def test_facts_of_one_status_are_listed_once_and_all_their_sources() -> None:
    outcomes = [Outcome("FAIL", f"fact {number // 2}", f"file {number}") for number in range(10)]
    combined = combine_outcomes(outcomes, missing="")
    assert combined.fact == "fact 0; fact 1; fact 2; and 2 more"
    assert combined.source.split("; ") == [f"file {number}" for number in range(10)]


def test_statuses_stand_from_the_worst_on() -> None:
    assert STATUSES == ("FAIL", "WARN", "NOT ASSESSABLE", "PASS")
    assert not_assessable("no file") == Outcome("NOT ASSESSABLE", "no file", "")
