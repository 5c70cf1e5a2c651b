"""The verbs that are not built yet: they are in the help, and say so in one line."""

from collections.abc import Callable

import typer

from cxrshort.errors import WorkFailedError

VERBS = {
    "explain": "Show where a model looks: attribution maps and the share of each region. (not built yet)",
    "cyclegan": "Learn what distinguishes two groups of images: train, transform, audit. (not built yet)",
    "swap-test": "Swap markers and shoulders between images and measure the change. (not built yet)",
    "roentmod": "Edit radiographs with a diffusion model as a stress test. (not built yet)",
    "tea-distill": "Train a student by a teacher's explanations alone. (not built yet)",
    "stats": "Compare, test and report predictions. (not built yet)",
}
ANY_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True}


def make(name: str) -> Callable[[typer.Context], None]:
    """Return the command of a verb that is not built yet."""

    def command(context: typer.Context) -> None:
        del context
        raise WorkFailedError(f"'{name}' is not built yet", "cxrshort --help lists what is")

    return command
