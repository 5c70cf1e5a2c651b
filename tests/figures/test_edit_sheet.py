"""Contact sheets of edits: one scale for all differences, a place for what was not made, and refusals."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from cxrshort.errors import DataError
from cxrshort.figures import edit_sheet
from cxrshort.figures.edit_sheet import EditedFilm, draw_edit_sheet


def film(name: str, **changes: int) -> EditedFilm:
    original = np.full((8, 8), 100, np.uint8)
    return EditedFilm(name, original, {edit: original + np.uint8(change) for edit, change in changes.items()})


def test_all_pictures_and_their_differences_are_drawn_on_one_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(edit_sheet, "save_figure", lambda figure, path: figures.append(figure) or path)
    films = [film("x/1", edema=51, sham=0), film("x/2", edema=10)]
    draw_edit_sheet(films, tmp_path / "edits.png", edits=["edema", "sham"], title="films")
    (figure,) = figures
    images = [axes.images[0] for axes in figure.axes]
    differences = [image for image in images if image.get_cmap().name == "RdBu_r"]
    assert (len(images), len(differences)) == (2 + 3 + 3, 3)
    assert {image.get_clim() for image in differences} == {(-0.2, 0.2)}
    np.testing.assert_allclose(differences[0].get_array(), 51 / 255)
    texts = [text.get_text() for text in figure.texts]
    assert {"films", "original", "edema", "sham", "x/1", "x/2", "not made"} <= set(texts)
    assert any("full colour at ±20% of white" in text for text in texts)


def test_noise_alone_stays_pale(tmp_path: Path) -> None:
    assert edit_sheet._scale([film("x/1", sham=3)]) == 0.1
    path = draw_edit_sheet([film("x/1", sham=3)], tmp_path / "edits.png", edits=["sham"])
    assert path.read_bytes()[:4] == b"\x89PNG"


def test_empty_and_overfull_sheets_are_refused(tmp_path: Path) -> None:
    for films, edits in (([], ["a"]), ([film("x")] * 5, ["a"]), ([film("x")], []), ([film("x")], ["a"] * 11)):
        with pytest.raises(DataError, match="cannot be drawn"):
            draw_edit_sheet(films, tmp_path / "edits.png", edits=edits)
