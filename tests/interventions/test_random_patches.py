"""The null: where random patches lie, and that its logits are those of images changed one by one."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cxrshort.compute import seeded_generator
from cxrshort.errors import DataError, UsageError
from cxrshort.interventions import INTERVENTIONS
from cxrshort.interventions.contract import Intervention, Places
from cxrshort.interventions.mean import MEAN
from cxrshort.interventions.random_patches import Trial, draw_patches, edit_image, free_positions, null_logits
from cxrshort.registry import load_entry

SIDE = 20
BOXES = torch.tensor([[2, 3, 6, 6], [12, 3, 17, 5]])


@pytest.fixture(params=list(INTERVENTIONS))
def intervention(request: pytest.FixtureRequest) -> Intervention:
    actual: Intervention = load_entry(INTERVENTIONS, request.param, kind="intervention")
    return actual


def film(seed: int = 0) -> Tensor:
    return torch.rand(1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def trial() -> Trial:
    return Trial(BOXES, film(1), BOXES.flip(0) + 1, BOXES - torch.tensor([0, 3, 0, 3]))


class Watched(nn.Module):
    """Map images to two logits, remember how many came at a time, and run out of memory above a number."""

    def __init__(self, limit: int = 10**6) -> None:
        super().__init__()
        self.linear, self.drop = nn.Linear(SIDE * SIDE, 2), nn.Dropout(0.5)
        self.limit, self.sizes = limit, list[int]()
        self.linear.weight.data = torch.randn(2, SIDE * SIDE, generator=torch.Generator().manual_seed(2))

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > self.limit:
            raise MemoryError
        self.sizes.append(len(images))
        logits: Tensor = self.linear(self.drop(images.flatten(1)))
        return logits


def overlap(first: list[int], second: list[int]) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


def test_patches_have_the_size_and_keep_away_from_what_is_tested() -> None:
    drawn = draw_patches(trial(), shape=(SIDE, SIDE), patches=300, generator=seeded_generator(0))
    assert drawn.partner_boxes is not None and drawn.destinations is not None
    assert drawn.boxes.shape == drawn.partner_boxes.shape == drawn.destinations.shape == (300, 2, 4)
    own = [*BOXES.tolist(), *trial().destinations.tolist()]
    for boxes, tested, kept in ((drawn.boxes, BOXES, own), (drawn.partner_boxes, BOXES.flip(0) + 1, None)):
        for draw in boxes.tolist():
            for (x0, y0, x1, y1), (a0, b0, a1, b1) in zip(draw, tested.tolist(), strict=True):
                assert (x1 - x0, y1 - y0) == (a1 - a0, b1 - b0)
                assert 0 <= x0 and 0 <= y0 and x1 <= SIDE and y1 <= SIDE
                assert not any(overlap([x0, y0, x1, y1], other) for other in kept or tested.tolist())
    assert torch.equal(drawn.destinations[7], trial().destinations)


def test_positions_are_uniform_over_all_that_are_free() -> None:
    tested = Trial(torch.tensor([[1, 1, 3, 3]]))
    free = free_positions((2, 2), tested.boxes, shape=(5, 5))
    by_hand = [[x, y] for y in range(4) for x in range(4) if not overlap([x, y, x + 2, y + 2], [1, 1, 3, 3])]
    assert free.tolist() == by_hand
    drawn = draw_patches(tested, shape=(5, 5), patches=7000, generator=seeded_generator(0)).boxes[:, 0, :2]
    counts = torch.unique(drawn, dim=0, return_counts=True)[1]
    assert len(counts) == 7 and float((counts - 1000).abs().max()) < 150  # 5 standard deviations of 29


def test_draws_are_those_of_the_generator_alone() -> None:
    first, again, other = (
        draw_patches(trial(), shape=(SIDE, SIDE), patches=20, generator=seeded_generator(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first.boxes, again.boxes) and not torch.equal(first.boxes, other.boxes)


@pytest.mark.parametrize("box", [[0, 0, 11, 20], [5, 5, 15, 16]])
def test_box_that_leaves_no_room_is_refused(box: list[int]) -> None:
    with pytest.raises(DataError, match=r"no other patch of 1[01] x (11|20) pixels has room in 20 x 20 beside"):
        draw_patches(Trial(torch.tensor([box])), shape=(SIDE, SIDE), patches=5, generator=seeded_generator(0))


def test_null_is_the_logit_of_images_changed_one_by_one(intervention: Intervention) -> None:
    model, image = Watched(), film()
    drawn = draw_patches(trial(), shape=(SIDE, SIDE), patches=23, generator=seeded_generator(0))
    logits = null_logits(model, image, intervention=intervention, trial=trial(), output=1, draws=drawn, batch_size=10)
    assert model.sizes == [8, 8, 7] and model.training  # dropout was off meanwhile, and is on again
    model.eval()
    expected = []
    for number in range(23):
        parts = (drawn.partner_boxes[number], drawn.destinations[number])
        changed = edit_image(image, intervention, trial=Trial(drawn.boxes[number], film(1), *parts))
        expected.append(float(model(changed[None])[0, 1].detach()))
    assert logits.dtype == torch.float32
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5)


def test_edit_works_through_the_boxes_in_turn(intervention: Intervention) -> None:
    image, partner = film()[None], film(1)[None]
    expected: Any = image
    for number in range(2):
        places = Places(BOXES[[number]], partner, *(part[[number]] for part in trial()[2:]))
        expected = intervention(expected, places)
    assert torch.equal(edit_image(image[0], intervention, trial=trial()), expected[0])


def test_batch_is_halved_when_memory_runs_out() -> None:
    drawn = draw_patches(Trial(BOXES), shape=(SIDE, SIDE), patches=20, generator=seeded_generator(0))
    model, roomy = Watched(limit=3), Watched()
    found = null_logits(model, film(), intervention=MEAN, trial=Trial(BOXES), output=0, draws=drawn, batch_size=10)
    assert model.sizes == [2] * 10
    model.limit = 0
    with pytest.raises(MemoryError):
        null_logits(model, film(), intervention=MEAN, trial=Trial(BOXES), output=0, draws=drawn)
    roomy.load_state_dict(model.state_dict())
    expected = null_logits(roomy, film(), intervention=MEAN, trial=Trial(BOXES), output=0, draws=drawn, batch_size=20)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_batch_size_below_one_is_refused() -> None:
    drawn = draw_patches(Trial(BOXES), shape=(SIDE, SIDE), patches=2, generator=seeded_generator(0))
    with pytest.raises(UsageError, match="the batch size is '0', it must be 1 or more"):
        null_logits(Watched(), film(), intervention=MEAN, trial=Trial(BOXES), output=0, draws=drawn, batch_size=0)
