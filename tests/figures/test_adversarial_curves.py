"""Learning curves of a CycleGAN."""

from pathlib import Path

import pytest

from cxrshort.errors import DataError
from cxrshort.figures.adversarial_curves import draw_adversarial_curves

from ..training.tiny import png_signature

SIDES = {"to": "COVID-19 == 1", "from": "COVID-19 == 0"}
NAMES = ("generator_to", "generator_from", "discriminator_to", "discriminator_from", "change_to", "change_from")


@pytest.mark.parametrize("looks", [1, 12])
def test_curves_are_drawn_to_the_same_bytes(tmp_path: Path, looks: int) -> None:
    history = [
        {"number": 50 * place, "cycle": 1 / place, "identity": 0.0, **{name: 0.2 for name in NAMES}}
        for place in range(1, looks + 1)
    ]
    paths = [draw_adversarial_curves(history, tmp_path / name, undecided=0.25, sides=SIDES) for name in ("1", "2")]
    assert png_signature(paths[0]) and paths[0].read_bytes() == paths[1].read_bytes()


def test_no_look_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no step to draw"):
        draw_adversarial_curves([], tmp_path / "x.png", undecided=0.25, sides=SIDES)
