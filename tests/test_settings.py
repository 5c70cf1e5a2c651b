"""Settings written as NAME=VALUE."""

import pytest

from cxrshort.errors import UsageError
from cxrshort.settings import meanings, parse_value, setting_row


@pytest.mark.parametrize(
    ("text", "like", "value"),
    [("TRUE", False, True), ("false", True, False), ("7", 1, 7), ("7", 1.0, 7.0), ("1e-3", 1.0, 0.001), ("7", "", "7")],
)
def test_value_has_the_type_of_its_default(text, like, value):
    actual = parse_value(text, like=like, argument="x")
    assert actual == value and type(actual) is type(like)


@pytest.mark.parametrize(
    ("text", "like", "rule"),
    [("1", False, "true or false"), ("1.5", 1, "a whole number"), ("much", 1.0, "a number"), ("", 1, "a whole number")],
)
def test_value_of_another_type_is_refused(text, like, rule):
    with pytest.raises(UsageError) as caught:
        parse_value(text, like=like, argument="--set x")
    assert caught.value.message == f"--set x is '{text}', it must be {rule}"


@pytest.mark.parametrize(
    ("value", "kind"), [(True, "true or false"), (1, "whole number"), (0.5, "number"), ("a", "text"), (None, "text")]
)
def test_setting_is_described_by_the_type_of_its_default(value, kind):
    assert setting_row("x", value, "why") == {"name": "x", "type": kind, "default": value, "meaning": "Why."}


class Documented:
    """Say something.

    Args:
        first: one ``"word"`` that
            goes on.
        second: two.

    Raises:
        third: not an argument.
    """


class Inheriting(Documented):
    """Say more.

    Args:
        second: what it means here.
        third: three.
    """


class Silent(Documented):
    pass


def test_meanings_of_a_base_are_kept_where_a_class_does_not_say_otherwise():
    assert meanings(Inheriting) == {
        "first": "one 'word' that goes on.",
        "second": "what it means here.",
        "third": "three.",
    }
    assert meanings(Silent) == meanings(Documented)


def test_meanings_are_the_arguments_of_a_docstring_in_one_line():
    assert meanings(Documented) == {"first": "one 'word' that goes on.", "second": "two."}
    assert meanings(type("Silent", (), {"__doc__": ""})) == {}
