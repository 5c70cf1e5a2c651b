"""One batch of edits: what adds noise goes to the editor, round trips to its encoder; then composites and quality.

Rows of both kinds in one batch are rare, since round trips come after all edits. Each part is then filled up with
copies to the size of the batch: a network chooses its kernels by the shape of a batch, and bytes would differ.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort.generative.roentmod.composite import Composite, blend
from cxrshort.generative.roentmod.contract import Editor, Picture, Pictures
from cxrshort.images.raster import ImageError
from cxrshort.stats.finding_names import ROUND_TRIPS, plain

CHANGE, CHANGED_SHARE = "edit_change", "edit_changed_share"
"""Quality of an edit: mean absolute change from 0 to 1, and the share of pixels that changed by more than 2 %."""
_VISIBLE = 5
"""Grey levels of 255 from which a pixel counts as changed."""

Outcome = Picture | ImageError


def is_round_trip(rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return which rows are encoded and decoded alone, (n,)."""
    return rows["edit"].map(lambda name: plain(str(name).rpartition(", ")[2])).isin(ROUND_TRIPS).to_numpy(dtype=bool)


def editing(editor: Editor, composite: Composite | None = None) -> Callable[[Pictures, pd.DataFrame], list[Outcome]]:
    """Return what :func:`cxrshort.datasets.building.edits.of_edits` takes as transform.

    Args:
        editor: makes the edits; where it has ``round_trip``, this makes the round trips.
        composite: what of an edit is kept; None keeps all. Round trips are not composed.
    """

    def transform(sources: Pictures, rows: pd.DataFrame) -> list[Outcome]:
        trips = is_round_trip(rows)
        outcomes: list[Outcome] = [ImageError("not made")] * len(rows)
        for places, make in (
            (np.flatnonzero(~trips), editor),
            (np.flatnonzero(trips), lambda pictures, chosen: _round_trips(editor, pictures)),
        ):
            if len(places):
                filled = np.concatenate([places, np.repeat(places[-1:], len(rows) - len(places))])
                made = make(sources[filled], rows.iloc[filled])
                for place, outcome in zip(places, made, strict=False):
                    outcomes[place] = outcome
        if composite is not None:
            outcomes = _composed(composite, sources, rows, outcomes, trips)
        return [_judged(source, outcome) for source, outcome in zip(sources, outcomes, strict=True)]

    return transform


def _round_trips(editor: Editor, sources: Pictures) -> Sequence[Outcome]:
    """Return the round trips of a batch; an editor without an encoder returns its sources."""
    trip = cast(Any, editor).round_trip if hasattr(editor, "round_trip") else None
    return [Picture(pixels) for pixels in sources] if trip is None else list(trip(sources))


def _composed(
    composite: Composite,
    sources: Pictures,
    rows: pd.DataFrame,
    outcomes: Sequence[Outcome],
    trips: npt.NDArray[np.bool_],
) -> list[Outcome]:
    """Return the pictures with their sources outside the structures."""
    weights = composite.weights(rows["source_image_id"].astype(str).tolist())
    composed: list[Outcome] = []
    for source, outcome, weight, trip in zip(sources, outcomes, weights, trips, strict=True):
        if isinstance(outcome, ImageError) or trip:
            composed.append(outcome)
        elif weight is None:
            composed.append(ImageError("no mask", f"of {', '.join(composite.structures)}"))
        else:
            composed.append(Picture(blend(source, outcome.pixels, weight), outcome.facts))
    return composed


def _judged(source: Pictures, outcome: Outcome) -> Outcome:
    """Return a picture with its quality; a blank one is no edit."""
    if isinstance(outcome, ImageError):
        return outcome
    if outcome.pixels.min() == outcome.pixels.max() and source.min() != source.max():
        return ImageError("blank picture", f"every pixel is {int(outcome.pixels.min())}")
    change = np.abs(outcome.pixels.astype(np.int16) - source)
    quality = {
        CHANGE: round(float(change.mean()) / 255, 6),
        CHANGED_SHARE: round(float((change > _VISIBLE).mean()), 6),
    }
    return Picture(outcome.pixels, {**quality, **outcome.facts})
