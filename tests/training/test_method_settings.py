"""Settings of a method from a recipe's text."""

from dataclasses import dataclass

import pytest

from cxrshort.errors import UsageError
from cxrshort.training.method_settings import parse_settings


@dataclass(frozen=True)
class Options:
    """Hold one number and one word."""

    weight: float = 1.0
    word: str = "a"


def test_settings_have_the_types_of_their_defaults() -> None:
    assert parse_settings("m", Options, " weight=3, word=b ") == {"weight": 3.0, "word": "b"}
    assert parse_settings("m", Options, "") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("weight", "--set 'weight' is not of the form name=value"),
        ("wieght=1", "'wieght' is not a known setting of m"),
        ("weight=x", "--set weight is 'x', it must be a number"),
        ("epochs=3", "'epochs' is not a setting of m"),
    ],
)
def test_settings_that_cannot_be_read_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_settings("m", Options, text)
    assert caught.value.message == message
