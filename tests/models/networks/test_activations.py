import torch
from torch.overrides import TorchFunctionMode

from cxrshort.models.networks.activations import QuickGELU, quick_gelu


def test_quick_gelu_is_x_times_the_sigmoid_of_a_multiple():
    x = torch.linspace(-3, 3, 13, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(QuickGELU()(x), x / (1 + torch.exp(-1.702 * x)))
    assert torch.autograd.gradcheck(quick_gelu, x)


def test_quick_gelu_is_seen_as_one_function():
    class Watch(TorchFunctionMode):
        seen: list[object] = []

        def __torch_function__(self, func, types, args=(), kwargs=None):
            self.seen.append(func)
            return func(*args, **(kwargs or {}))

    x = torch.tensor([1.0, -2.0])
    with Watch() as watch:
        result = quick_gelu(x)
    assert watch.seen == [quick_gelu]
    assert torch.equal(result, quick_gelu(x))
