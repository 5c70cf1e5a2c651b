"""A fact of a report: a sentence, and the file and field that prove it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cxrshort.results import count_text, interval_text
from cxrshort.verbs.stats.checklist.study import Study


@dataclass(frozen=True, slots=True)
class Fact:
    """Hold a fact that a run folder proves.

    Args:
        text: without a full stop at its end.
        proof: the file and the field in it.
    """

    text: str
    proof: str


FactMaker = Callable[[Study], list[Fact]]
"""Reads facts of one kind from a study; none where the folders do not hold them."""


def join_texts(facts: Iterable[Fact]) -> str:
    """Return the texts of facts as sentences, each once."""
    return " ".join(f"{sentence(text)}." for text in dict.fromkeys(fact.text for fact in facts))


def sentence(text: str) -> str:
    """Return a text as it begins a sentence.

    Example:
        >>> sentence("dataset small has 3 rows"), sentence("`cxrshort train`")
        ('Dataset small has 3 rows', '`cxrshort train`')
    """
    return text[:1].upper() + text[1:]


def join_proofs(facts: Iterable[Fact]) -> str:
    """Return the proofs of facts, each once."""
    return "; ".join(dict.fromkeys(fact.proof for fact in facts if fact.proof))


def number_text(value: float, low: float | None, high: float | None) -> str:
    """Return a number with its interval; a number without one is not printed.

    Example:
        >>> number_text(0.8, 0.71, 0.85), number_text(0.8, None, None)
        ('0.800 [0.710, 0.850]', 'not printed, since it has no interval')
    """
    return "not printed, since it has no interval" if low is None or high is None else interval_text(value, low, high)


def parts_text(name: str, parts: Sequence[tuple[str, int]]) -> str:
    """Return how something is divided.

    Example:
        >>> parts_text("view", [("PA", 1200), ("AP", 30)])
        'view PA 1,200, AP 30'
    """
    return f"{name} {count_text(dict(parts))}"
