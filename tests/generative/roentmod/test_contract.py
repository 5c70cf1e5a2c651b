"""What every editor keeps."""

import numpy as np

from cxrshort.generative.roentmod.contract import Picture, Prompt


def test_a_picture_says_nothing_besides_its_pixels_unless_asked() -> None:
    picture = Picture(np.zeros((4, 4), np.uint8))
    assert dict(picture.facts) == {}
    assert Prompt("sham", "no acute cardiopulmonary process").label == ""
