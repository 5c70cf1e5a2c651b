"""Facts as sentences with their proofs, each once."""

from cxrshort.verbs.stats.reports.facts import Fact, join_proofs, join_texts, number_text, parts_text, sentence

FACTS = [Fact("one thing", "a/run.json: x"), Fact("another", "b.csv"), Fact("one thing", "c.csv"), Fact("bare", "")]


def test_texts_and_proofs_stand_once() -> None:
    assert join_texts(FACTS) == "One thing. Another. Bare."
    assert join_proofs(FACTS) == "a/run.json: x; b.csv; c.csv"
    assert (join_texts([]), join_proofs([])) == ("", "")


def test_number_without_an_interval_is_not_printed() -> None:
    assert number_text(0.91234, 0.8, 0.95) == "0.912 [0.800, 0.950]"
    for limits in ((None, 0.9), (0.8, None)):
        assert "0.9" not in number_text(0.9123, *limits)


def test_small_words() -> None:
    assert parts_text("sex", [("F", 1000), ("M", 2)]) == "sex F 1,000, M 2"
    assert (sentence(""), sentence("a b")) == ("", "A b")
