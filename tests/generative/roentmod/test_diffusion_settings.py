"""One generator at other strengths and guidances: the pictures of an editor that was opened with these."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.compute import choose_compute
from cxrshort.errors import UsageError
from cxrshort.generative.roentmod.contract import Picture
from cxrshort.generative.roentmod.diffusion import DiffusionEditor, open_editor

from .tiny_pipeline import build


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("generator") / "tiny")


def opened(folder: Path, **settings: float) -> DiffusionEditor:
    compute = choose_compute("cpu", precision="fp32", threads=1)
    return open_editor(generator=str(folder), steps=10, compute=compute, **settings)  # type: ignore[arg-type]


def pictures(editor: DiffusionEditor) -> np.ndarray:
    sources = np.random.default_rng(0).integers(0, 256, (2, 32, 32)).astype(np.uint8)
    rows = pd.DataFrame(
        {
            "source_image_id": ["a", "b"],
            "edit": "edema",
            "edit_prompt": "edema",
            "edit_seed": [1, 2],
        }
    )
    made = editor(sources, rows)
    assert all(isinstance(picture, Picture) for picture in made)
    return np.stack([picture.pixels for picture in made if isinstance(picture, Picture)])


@pytest.mark.parametrize(("strength", "guidance"), [(0.4, 7.0), (0.9, 4.0), (0.0, 4.0)])
def test_other_settings_make_the_pictures_of_an_editor_opened_with_them(
    folder: Path, strength: float, guidance: float
) -> None:
    editor = opened(folder)
    before = pictures(editor)
    other, fresh = editor.at(strength=strength, guidance=guidance), opened(folder, strength=strength, guidance=guidance)
    assert other.identity == fresh.identity and other.facts == fresh.facts
    assert (other.moves, other.calls_per_edit) == (fresh.moves, fresh.calls_per_edit)
    np.testing.assert_array_equal(pictures(other), pictures(fresh))
    assert other.components is editor.components and other.identity != editor.identity
    np.testing.assert_array_equal(pictures(editor), before)


@pytest.mark.parametrize(
    ("strength", "guidance", "message"),
    [
        (1.5, 4.0, "strength is '1.5', it must be from 0 to 1"),
        (0.4, 0.5, "guidance is '0.5', it must be 1 or more"),
        (0.05, 4.0, "less than one step is none"),
    ],
)
def test_settings_out_of_range_are_refused(folder: Path, strength: float, guidance: float, message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        opened(folder).at(strength=strength, guidance=guidance)
    assert message in refusal.value.message
