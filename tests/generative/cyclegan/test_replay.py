"""The replay buffer: kept until it is full, then half of the pictures shown are old."""

import torch

from cxrshort.generative.cyclegan.replay import ReplayBuffer


def numbered(*numbers: int) -> torch.Tensor:
    """Return pictures of one pixel."""
    return torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1, 1)


def test_new_pictures_are_shown_until_the_buffer_is_full() -> None:
    buffer, draws = ReplayBuffer(3), torch.Generator().manual_seed(0)
    assert buffer.exchange(numbered(1, 2), draws).flatten().tolist() == [1, 2]
    assert buffer.exchange(numbered(3), draws).flatten().tolist() == [3]
    assert buffer.state().flatten().tolist() == [1, 2, 3]


def test_half_of_the_pictures_are_old_ones_whose_place_the_new_ones_take() -> None:
    buffer, draws = ReplayBuffer(50), torch.Generator().manual_seed(0)
    buffer.exchange(numbered(*range(50)), draws)
    new = new_shown = 0
    for number in range(50, 1050):
        before = set(buffer.state().flatten().tolist())
        shown = buffer.exchange(numbered(number), draws).item()
        after = set(buffer.state().flatten().tolist())
        new += 1
        if shown == number:
            new_shown += 1
            assert after == before
        else:
            assert after == (before - {shown}) | {number}
    assert abs(new_shown / new - 0.5) < 0.05  # three standard deviations of 1,000 draws


def test_buffer_goes_on_from_its_state_and_keeps_its_own_copies() -> None:
    pictures = numbered(1, 2)
    buffer, draws = ReplayBuffer(2), torch.Generator().manual_seed(0)
    buffer.exchange(pictures, draws)
    pictures.zero_()
    again = ReplayBuffer(2, buffer.state())
    assert again.state().flatten().tolist() == [1, 2]
    first, second = (which.exchange(numbered(3, 4, 5), torch.Generator().manual_seed(1)) for which in (buffer, again))
    assert torch.equal(first, second) and torch.equal(buffer.state(), again.state())


def test_capacity_of_nothing_shows_what_comes() -> None:
    buffer = ReplayBuffer(0)
    assert buffer.exchange(numbered(7), torch.Generator()).item() == 7
    assert buffer.state().numel() == 0
