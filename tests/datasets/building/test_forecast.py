"""What a build will take, from a trial whose material counts what is asked of it."""

import numpy as np

from cxrshort.datasets.building.forecast import forecast
from cxrshort.datasets.building.image_source import ImageSource


def test_forecast_tries_images_that_lie_evenly_and_counts_disk():
    tried = []

    def make(files, chosen, rows, jobs, record):
        assert np.load(files["images.npy"], mmap_mode="r").shape == (32, 8, 16)
        assert len(chosen) == len(rows) and jobs == 1
        tried.append(list(chosen))

    actual = forecast(ImageSource([], {"images.npy": (8, 16), "masks.npy": (8, 16)}, make), 8192, jobs=3)
    assert tried == [[0], list(range(0, 8192, 256))]
    assert actual["disk_mib"] == 2.0 and actual["memory_mib"] > 0 and actual["images_per_second"] > 0


def test_forecast_of_few_images_tries_each_once():
    tried = []
    image_source = ImageSource([], {"images.npy": (8, 8)}, lambda files, chosen, *rest: tried.append(list(chosen)))
    forecast(image_source, 3, jobs=1)
    assert tried[1] == [0, 1, 2]
