"""Pictures of a dataset: averages that are means, captions that say what is there."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.dataset import Pixels
from cxrshort.figures import gallery, plots

COUNT = 600  # more than two blocks of the mean


@pytest.fixture
def data(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (COUNT, 4, 6), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    manifest = pd.DataFrame(
        {
            "image_id": [f"i{row}" for row in range(COUNT)],
            "repository": ["b", "a"] * (COUNT // 2),
            "view": "PA",
            "cache": str(tmp_path),
            "cache_row": range(COUNT),
            "Mass": np.float32([1, 0, np.nan] * (COUNT // 3)),
        }
    )
    return manifest, Pixels(manifest), images


def test_average_is_the_mean_over_all_blocks(data):
    _, pixels, images = data
    rows = np.arange(COUNT)
    np.testing.assert_allclose(gallery.average(pixels, rows), images.mean(axis=0) / 255)
    np.testing.assert_allclose(gallery.average(pixels, rows[:1]), images[0] / 255)


def test_draw_gives_each_repository_its_own_images(data, tmp_path, monkeypatch):
    manifest, pixels, images = data
    drawn = {}

    def averages(means, path, *, counts):
        drawn.update(means=means, counts=counts)

    def sheet(shown, captions, path):
        drawn.update(shown=shown, captions=captions)

    monkeypatch.setattr(plots, "average_images", averages)
    monkeypatch.setattr(plots, "contact_sheet", sheet)
    gallery.draw_gallery(manifest, pixels, path_of=lambda name: tmp_path / name)
    assert drawn["counts"] == {"a": COUNT // 2, "b": COUNT // 2}
    np.testing.assert_allclose(drawn["means"]["b"], images[::2].mean(axis=0) / 255)
    np.testing.assert_array_equal(drawn["shown"][[0, -1]], images[[0, -1]])
    assert len(drawn["captions"]) == len(drawn["shown"]) == 24
    assert drawn["captions"][0] == "b PA\nMass" and drawn["captions"][-1] == "a PA\nno finding"
