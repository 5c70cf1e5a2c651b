"""A cyclegan as an editor of roentmod: edits, sham edits and round trips, and what it refuses."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort import registry
from cxrshort.compute import Compute
from cxrshort.dataset import load_dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.generative.cyclegan.model import load_cyclegan
from cxrshort.generative.roentmod import EDITORS

from ...training.tiny import tiny_dataset
from ..cyclegan.test_model import write

CPU = Compute("cpu", "fp32", 1)
SOURCES = np.random.default_rng(0).integers(0, 256, (4, 32, 32), dtype=np.uint8)


def open_editor(**options: object):  # type: ignore[no-untyped-def]
    """Open the editor as roentmod does, by its name."""
    return registry.load_entry(EDITORS, "cyclegan", kind="editor")(compute=CPU, **options)


def test_edits_go_toward_the_to_side_and_sham_edits_come_back(tmp_path: Path) -> None:
    editor, model = open_editor(model=str(write(tmp_path))), load_cyclegan(tmp_path, CPU)
    rows = pd.DataFrame({"edit": ["covid", "sham", "cropped, round trip", "sham, covid"]})
    there = model.transform_pixels(SOURCES, "to")
    back = model.transform_pixels(there, "from")
    made = [picture.pixels for picture in editor(SOURCES, rows)]
    for place, expected in enumerate((there, back, back, there)):
        assert np.array_equal(made[place], expected[place])
    assert np.array_equal([picture.pixels for picture in editor.round_trip(SOURCES)], back)


def test_editor_says_what_it_is(tmp_path: Path) -> None:
    editor = open_editor(model=str(write(tmp_path)), batch_size=3)
    assert (editor.batch_size, editor.moves) == (3, False)
    assert editor.identity == f"cyclegan {load_cyclegan(tmp_path, CPU).model_id}"
    assert editor.facts["editor"] == "cyclegan" and editor.facts["sides"]["to"] == "`COVID-19` == 1"


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    model = str(write(tmp_path))
    fitting = load_dataset(str(tiny_dataset(tmp_path / "fits")))
    assert open_editor(model=model, data=fitting).batch_size == 16
    data = load_dataset(str(tiny_dataset(tmp_path / "large", name="large", size=36)))
    with pytest.raises(DataError) as caught:
        open_editor(model=model, data=data)
    assert caught.value.message == f"the images of large are '36 x 36' pixels, '{model}' was trained on 32 x 32"


def test_batch_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--batch-size is '0', it must be 1 or more"):
        open_editor(model=str(write(tmp_path)), batch_size=0)
