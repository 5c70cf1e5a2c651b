"""Output of the first process alone, under torchrun."""

import contextlib
from collections.abc import Iterator

import typer

from cxrshort.errors import CxrshortError, WorkFailedError


@contextlib.contextmanager
def quiet_unless(first: bool) -> Iterator[None]:
    """Leave it to the first process of several to say what all of them found; memory may fail in one alone."""
    try:
        yield
    except WorkFailedError:
        raise
    except CxrshortError as error:
        if first:
            raise
        raise typer.Exit(error.exit_code) from None
