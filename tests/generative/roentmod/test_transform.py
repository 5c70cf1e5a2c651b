"""A batch of edits: routed, filled up, judged."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxrshort.generative.roentmod.contract import Picture, Pictures
from cxrshort.generative.roentmod.transform import editing, is_round_trip
from cxrshort.images.raster import ImageError


@dataclass
class Brighter:
    """Add 50 to the left half, and note how many pictures were asked for at a time."""

    identity: str = "brighter"
    facts: dict[str, Any] = field(default_factory=dict)
    batch_size: int = 4
    moves: bool = False
    sizes: list[tuple[str, int]] = field(default_factory=list)

    def __call__(self, sources: Pictures, rows: pd.DataFrame) -> Sequence[Picture | ImageError]:
        self.sizes.append(("edit", len(rows)))
        pictures = sources.copy()
        pictures[:, :, :2] += 50
        return [Picture(picture, {"edit_channel_spread": 0.5}) for picture in pictures]


class WithEncoder(Brighter):
    """Also encode and decode, which loses a grey level."""

    def round_trip(self, sources: Pictures) -> Sequence[Picture | ImageError]:
        self.sizes.append(("trip", len(sources)))
        return [Picture(source + np.uint8(1)) for source in sources]


def batch(*edits: str) -> tuple[Pictures, pd.DataFrame]:
    sources = np.random.default_rng(0).integers(0, 200, (len(edits), 4, 4), dtype=np.uint8)
    return sources, pd.DataFrame({"edit": edits, "source_image_id": [f"x/{row}" for row in range(len(edits))]})


def test_round_trips_go_to_the_encoder_in_batches_of_full_size() -> None:
    editor = WithEncoder()
    sources, rows = batch("edema", "inverted, round trip", "sham", "round trip")
    assert is_round_trip(rows).tolist() == [False, True, False, True]
    outcomes = editing(editor)(sources, rows)
    assert editor.sizes == [("edit", 4), ("trip", 4)]
    for number, outcome in enumerate(outcomes):
        assert isinstance(outcome, Picture)
        if number in (1, 3):
            np.testing.assert_array_equal(outcome.pixels, sources[number] + 1)
        else:
            assert (outcome.pixels[:, :2] == sources[number][:, :2] + 50).all()


def test_an_editor_without_encoder_returns_the_source() -> None:
    sources, rows = batch("round trip")
    (outcome,) = editing(Brighter())(sources, rows)
    assert isinstance(outcome, Picture)
    np.testing.assert_array_equal(outcome.pixels, sources[0])
    assert outcome.facts == {"edit_change": 0.0, "edit_changed_share": 0.0}


def test_quality_is_the_mean_change_and_the_share_of_changed_pixels() -> None:
    sources, rows = batch("edema")
    (outcome,) = editing(Brighter())(sources, rows)
    assert isinstance(outcome, Picture)
    assert outcome.facts["edit_change"] == pytest.approx(50 / 255 / 2, abs=1e-6)
    assert outcome.facts["edit_changed_share"] == 0.5 and outcome.facts["edit_channel_spread"] == 0.5


def test_failures_and_blank_pictures_are_reasons() -> None:
    class Failing(Brighter):
        def __call__(self, sources: Pictures, rows: pd.DataFrame) -> Sequence[Picture | ImageError]:
            return [ImageError("not finite", "nan"), Picture(np.full((4, 4), 7, np.uint8))]

    sources, rows = batch("edema", "mass")
    failed, blank = editing(Failing())(sources, rows)
    assert isinstance(failed, ImageError) and failed.reason == "not finite"
    assert isinstance(blank, ImageError) and (blank.reason, blank.detail) == ("blank picture", "every pixel is 7")


def test_composite_keeps_the_source_outside_and_names_missing_masks() -> None:
    class Left:
        structures = ("lungs",)

        def weights(self, names: Sequence[str]) -> list[np.ndarray | None]:
            weight = np.zeros((4, 4), np.float32)
            weight[:, 0] = 1
            return [None if name == "x/1" else weight for name in names]

    sources, rows = batch("edema", "mass", "round trip")
    edit, lost, trip = editing(WithEncoder(), Left())(sources, rows)  # type: ignore[arg-type]
    assert isinstance(edit, Picture) and isinstance(trip, Picture)
    np.testing.assert_array_equal(edit.pixels[:, 1:], sources[0][:, 1:])
    np.testing.assert_array_equal(edit.pixels[:, 0], sources[0][:, 0] + 50)
    assert isinstance(lost, ImageError) and lost.reason == "no mask"
    np.testing.assert_array_equal(trip.pixels, sources[2] + 1)
