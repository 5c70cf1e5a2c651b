"""What every masking promises, whichever the table lists."""

import pytest
import torch

from cxrshort.errors import UsageError
from cxrshort.interventions import MASKINGS
from cxrshort.interventions.masking import Masking
from cxrshort.registry import load_entry


@pytest.fixture(params=list(MASKINGS))
def masking(request: pytest.FixtureRequest) -> Masking:
    actual: Masking = load_entry(MASKINGS, request.param, kind="masking")
    return actual


def films(channels: int = 1) -> torch.Tensor:
    return torch.rand(3, channels, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.9 + 0.1


def areas() -> torch.Tensor:
    found = torch.zeros(3, 8, 8, dtype=torch.bool)
    found[0, :3] = found[1, 2:5, 2:7] = True
    return found


@pytest.mark.parametrize("channels", [1, 3])
def test_one_side_is_hidden_and_the_other_stays(masking: Masking, channels: int) -> None:
    images, hidden = films(channels), areas() if masking.inside else ~areas()
    edited = masking(images, areas())
    assert edited.shape == images.shape and edited.dtype == images.dtype
    for number, image in enumerate(images):
        assert torch.equal(edited[number, :, ~hidden[number]], image[:, ~hidden[number]])
        shown = image[:, ~hidden[number]]
        grey = shown.sum(dim=1, keepdim=True) / max(1, shown.shape[1]) if masking.grey else torch.zeros(channels, 1)
        assert float((edited[number, :, hidden[number]] - grey).abs().sum()) < 1e-5


def test_nothing_of_what_is_hidden_shows_through(masking: Masking) -> None:
    images, brighter = films(), films()
    brighter[(areas() if masking.inside else ~areas())[:, None]] = 1.0
    assert torch.equal(masking(images, areas()), masking(brighter, areas()))


def test_sham_changes_nothing(masking: Masking) -> None:
    nothing = torch.full((3, 8, 8), not masking.inside)
    assert torch.equal(masking(films(), nothing), films())


def test_name_in_the_table_is_its_own(masking: Masking) -> None:
    assert load_entry(MASKINGS, masking.name, kind="masking") is masking


def test_areas_that_do_not_fit_are_refused(masking: Masking) -> None:
    with pytest.raises(UsageError, match=r"areas of shape \(2, 8, 8\) and type torch.bool do not fit the images"):
        masking(films(), areas()[:2])
    with pytest.raises(UsageError, match="type torch.float32 do not fit"):
        masking(films(), areas().float())
