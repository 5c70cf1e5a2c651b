"""The exit codes that scripts rely on."""

import pytest

from cxrshort import errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.CxrshortError, 1),
        (errors.WorkFailedError, 1),
        (errors.UsageError, 2),
        (errors.DataError, 65),
        (errors.MissingInputError, 66),
        (errors.OutputError, 73),
        (errors.ResumableError, 75),
    ],
)
def test_error_carries_message_hint_and_exit_code(kind, code):
    error = kind("'x' is wrong", "try 'y'")
    assert (str(error), error.message, error.hint, error.exit_code) == ("'x' is wrong", "'x' is wrong", "try 'y'", code)
    assert kind("'x' is wrong").hint == ""
    assert isinstance(error, errors.CxrshortError)


def test_every_error_has_its_exit_code_tested():
    kinds = [value for value in vars(errors).values() if isinstance(value, type)]
    assert len(kinds) == 7
