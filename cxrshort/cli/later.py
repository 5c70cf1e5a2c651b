"""Placeholders for verbs that are not built yet."""

from collections.abc import Callable

import typer

from cxrshort.errors import WorkFailedError

VERBS = {
    "cyclegan": "(not built yet) Learn what distinguishes two groups of images: train, transform, audit.",
}
ANY_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True}


def make(name: str) -> Callable[[typer.Context], None]:
    """Return the command of a verb that is not built yet."""

    def command(context: typer.Context) -> None:
        del context
        raise WorkFailedError(f"'{name}' is not built yet")

    return command
