import numpy as np

from cxrshort.images.reduction import reduce_image, reduce_images


class Stack:
    """Hand out pictures, as a dataset does."""

    def __init__(self, images: np.ndarray) -> None:
        self.images, self.image_shape = images, images.shape[1:]

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: np.ndarray) -> np.ndarray:
        return self.images[rows]


def test_pictures_of_that_size_stay_and_larger_ones_are_averaged() -> None:
    draw = np.random.default_rng(0)
    small = draw.integers(0, 256, (16, 16), dtype=np.uint8)
    np.testing.assert_array_equal(reduce_image(small, 16), small)
    inside = (slice(2, -2), slice(2, -2))
    # Bilinear reduction looks a square beyond each one: on slow shading it is the mean.
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8), (64, 64))
    reduced = reduce_image(ramp, 16)
    assert reduced.shape == (16, 16)
    np.testing.assert_allclose(reduced[inside], np.tile(np.arange(16)[2:-2] * 4 + 1.5, (12, 1)), atol=1)  # whole greys


def test_colours_become_grey_and_all_images_come_in_order() -> None:
    colours = np.zeros((600, 3, 8, 8), np.uint8)
    colours += (np.arange(600) % 251).astype(np.uint8)[:, None, None, None]
    reduced = reduce_images(Stack(colours), 8)
    np.testing.assert_array_equal(reduced[:, 0, 0], np.arange(600) % 251)
