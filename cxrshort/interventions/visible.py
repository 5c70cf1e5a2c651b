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
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from cxrshort.compute import Compute
from cxrshort.errors import DataError
from cxrshort.images.prefetch import Indices
from cxrshort.interventions import MASKINGS
from cxrshort.interventions.masking import Masking
from cxrshort.models.foreground import visible_pixels
from cxrshort.models.predictions import Fold
from cxrshort.models.scoring import SCORING_BATCH, scan
from cxrshort.models.sources.opening import Model
from cxrshort.regions import Regions, geometry
from cxrshort.registry import check_name, load_entry
from cxrshort.results import Column, Table
from cxrshort.stats.auc import AucInterval, auc_interval
from cxrshort.targets import read_targets

FILLINGS = ("grey", "black")
BORDER, LUNGS = "border", "lungs"
BORDER_ONLY = "border only"
SHOWN = (BORDER_ONLY, "all but the border", "lungs only", "all but the lungs")
"""What is shown of each image, in the order of tables."""
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
) -> pd.DataFrame:
    """Return the AUC of images of which a part is shown, beside that of the whole images.

    Masks are drawn batch by batch, and each image is scored five times in one scan; several processes do a share each,
    and all return the whole.

    Args:
        model: the opened model.
        fold: the images, of persons whom the model was not trained on.
        regions: of the same images, which know the lungs of some or all of them.
        labels: of the model; those that the dataset does not know have a reason.
        compute: device, precision and processes.
        batch_size: images in the network at the same time; halved whenever memory does not suffice.
        filling: ``"grey"``, the mean of what is shown, or ``"black"``.

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
        raise DataError(f"regions of {len(regions)} images do not fit {len(fold.data.manifest)}", "make them of the fold")
    outputs, has_lungs = _score_views(model, fold, regions, compute=compute, batch_size=batch_size, filling=filling)
    scores = reference.outputs.scores(torch.from_numpy(outputs).flatten(0, 1)).numpy().reshape(outputs.shape)
    if wrong := int((~np.isfinite(scores[:, 0])).any(axis=1).sum()):
        raise DataError(f"'{reference.title}' returns no number for {wrong} of {len(scores)} images", "check its weights")
    manifest = fold.data.manifest
    rows = []
    for label in labels:
        column = reference.description.labels.index(label)
        targets, persons = read_targets(manifest, label), manifest["person_id"].to_numpy(dtype=str)
        for number, shown in enumerate(SHOWN, start=1):
            used = has_lungs if LUNGS in shown else np.ones(len(manifest), bool)
            part, whole = (
                _interval(targets[used], scores[used, view, column], persons[used]) for view in (number, 0)
            )
            rows.append(_row(label, shown, filling, part, whole, without_lungs=int((~used).sum())))
    return pd.DataFrame(rows, columns=list(VISIBLE_COLUMNS))


def _score_views(
    model: Model, fold: Fold, regions: Regions, *, compute: Compute, batch_size: int, filling: str
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return the outputs of whole images and of each view, (N, 5, L), and whose lungs are known, (N,)."""
    shape, lungs = regions.image_shape, regions.names.index(LUNGS)
    border = torch.from_numpy(np.any(list(geometry(shape).values()), axis=0)).to(compute.torch_device)
    maskings: dict[str, Masking] = {
        side: load_entry(MASKINGS, f"{filling}-{side}", kind="masking") for side in ("outside", "inside")
    }
    views = [
        _View(name, BORDER if BORDER in name else LUNGS, maskings["inside" if "but" in name else "outside"])
        for name in SHOWN
    ]

    def work(images: Tensor, positions: Indices) -> npt.NDArray[np.float32]:
        drawn = regions.take(positions)
        areas = {
            BORDER: border.expand(len(images), *shape),
            LUNGS: torch.from_numpy(drawn.areas[:, lungs]).to(images.device),
        }
        pictures = (images, *(view.masking(images, areas[view.area]) for view in views))
        outputs = torch.stack([model.classifier(picture).float() for picture in pictures], dim=1).cpu().numpy()
        known = np.broadcast_to(drawn.available[:, lungs, None, None], (*outputs.shape[:2], 1))
        return np.concatenate([outputs, known.astype(np.float32)], axis=2)

    found = scan(
        work,
        visible_pixels(model.reference.description, fold.data),
        model=model.classifier,
        compute=compute,
        batch_size=batch_size,
        shrink=True,
    )
    return found[..., :-1], found[:, 0, -1] == 1


def _interval(targets: npt.NDArray[Any], scores: npt.NDArray[Any], persons: npt.NDArray[Any]) -> AucInterval | str:
    """Return the AUC and its interval, or why there is none."""
    if not len(targets):
        return "no image has known lungs"
    if wrong := int((~np.isfinite(scores)).sum()):
        return f"the model returns no number for {wrong} images of which a part is hidden"
    return auc_interval(targets, scores, persons)


def _row(
    label: str, shown: str, filling: str, part: AucInterval | str, whole: AucInterval | str, *, without_lungs: int
) -> dict[str, Any]:
    row: dict[str, Any] = {"label": label, "shown": shown, "filling": filling, "without_lungs": without_lungs}
    counts: dict[str, Any] = {"positives": 0, "negatives": 0, "persons": 0, "unlabelled": 0}
    for name, found in (("auc", part), ("whole", whole)):
        missing = isinstance(found, str)
        limits = (None, None, None) if isinstance(found, str) else (found.auc, found.low, found.high)
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), limits, strict=True))
        if not isinstance(found, str):
            counts = {
                "positives": found.positives,
                "negatives": found.negatives,
                "persons": found.clusters or 0,
                "unlabelled": found.left_out,
            }
        del missing
    about = {"method": "none", "reason": part, "caution": ""} if isinstance(part, str) else {
        "method": part.method, "reason": part.reason, "caution": part.caution
    }
    return {**row, **counts, **about}
