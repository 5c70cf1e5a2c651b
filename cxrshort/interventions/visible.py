"""What a model scores when only the border, or only the lungs, are shown, and when they are hidden: an AUC for each.

DeGrave et al. 2021 (Discussion, on Maguolo and Nanni's study with the lungs blacked out): a model that still tells the
classes apart where no lung is seen can do so without pathology. The border is the four borders and corners of
:func:`cxrshort.regions.geometry`; what is hidden takes the mean grey of what is shown, or black, so that nothing of it
remains.

What would invalidate an AUC, or what is read from it:

- It says what suffices, not what the model uses where the whole image is shown; and pictures with large fillings are
  none that it has seen in training, so an AUC near 0.5 does not acquit.
- The outline of hidden lungs stays visible, and on a narrow film the border holds some lung.
- Images whose lungs nobody has outlined are left out where lungs are shown or hidden, and counted; the AUC of whole
  images beside each number is that of the same images.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from cxrshort import runs
from cxrshort.compute import Compute
from cxrshort.errors import DataError, UsageError
from cxrshort.images.prefetch import Indices
from cxrshort.interventions import MASKINGS
from cxrshort.interventions.masking import Masking
from cxrshort.models.blocks import Report
from cxrshort.models.foreground import visible_pixels
from cxrshort.models.predictions import Fold
from cxrshort.models.scoring import SCORING_BATCH, counted, scan
from cxrshort.models.sources.opening import Model
from cxrshort.regions import Regions, geometry
from cxrshort.registry import check_name, load_entry
from cxrshort.results import Column, Table, interval_text
from cxrshort.stats.auc import AucInterval, auc_interval
from cxrshort.tables import records
from cxrshort.targets import read_targets

FILLINGS = ("grey", "black")
_BORDER, _LUNGS = "border", "lungs"
_BORDER_ONLY = "border only"
_CHANCE = 0.5
SHOWN = (_BORDER_ONLY, "all but the border", "lungs only", "all but the lungs")
"""What is shown of each image, in the order of tables."""
VIEWS = 1 + len(SHOWN)
"""Passes through the network for each image: whole, and each of `SHOWN`."""
VISIBLE_COLUMNS = (
    "label", "shown", "filling", "auc", "auc_low", "auc_high", "whole", "whole_low", "whole_high", "positives",
    "negatives", "persons", "without_lungs", "unlabelled", "method", "reason", "caution",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class _View:
    """Show a part of each image: an area alone, or all but it."""

    name: str
    area: str
    masking: Masking


def visible_aucs(
    model: Model,
    fold: Fold,
    regions: Regions,
    *,
    labels: Sequence[str],
    compute: Compute,
    batch_size: int = SCORING_BATCH,
    filling: str = "grey",
    report: Report = runs.ignore_event,
) -> pd.DataFrame:
    """Return the AUC of images of which a part is shown, beside that of the whole images.

    Masks are drawn batch by batch, and each image is scored five times in one scan; several processes do a share each,
    and all return the whole.

    Args:
        model: the opened model, whose classifier returns what its outputs are said to be: no log-odds of a softmax.
        fold: the images, of persons whom the model was not trained on.
        regions: of the same images, which know the lungs of some or all of them.
        labels: of the model; those that the dataset does not know have a reason.
        compute: device, precision and processes.
        batch_size: images in the network at the same time; halved whenever memory does not suffice.
        filling: ``"grey"``, the mean of what is shown, or ``"black"``.
        report: takes an event before each batch.

    Returns:
        `VISIBLE_COLUMNS`, a row for each label and each of `SHOWN`: AUC with its interval clustered by person; the
        same of whole images (``whole``); ``without_lungs``, images left out for want of an outline; ``unlabelled``,
        images whose target is neither 0 nor 1; and ``reason`` where a number is missing.

    Raises:
        DataError: the model returns no number for a whole image, or regions are of other images.
        UsageError: an unknown filling or label.
    """
    check_name(FILLINGS, filling, kind="filling")
    reference = model.reference
    for label in labels:
        check_name(reference.description.labels, label, kind="label of this model")
    if len(regions) != len(fold.data.manifest):
        raise DataError(
            f"regions of {len(regions)} images do not fit {len(fold.data.manifest)}", "make them of the fold"
        )
    outputs, has_lungs = _score_views(
        model, fold, regions, compute=compute, batch_size=batch_size, filling=filling, report=report
    )
    scores = reference.outputs.scores(torch.from_numpy(outputs).flatten(0, 1)).numpy().reshape(outputs.shape)
    if wrong := int((~np.isfinite(scores[:, 0])).any(axis=1).sum()):
        raise DataError(
            f"'{reference.title}' returns no number for {wrong} of {len(scores)} images", "check its weights"
        )
    manifest = fold.data.manifest
    persons = manifest["person_id"].to_numpy(dtype=str)
    rows = []
    for label in labels:
        column = reference.description.labels.index(label)
        targets = _targets(manifest, label)
        for number, shown in enumerate(SHOWN, start=1):
            used = has_lungs if _LUNGS in shown else np.ones(len(manifest), bool)
            part, whole = (_interval(targets[used], scores[used, view, column], persons[used]) for view in (number, 0))
            about = {"label": label, "shown": shown, "filling": filling, "without_lungs": int((~used).sum())}
            rows.append({**about, **_row(part, whole)})
    return pd.DataFrame(rows, columns=list(VISIBLE_COLUMNS))


def _score_views(
    model: Model,
    fold: Fold,
    regions: Regions,
    *,
    compute: Compute,
    batch_size: int,
    filling: str,
    report: Report,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return the outputs of whole images and of each view, (N, 5, L), and whose lungs are known, (N,)."""
    shape, lungs = regions.image_shape, regions.names.index(_LUNGS)
    border = torch.from_numpy(np.any(list(geometry(shape).values()), axis=0)).to(compute.torch_device)
    maskings: dict[str, Masking] = {
        side: load_entry(MASKINGS, f"{filling}-{side}", kind="masking") for side in ("outside", "inside")
    }
    views = [
        _View(name, _BORDER if _BORDER in name else _LUNGS, maskings["inside" if "but" in name else "outside"])
        for name in SHOWN
    ]

    def work(images: Tensor, positions: Indices) -> npt.NDArray[np.float32]:
        drawn = regions.take(positions)
        areas = {
            _BORDER: border.expand(len(images), *shape),
            _LUNGS: torch.from_numpy(drawn.areas[:, lungs]).to(images.device),
        }
        pictures = (images, *(view.masking(images, areas[view.area]) for view in views))
        outputs = torch.stack([model.classifier(picture).float() for picture in pictures], dim=1).cpu().numpy()
        outlined = np.broadcast_to(drawn.available[:, lungs, None, None], (*outputs.shape[:2], 1))
        return np.concatenate([outputs, outlined.astype(np.float32)], axis=2)

    count = len(fold.data.manifest)
    scanned = scan(
        counted(work, unit="images shown in part", count=count, compute=compute, report=report),
        visible_pixels(model.reference.description, fold.data),
        model=model.classifier,
        compute=compute,
        batch_size=batch_size,
        shrink=True,
    )
    return scanned[..., :-1], scanned[:, 0, -1] == 1


def _targets(manifest: pd.DataFrame, label: str) -> npt.NDArray[np.float32]:
    """Return the truth for one label; a dataset that does not know the label has none."""
    try:
        return read_targets(manifest, label)
    except UsageError:
        return np.full(len(manifest), np.nan, np.float32)


def _interval(targets: npt.NDArray[Any], scores: npt.NDArray[Any], persons: npt.NDArray[Any]) -> AucInterval:
    """Return the AUC and its interval, or why there is none."""
    reason = "" if len(targets) else "no image has known lungs"
    if wrong := int((~np.isfinite(scores)).sum()):
        reason = f"the model returns no number for {wrong} images of which a part is hidden"
    if reason:
        return replace(auc_interval([], [], []), reason=reason)
    return auc_interval(targets, scores, persons)


def _row(part: AucInterval, whole: AucInterval) -> dict[str, Any]:
    limits = {
        f"{name}{end}": value
        for name, interval in (("auc", part), ("whole", whole))
        for end, value in (("", interval.auc), ("_low", interval.low), ("_high", interval.high))
    }
    return {
        **limits,
        "positives": whole.positives,
        "negatives": whole.negatives,
        "persons": whole.clusters,
        "unlabelled": whole.left_out,
        "method": part.method,
        "reason": part.reason,
        "caution": part.caution,
    }


def visible_table(aucs: pd.DataFrame, label: str) -> Table:
    """Return what people see of one label."""
    heads = [
        Column("shown", "shown"),
        Column("pos.", "positives", "count"),
        Column("neg.", "negatives", "count"),
        Column("AUC", "auc", "interval"),
        Column("of whole images", "whole_text"),
    ]
    rows = records(aucs[aucs["label"] == label])
    for row in rows:
        row["whole_text"] = _interval_text(row["whole"], row["whole_low"], row["whole_high"])
    filling = rows[0]["filling"] if rows else "grey"
    title = f"{label}, AUC with 95 % interval where the rest of each image is {filling}"
    without = max((int(row["without_lungs"]) for row in rows), default=0)
    return Table(heads, rows, title=title + (f"; {without} images have no outline of the lungs" if without else ""))


def _interval_text(value: float | None, low: float | None, high: float | None) -> str:
    return "none" if value is None or low is None or high is None else interval_text(value, low, high)


def border_notes(aucs: pd.DataFrame) -> list[str]:
    """Return a sentence for each label whose classes the border alone tells apart: its interval excludes 0.5.

    Example:
        >>> row = {"label": "Edema", "shown": "border only", "auc": 0.8, "auc_low": 0.7, "auc_high": 0.9}
        >>> border_notes(pd.DataFrame([row]))[0].partition(":")[0]
        'Edema'
    """
    notes = []
    only = aucs[aucs["shown"] == _BORDER_ONLY]
    numbers = only[["auc", "auc_low", "auc_high"]].astype(np.float64).to_numpy()
    for label, (value, low, high) in zip(only["label"], numbers.tolist(), strict=True):
        if low > _CHANCE or high < _CHANCE:
            reverse = "" if low > _CHANCE else ", in reverse"
            notes.append(
                f"{label}: shown nothing but the four borders and corners, the model still tells the classes apart"
                f"{reverse} (AUC {_interval_text(value, low, high)}): the border is enough for it, which does not "
                "say that it looks there when it sees the whole image"
            )
    return notes
