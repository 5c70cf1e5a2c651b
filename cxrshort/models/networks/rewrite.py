"""Changes to a network that leave what it computes as it is."""

from typing import TypeVar

from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def without_inplace(network: Network) -> Network:
    """Make every activation and dropout write to memory of its own, and return the same network.

    Backward hooks, relevance propagation and comparisons of what enters a layer with what leaves it need the values
    that an in-place layer overwrites. Costs one map of memory per layer.

    Args:
        network: changed where it stands; it computes the same numbers as before.

    Example:
        >>> from torch import nn
        >>> without_inplace(nn.Sequential(nn.ReLU(inplace=True)))
        Sequential(
          (0): ReLU()
        )
    """
    for module in network.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    return network
