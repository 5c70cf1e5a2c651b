"""Checkpoints of a training run, from which it resumes to the same bytes."""

import io
import json
import math
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cxrshort import files, runs
from cxrshort.errors import DataError, UsageError
from cxrshort.models.architecture import DAMAGED_FILE

_NOT_SAVED = ("path", "save_seconds")
"""What says where and how often a checkpoint is saved, and is not saved itself."""


@dataclass
class Checkpoint:
    """Hold the state of a run: its position, what has been learnt, the best model so far, and where it is saved.

    Args:
        path: the checkpoint file; its place is no part of what it holds.
        save_seconds: wall time between two saves within an epoch.
        epoch: epochs completed.
        step: steps done in the epoch under way.
        loss_sum: sum of the losses of those steps.
        history: one record for each completed epoch.
        best_weights: the model at the best validation score.
        model: weights where the run stands.
        optimizer: the optimiser's state there.
        average: the moving average of the weights there, where the run keeps one.
        objective: what the objective has learnt from the data, such as the weights of groups.
        settings: what the run was started with; resuming with others is refused.
    """

    path: Path = Path()
    save_seconds: float = 600.0
    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    model: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)
    objective: dict[str, Tensor] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def save(self) -> None:
        """Write the checkpoint file, atomically: a kill leaves the one before or this one."""
        # In memory first: torch's own writer turns a full disk into an internal error.
        buffer = io.BytesIO()
        torch.save({name: value for name, value in vars(self).items() if name not in _NOT_SAVED}, buffer)
        with files.atomic(self.path) as temporary:
            temporary.write_bytes(buffer.getbuffer())


def load_checkpoint(path: Path, *, settings: dict[str, Any]) -> Checkpoint:
    """Read a checkpoint that was saved under the same settings.

    Raises:
        DataError: the file is damaged.
        UsageError: a setting differs; the message names which.
    """
    files.require_regular(path, hint="--force starts over")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about pickles that it then refuses
            content = torch.load(path, map_location="cpu", weights_only=True)
        checkpoint = Checkpoint(path=path, **content)
    except DAMAGED_FILE as error:
        raise DataError(f"'{path}' is damaged", "--force starts over") from error
    changed = sorted(name for name in settings if checkpoint.settings.get(name) != settings[name])
    if changed:
        listed = ", ".join(
            f"{name} was '{checkpoint.settings.get(name)}' and is '{settings[name]}'" for name in changed
        )
        raise UsageError(f"--resume with other settings would change the model: {listed}", "--force starts over")
    return checkpoint


def resume_checkpoint(run: runs.Run, path: Path, *, settings: dict[str, Any], resume: bool) -> Checkpoint:
    """Return where a run stands, a fresh checkpoint for a new one; its log is brought back to there.

    Args:
        run: the run folder; only the process that writes it changes its log.
        path: the checkpoint file.
        settings: everything that the bytes of the model depend on.
        resume: whether to go on from the checkpoint file, where there is one.

    Raises:
        DataError: the file is damaged.
        UsageError: a setting differs; the message names which.
    """
    log = run.path(runs.LOG)
    if not (resume and path.exists()):
        if not run.read_only:
            log.unlink(missing_ok=True)
        return Checkpoint(path=path, settings=settings)
    checkpoint = load_checkpoint(path, settings=settings)
    if not run.read_only:
        _forget_later_events(log, checkpoint)
    return checkpoint


def _forget_later_events(log: Path, checkpoint: Checkpoint) -> None:
    """Cut the log back to where the checkpoint stands; what came after it will be done, and logged, again."""
    files.require_regular(log, hint="--force starts over")
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    stands = (checkpoint.epoch + 1, checkpoint.step)  # epochs of events count from 1
    kept = [line for line in text.splitlines() if (place := _place(line)) and place <= stands]
    files.write_text(log, "".join(f"{line}\n" for line in kept))


def _place(line: str) -> tuple[int, float] | None:
    """Return epoch and step of a logged event; None for a line that a kill cut short, or that is none of ours."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    epoch, step = (event.get("epoch"), event.get("step", math.inf)) if isinstance(event, dict) else (None, None)
    return (epoch, step) if isinstance(epoch, int) and isinstance(step, int | float) else None
