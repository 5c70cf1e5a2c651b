"""Sample images of a run: the sheet, the measures, and networks that are left as they were."""

from pathlib import Path

import pytest
import torch

from cxrshort.generative.cyclegan.samples import Samples
from cxrshort.generative.cyclegan.steps import Learner

from ...training.tiny import png_signature
from .small import CPU, SIDES, sides_of, small_recipe


@pytest.mark.parametrize("channels", [1, 3])
def test_look_draws_a_sheet_and_measures_both_directions(tmp_path: Path, channels: int) -> None:
    learner = Learner(small_recipe(channels=channels), seed=0, compute=CPU)
    before = {name: value.clone() for name, value in learner.generators.state_dict().items()}
    measures = Samples(sides_of(tmp_path), learner, SIDES).look(tmp_path / "samples" / "step-1.png")
    assert png_signature(tmp_path / "samples" / "step-1.png")
    assert set(measures) == {f"{name}_{side}" for name in ("change", "spread") for side in SIDES}
    assert measures["change_to"] > 5  # random networks make grey of everything
    assert all(torch.equal(value, before[name]) for name, value in learner.generators.state_dict().items())


def test_same_images_are_taken_at_every_look(tmp_path: Path) -> None:
    learner = Learner(small_recipe(), seed=0, compute=CPU)
    samples = Samples(sides_of(tmp_path), learner, SIDES)
    assert samples.look(tmp_path / "a" / "1.png") == samples.look(tmp_path / "a" / "2.png")
    assert (tmp_path / "a" / "1.png").read_bytes() == (tmp_path / "a" / "2.png").read_bytes()
