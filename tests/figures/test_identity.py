"""The figure of distances: a file, the same bytes each time, and refusals."""

from pathlib import Path

import numpy as np
import pytest

from cxrshort.errors import DataError
from cxrshort.figures.identity import DistancePanel, draw_identity

from ..training.tiny import png_signature


def panel(name: str = "pixels", seed: int = 0) -> DistancePanel:
    rng = np.random.default_rng(seed)
    rows = {"control": rng.gamma(4, 1, 40), "edit": rng.gamma(1, 0.2, 40), "sham": np.zeros(40), "real": np.empty(0)}
    return DistancePanel(name, rows, {"control": [3.0, 4.0], "edit": [0.1]})


def test_panels_are_drawn_the_same_each_time(tmp_path: Path) -> None:
    panels = [panel(f"network {number}", number) for number in range(4)]
    paths = [draw_identity(panels, tmp_path / f"{number}.png", title="edits", measure="pFID") for number in range(2)]
    assert png_signature(paths[0]) and paths[0].read_bytes() == paths[1].read_bytes()


def test_too_many_embeddings_and_none_are_refused(tmp_path: Path) -> None:
    for panels in ([], [panel()] * 7, [DistancePanel("pixels", {})]):
        with pytest.raises(DataError, match=f"{len(panels)} embeddings cannot be drawn: 1 to 6 with distances"):
            draw_identity(panels, tmp_path / "a.png")
