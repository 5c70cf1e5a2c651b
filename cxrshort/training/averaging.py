"""The exponential moving average of a model's weights, which is validated and kept in their place.

The arithmetic is torch's (``swa_utils``). Its ``AveragedModel`` is not used: it forgets the state that the average
begins with, averages integer counters, and copies a whole module where the weights are enough.
"""

import contextlib
from collections.abc import Iterator, Mapping

from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    """Follow a model that learns: after each step, average = decay * average + (1 - decay) * model.

    The decay of step t (from 0) is min(decay, (1 + t) / (10 + t)), so that the random start does not outlive a short
    run (TensorFlow's ``num_updates`` rule). It is a function of the step, so that a resumed run goes on as an unbroken
    one. Running statistics of batch norm are averaged like weights; counters are copied.

    Args:
        model: on its device; the average begins as its state.
        decay: above 0 and below 1.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self.weights = _copy(model)
        self.decay = decay

    def update(self, model: nn.Module, *, step: int) -> None:
        """Take in the weights after a step of the run, counted from 0."""
        learnt = model.state_dict()
        averaged = [name for name, value in self.weights.items() if value.is_floating_point()]
        decay = min(self.decay, (1 + step) / (10 + step))
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]  # torch gives it no types
        average([self.weights[name] for name in averaged], [learnt[name] for name in averaged], step)
        for name in self.weights.keys() - set(averaged):
            self.weights[name].copy_(learnt[name])

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Continue from a saved average."""
        for name, value in self.weights.items():
            value.copy_(weights[name])

    @contextlib.contextmanager
    def standing_in(self, model: nn.Module) -> Iterator[None]:
        """Put the average in the place of the model's weights while the block runs.

        In the model itself, since what is validated may be a larger model that only shares its parameters.
        """
        learnt = _copy(model)
        model.load_state_dict(self.weights)
        try:
            yield
        finally:
            model.load_state_dict(learnt)


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
