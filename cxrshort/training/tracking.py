"""TensorBoard events of a run; ``log.jsonl`` always holds the same."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from cxrshort.errors import UsageError


class Writer(Protocol):
    """Offer what this module uses of TensorBoard's ``SummaryWriter``."""

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """Add one point to a curve."""

    def flush(self) -> None:
        """Write out what is buffered."""


def check_tensorboard() -> None:
    """Refuse early what cannot work.

    Raises:
        UsageError: the package is not installed.
    """
    try:
        import tensorboard  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "--tensorboard needs tensorboard, which is not installed", "pip install tensorboard"
        ) from error


def open_writer(folder: Path, *, step: int) -> Writer:
    """Return a writer of event files.

    Args:
        folder: where they are written.
        step: of the whole run; a resumed run does the steps from here on again, and their earlier points are hidden.

    Raises:
        UsageError: TensorBoard is not installed.
    """
    check_tensorboard()
    from torch.utils.tensorboard import SummaryWriter

    writer: Writer = SummaryWriter(str(folder), purge_step=step or None)  # type: ignore[no-untyped-call,unused-ignore]
    return writer


def record(event: Mapping[str, Any], writer: Writer, *, steps: int) -> None:
    """Add an event's numbers to the curves ``step/...`` or ``epoch/...``.

    Args:
        event: of the training loop.
        writer: of TensorBoard.
        steps: of an epoch; both kinds of curve count the steps of the run.
    """
    kind = event["event"]
    before = (event["epoch"] - 1) * steps
    position = before + (event["step"] if kind == "step" else steps)
    for name, value in event.items():
        if isinstance(value, float):
            writer.add_scalar(f"{kind}/{name}", value, position)
    writer.flush()
