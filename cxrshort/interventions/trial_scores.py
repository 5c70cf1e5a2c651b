"""The logits of all trials, before and after, and those of their random patches.

An image and its changed copy are scored at the same place of batches of the same size, since the last bit of a logit
depends on both: where nothing is changed, the change is therefore exactly 0.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cxrshort import runs
from cxrshort.compute import Compute
from cxrshort.images.prefetch import Indices, Source
from cxrshort.interventions.random_patches import Trial, draw_patches, edit_image, null_logits
from cxrshort.interventions.trials import RegionTrial, intervention_of
from cxrshort.models.blocks import BlockArray, Report, fill_blocks
from cxrshort.models.outputs import Task
from cxrshort.models.scoring import SCORING_BATCH, counted, scan
from cxrshort.models.sources.opening import Model

NULL = "null.npy"
TRIALS_AT_ONCE = 16
"""Trials between two entries of the journal; several processes share them."""

Floats = npt.NDArray[np.float64]


class LabelScore(nn.Module):
    """Return one label's log-odds alone, (N, 1).

    Args:
        model: the classifier.
        label: the label's name.
    """

    outputs: Task

    def __init__(self, model: Model, label: str) -> None:
        super().__init__()
        self.classifier, self.outputs = model.classifier, model.reference.outputs
        self.place = list(model.reference.description.labels).index(label)

    def forward(self, images: Tensor) -> Tensor:
        """Return log-odds of images (N, C, H, W) in [0, 1]."""
        scores: Tensor = self.outputs.scores(self.classifier(images).float())
        return scores[:, self.place : self.place + 1]


class TrialImages:
    """Cut the image of each trial.

    Args:
        pixels: the images.
        trials: whose images they are.
    """

    def __init__(self, pixels: Source, trials: Sequence[RegionTrial]) -> None:
        self.pixels, self._rows = pixels, np.array([trial.row for trial in trials], np.int64)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Return the shape of one image."""
        return self.pixels.image_shape

    def __len__(self) -> int:
        """Return the number of trials."""
        return len(self._rows)

    def take(self, indices: Indices) -> npt.NDArray[Any]:
        """Return the images of these trials."""
        return self.pixels.take(self._rows[indices])


class TrialScores(NamedTuple):
    """Hold what trials do, in their order.

    Args:
        before: (T,) logits of the images as they are.
        after: (T,) after the intervention.
        changed_pixels: (T,) how many pixels of an image differ.
    """

    before: Floats
    after: Floats
    changed_pixels: npt.NDArray[np.int64]


def as_tensors(trial: RegionTrial, pixels: Source, *, device: torch.device) -> Trial:
    """Return a trial with its partner's pixels on the device."""
    if trial.partner is None:
        return trial_boxes(trial)
    partner = to_unit(pixels.take(np.array([trial.partner])), device)[0]
    return trial_boxes(trial)._replace(partner=partner)


def to_unit(images: npt.NDArray[Any], device: torch.device) -> Tensor:
    """Return images (N, H, W) or (N, C, H, W), uint8, as (N, C, H, W) in [0, 1], as a scan shows them to a model."""
    grey = images[:, None] if images.ndim == 3 else images
    return torch.from_numpy(np.multiply(grey, np.float32(1 / 255), dtype=np.float32)).to(device)


@dataclass(frozen=True)
class Scorer:
    """Hold what scores trials.

    Args:
        model: the label's score, on its device.
        pixels: the images, as the model is to see them.
        compute: device, precision and processes.
        batch_size: images in the network at a time; halved whenever memory does not suffice.
    """

    model: LabelScore
    pixels: Source
    compute: Compute
    batch_size: int = SCORING_BATCH


def score_trials(trials: Sequence[RegionTrial], scorer: Scorer, *, report: Report = runs.ignore_event) -> TrialScores:
    """Score every trial's image before and after; several processes do a share each, and all get the whole.

    Args:
        trials: all of them.
        scorer: what scores them.
        report: takes an event before each batch.
    """

    def work(images: Tensor, indices: Indices) -> Floats:
        edited = torch.stack(
            [
                edit_image(
                    image,
                    intervention_of(trials[number].intervention),
                    trial=as_tensors(trials[number], scorer.pixels, device=image.device),
                )
                for image, number in zip(images, indices.tolist(), strict=True)
            ]
        )
        changed = (edited != images).any(dim=1).flatten(1).sum(dim=1)
        columns = [scorer.model(images)[:, 0], scorer.model(edited)[:, 0], changed]
        return np.stack([column.cpu().numpy().astype(np.float64) for column in columns], axis=1)

    if not trials:
        return TrialScores(np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
    source = TrialImages(scorer.pixels, trials)
    compute = scorer.compute
    counting = counted(work, unit="trials scored", count=len(trials), compute=compute, report=report)
    scored = scan(counting, source, model=scorer.model, compute=compute, batch_size=scorer.batch_size, shrink=True)
    before, after, changed = scored.reshape(len(trials), 3).T
    return TrialScores(before, after, changed.astype(np.int64))


def null_array(trials: Sequence[RegionTrial], *, patches: int) -> BlockArray:
    """Return the array of null logits, a row for each trial."""
    return BlockArray(NULL, (len(trials), patches), block=TRIALS_AT_ONCE, unit="trials")


def fill_null(
    run: runs.Run,
    trials: Sequence[RegionTrial],
    scorer: Scorer,
    *,
    patches: int,
    seed: int,
    settings: Mapping[str, Any],
    resume: bool = False,
    report: Report = runs.ignore_event,
) -> npt.NDArray[np.float32]:
    """Return the logits of each trial's image after the same intervention in random patches, (T, patches).

    Args:
        run: the run folder, which keeps them.
        trials: those that have a null, all with room for it.
        scorer: what scores them.
        patches: random patches for each trial.
        seed: of the patches.
        settings: whatever else the logits depend on, as JSON values; which images the trials are of, by `image_digest`.
        resume: go on where an interrupted run has stopped.
        report: takes an event before each trial.

    Returns:
        The logits in the first process; in the others an array without rows.
    """
    if not trials:
        return np.zeros((0, patches), np.float32)
    source, null = TrialImages(scorer.pixels, trials), null_array(trials, patches=patches)

    def score_patches(images: Tensor, indices: Indices) -> npt.NDArray[np.float32]:
        trial = trials[int(indices[0])]
        shape = (images.shape[2], images.shape[3])
        draws = draw_patches(trial_boxes(trial), shape=shape, patches=patches, generator=trial.generator(seed))
        logits = null_logits(
            scorer.model,
            images[0],
            intervention=intervention_of(trial.intervention),
            trial=as_tensors(trial, scorer.pixels, device=images.device),
            output=0,
            draws=draws,
            batch_size=scorer.batch_size,
        )
        return logits[None].numpy()

    def work(positions: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        start, count = int(positions[0]), len(trials)
        counting = counted(
            score_patches, unit=null.unit, count=count, compute=scorer.compute, report=report, start=start
        )
        return scan(counting, source, model=scorer.model, compute=scorer.compute, batch_size=1, rows=positions)

    stated = {**settings, **scorer.compute.record(), "seed": seed, "batch_size": scorer.batch_size}
    return fill_blocks(
        run,
        null,
        work,
        settings={**stated, "trials": digest(trials)},
        compute=scorer.compute,
        resume=resume,
        report=report,
    )


def trial_boxes(trial: RegionTrial) -> Trial:
    """Return the boxes of a trial without the partner's pixels, from which its random patches are drawn."""
    others = (None if part is None else torch.from_numpy(part) for part in (trial.partner_boxes, trial.destinations))
    return Trial(torch.from_numpy(trial.boxes), None, *others)


def digest(trials: Sequence[RegionTrial]) -> str:
    """Return a checksum of trials, so that an interrupted run is not continued with others."""
    hashed = hashlib.sha256()
    for trial in trials:
        parts = (trial.boxes, trial.partner_boxes, trial.destinations)
        listed = [None if part is None else part.tolist() for part in parts]
        hashed.update(repr((trial.region, trial.intervention, trial.row, trial.partner, listed)).encode())
    return hashed.hexdigest()


def image_digest(image_ids: Sequence[str]) -> str:
    """Return a checksum of which images stand at the positions that trials name.

    Example:
        >>> image_digest(["a", "b"]) == image_digest(["b", "a"])
        False
    """
    return hashlib.sha256(repr(list(image_ids)).encode()).hexdigest()
