"""Pictures drawn into caches."""

import numpy as np

from cxrshort.datasets.benchmarks.coloured_mnist import BENCHMARK as MNIST
from cxrshort.datasets.benchmarks.rendering import draw_pictures
from cxrshort.datasets.benchmarks.waterbirds import BENCHMARK as WATERBIRDS
from cxrshort.images.cache import create_cache, open_cache

from .copies import make_mnist, make_waterbirds


def render(folder, benchmark, pictures, *, rows, size, jobs):
    folder.mkdir()
    images, masks = folder / "images.npy", folder / "masks.npy"
    create_cache(images, (len(pictures), 3, size, size))
    create_cache(masks, (len(pictures), size, size))
    results = []
    chosen = [pictures[row] for row in rows]
    draw_pictures(images, masks, chosen, draw=benchmark.draw, rows=rows, size=size, jobs=jobs, record=results.extend)
    return np.array(open_cache(images)), np.array(open_cache(masks)), results


def test_caches_hold_every_drawing_for_any_number_of_jobs(tmp_path):
    plan = MNIST.plan(make_mnist(tmp_path / "source"))
    pictures = plan.pictures[:150]
    images, masks, results = render(tmp_path / "one", MNIST, pictures, rows=range(150), size=28, jobs=1)
    again = render(tmp_path / "two", MNIST, pictures, rows=range(150), size=28, jobs=2)
    assert np.array_equal(images, again[0]) and np.array_equal(masks, again[1])
    assert [result.row for result in results] == list(range(150))
    drawing = MNIST.draw(pictures[149], size=28)
    assert np.array_equal(images[149], drawing.pixels) and np.array_equal(masks[149], drawing.masks)


def test_only_the_wanted_rows_are_drawn(tmp_path):
    plan = MNIST.plan(make_mnist(tmp_path / "source"))
    images, masks, results = render(tmp_path / "some", MNIST, plan.pictures[:4], rows=[1, 3], size=28, jobs=1)
    assert [bool(mask.any()) for mask in masks] == [False, True, False, True]
    assert [bool(image.any()) for image in images] == [False, True, False, True]
    assert [result.row for result in results] == [1, 3]


def test_picture_with_a_damaged_file_is_refused_and_the_others_are_drawn(tmp_path):
    plan = WATERBIRDS.plan(make_waterbirds(tmp_path / "source"))
    plan.pictures[0].photograph.write_bytes(b"")
    whole = plan.pictures[1].scene.read_bytes()
    plan.pictures[1].scene.write_bytes(whole[: len(whole) - 200])
    plan.pictures[2].scene.write_bytes(b"GIF89a" + bytes(40))
    images, _, results = render(tmp_path / "out", WATERBIRDS, plan.pictures[:4], rows=range(4), size=16, jobs=2)
    assert [result.reason for result in results] == ["zero bytes", "truncated", "unreadable", ""]
    assert [bool(image.any()) for image in images] == [False, False, False, True]
    assert (results[3].source_height, results[3].source_width) == (45, 60)
