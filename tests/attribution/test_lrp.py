"""LRP against matrix algebra on tiny float64 networks, and on the networks that people use."""

import math
from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import _get_current_function_mode_stack

from cxrshort.attribution.lrp import LRP, LRPSettings, explain, relevance
from cxrshort.errors import UsageError
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.networks.small_cnn import SMALL_CNN

EXACT = 1e-12  # float64, a handful of layers


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seeded(build: Callable[[], nn.Module], *, seed: int = 0) -> nn.Module:
    """Return a network in float64 and eval mode; biases and batch norms hold random numbers too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build().double().eval()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                for value in (module.weight, module.bias, module.running_mean, module.running_var):
                    value.data.copy_(torch.rand(len(value)) + 0.5)
    return network


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 3))


def conv_net(first: int = 4, second: int = 5) -> nn.Module:
    """Return a network whose two convolutions have that many filters."""
    return nn.Sequential(
        nn.Conv2d(2, first, 3, stride=2, padding=1),
        nn.BatchNorm2d(first),
        nn.ReLU(inplace=True),
        nn.Conv2d(first, second, 3, padding=1),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * second, 3),
    )


def matrix(layer: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return W and b of an affine layer by feeding it the unit vectors."""
    size = math.prod(shape)
    with torch.no_grad():
        bias = layer(torch.zeros(1, *shape, dtype=torch.float64)).flatten(1)
        columns = layer(torch.eye(size, dtype=torch.float64).reshape(size, *shape)).flatten(1) - bias
    return columns.numpy().T, bias.numpy()[0]


def epsilon_rule(segments: list[tuple[np.ndarray, np.ndarray]], x: np.ndarray, output: int, eps: float) -> np.ndarray:
    """R_j = a_j sum_k w_jk R_k / (z_k + eps sign z_k) through affine segments and ReLUs; the last is LRP-0."""
    activations, sums = [x], []
    for weight, bias in segments:
        sums.append(weight @ activations[-1] + bias)
        activations.append(np.maximum(sums[-1], 0))
    share = np.zeros_like(sums[-1])
    share[output] = 1.0  # R / z of the explained logit, no eps
    for level in range(len(segments) - 1, -1, -1):
        relevance_below = activations[level] * (segments[level][0].T @ share)
        if level:
            share = relevance_below / (sums[level - 1] + eps * np.where(sums[level - 1] >= 0, 1, -1))
    return relevance_below


def conv_segments(network: nn.Module) -> list[tuple[np.ndarray, np.ndarray]]:
    layers = list(network)
    return [
        matrix(nn.Sequential(*layers[:2]), (2, 8, 8)),
        matrix(layers[3], (4, 4, 4)),
        matrix(nn.Sequential(*layers[5:]), (5, 4, 4)),
    ]


@pytest.mark.parametrize("eps", [1e-3, 1e-2, 1e-1, 1.0])
def test_relevance_of_linear_layers_equals_matrix_algebra(eps: float) -> None:
    network, images, outputs = seeded(mlp), draw(4, 3, 2, 2) - 0.3, torch.tensor([0, 1, 2, 1])
    segments = [matrix(network[value], (network[value].in_features,)) for value in (1, 3, 5)]
    maps = relevance(network, images, outputs=outputs, epsilon=eps)
    for image, actual, output in zip(images, maps, outputs, strict=True):
        expected = epsilon_rule(segments, image.flatten().numpy(), int(output), eps)
        np.testing.assert_allclose(actual.flatten().numpy(), expected, rtol=EXACT, atol=EXACT)


def test_relevance_of_convolutions_and_batch_norm_equals_matrix_algebra_with_an_epsilon_per_image() -> None:
    network, images = seeded(conv_net), draw(3, 2, 8, 8)
    outputs, epsilon = torch.tensor([2, 0, 1]), torch.tensor([1e-3, 1e-2, 0.5], dtype=torch.float64)
    maps = relevance(network, images, outputs=outputs, epsilon=epsilon)
    for number, (output, eps) in enumerate(zip(outputs, epsilon, strict=True)):
        expected = epsilon_rule(conv_segments(network), images[number].flatten().numpy(), int(output), float(eps))
        np.testing.assert_allclose(maps[number].flatten().numpy(), expected, rtol=EXACT, atol=EXACT)


def test_relevance_without_outputs_explains_the_highest_logit() -> None:
    network, images = seeded(mlp), draw(24, 3, 2, 2) * 20 - 10
    highest = network(images).argmax(dim=1)
    assert len(set(highest.tolist())) > 1
    torch.testing.assert_close(relevance(network, images), relevance(network, images, outputs=highest))


@pytest.mark.parametrize("build", [mlp, conv_net])
def test_relevance_at_epsilon_zero_is_gradient_times_input(build: Callable[[], nn.Module]) -> None:
    network = seeded(build)
    images = draw(3, 3, 2, 2) if build is mlp else draw(3, 2, 8, 8)
    x = images.clone().requires_grad_()
    network(x)[:, 1].sum().backward()
    outputs = torch.ones(3, dtype=torch.int64)
    assert x.grad is not None
    for epsilon in (0.0, 1e-13):
        maps = relevance(network, images, outputs=outputs, epsilon=epsilon)
        torch.testing.assert_close(maps, images * x.grad, rtol=1e-9, atol=1e-10)


def test_relevance_is_conserved_where_no_bias_absorbs_it() -> None:
    network, images = seeded(conv_net), draw(5, 2, 8, 8)
    for module in network.modules():
        if getattr(module, "bias", None) is not None:
            module.bias.data.zero_()
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.zero_()
    explained = explain(network, images, epsilon=1e-12)
    torch.testing.assert_close(explained.maps.sum((1, 2, 3)), explained.logits.max(dim=1).values, rtol=1e-9, atol=1e-9)
    larger = relevance(network, images, epsilon=0.1).abs().sum()
    assert larger < explained.maps.abs().sum()


class Functional(nn.Module):
    """The layers of ``conv_net`` with the calls of ReLU that people write: functions, methods, one shared module."""

    def __init__(self, layers: nn.Sequential, style: str) -> None:
        super().__init__()
        self.layers, self.style, self.shared = layers, style, nn.ReLU(inplace=True)

    def rectify(self, x: Tensor) -> Tensor:
        if self.style == "method in place":
            x.relu_()  # the result is dropped: what counts is x
            return x
        calls: dict[str, Callable[[Tensor], Tensor]] = {
            "functional": functional.relu,
            "in place": lambda value: functional.relu(value, inplace=True),
            "torch": torch.relu,
            "torch in place": torch.relu_,
            "method": lambda value: value.relu(),
            "shared": self.shared,
        }
        return calls[self.style](x)

    def forward(self, x: Tensor) -> Tensor:
        x = self.rectify(self.layers[1](self.layers[0](x)))
        return self.layers[7](self.layers[6](self.layers[5](self.rectify(self.layers[3](x)))))


@pytest.mark.parametrize(
    "style", ["functional", "in place", "torch", "torch in place", "method", "method in place", "shared"]
)
def test_every_way_to_write_a_relu_gives_the_same_map(style: str) -> None:
    network, images = seeded(conv_net), draw(3, 2, 8, 8)
    expected = explain(network, images, epsilon=0.05)
    actual = explain(Functional(network, style), images, epsilon=0.05)
    torch.testing.assert_close(actual.maps, expected.maps, rtol=EXACT, atol=EXACT)
    torch.testing.assert_close(actual.logits, network(images), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("build", [lambda: nn.ReLU6(inplace=True), lambda: nn.Hardtanh(0.0, 6.0)])
def test_relu_under_a_ceiling_follows_the_epsilon_rule_by_what_passed_it(build: Callable[[], nn.Module]) -> None:
    """R = a G with a = min(z, 6): G = w a / (z + eps) G', where z is what stood before the ceiling."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(3, 2), build(), nn.Linear(2, 1)).double()
    network[1].weight.data = torch.tensor([[10.0, 0, 2], [0, -4, 1]], dtype=torch.float64)
    network[1].bias.data = torch.tensor([1.0, 0], dtype=torch.float64)
    network[3].weight.data = torch.tensor([[3.0, 5]], dtype=torch.float64)
    x, eps = torch.tensor([1.0, -0.5, 0.5], dtype=torch.float64), 0.25
    z = np.array([10 + 1 + 1, 2 + 0.5])
    share = np.array([3.0, 5]) * np.minimum(z, 6) / (z + eps)
    expected = x.numpy() * (np.array([[10.0, 0, 2], [0, -4, 1]]).T @ share)
    maps = relevance(network, x.view(1, 3, 1, 1), epsilon=eps)
    np.testing.assert_allclose(maps.flatten().numpy(), expected, rtol=EXACT)


@pytest.mark.parametrize("bn", ["eval", "batch-detached", "autograd"])
@pytest.mark.parametrize("epsilon", [0.0, 0.05])
def test_maps_can_be_differentiated_by_the_parameters(bn: str, epsilon: float) -> None:
    """Numerical derivatives of a loss on maps and logits, through every parameter, in eval mode."""
    network, images = seeded(lambda: conv_net(2, 2)), draw(2, 2, 8, 8)
    names = [name for name, _ in network.named_parameters()]

    def loss(*values: Tensor) -> Tensor:
        state = dict(zip(names, values, strict=True))
        call = Called(network, state)
        explained = explain(call, images, outputs=torch.tensor([0, 2]), epsilon=epsilon, bn=bn, create_graph=True)
        return explained.maps.pow(2).sum() + explained.logits.sum()

    values = tuple(parameter.detach().clone().requires_grad_() for parameter in network.parameters())
    # ReLUs have kinks; none lies within 1e-6 of these inputs.
    assert torch.autograd.gradcheck(loss, values, eps=1e-6, atol=1e-6, rtol=1e-5)


class Called(nn.Module):
    """A network called with other parameters than its own."""

    def __init__(self, network: nn.Module, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.network, self.state = network, state

    def forward(self, x: Tensor) -> Tensor:
        return torch.func.functional_call(self.network, self.state, (x,))


def test_final_bias_gets_no_gradient_from_maps_and_hidden_biases_only_through_epsilon() -> None:
    network, images = seeded(mlp), draw(4, 3, 2, 2)
    for epsilon, hidden in ((0.0, False), (0.05, True)):
        network.zero_grad()
        relevance(network, images, epsilon=epsilon, create_graph=True).abs().sum().backward()
        assert network[5].bias.grad is None
        slope = network[1].bias.grad
        assert (slope is not None and float(slope.abs().sum()) > 1e-9) == hidden


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_batch_detached_maps_are_those_of_the_affine_map_with_the_statistics_of_the_batch(mode: str) -> None:
    network, images = seeded(conv_net), draw(6, 2, 8, 8)
    frozen = seeded(conv_net)
    network.train(mode == "train")
    if mode == "train":
        sums = frozen[0](images).detach()
        frozen[1].running_mean.copy_(sums.mean((0, 2, 3)))
        frozen[1].running_var.copy_(sums.var((0, 2, 3), correction=0))
    explained = explain(network, images, epsilon=0.02, bn="batch-detached")
    expected = explain(frozen, images, epsilon=0.02)
    torch.testing.assert_close(explained.maps, expected.maps, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(explained.logits, expected.logits, rtol=1e-10, atol=1e-10)


def test_explaining_in_training_mode_updates_running_statistics_as_training_does_and_eval_leaves_them() -> None:
    images = draw(6, 2, 8, 8)
    plain, detached, untouched = seeded(conv_net).train(), seeded(conv_net).train(), seeded(conv_net).train()
    before = untouched[1].running_mean.clone()
    plain(images)
    explain(detached, images, bn="batch-detached")
    explain(untouched, images, bn="eval")
    torch.testing.assert_close(detached[1].running_mean, plain[1].running_mean)
    torch.testing.assert_close(detached[1].running_var, plain[1].running_var)
    assert torch.equal(untouched[1].running_mean, before)


def test_learning_from_logits_of_an_explained_pass_equals_plain_learning() -> None:
    plain, explained, images = seeded(conv_net).train(), seeded(conv_net).train(), draw(6, 2, 8, 8)
    plain(images).pow(2).sum().backward()
    explain(explained, images, create_graph=True).logits.pow(2).sum().backward()
    for (name, expected), actual in zip(plain.named_parameters(), explained.parameters(), strict=True):
        torch.testing.assert_close(actual.grad, expected.grad, rtol=1e-9, atol=1e-9, msg=name)


def leak(network: nn.Module, images: Tensor, *, bn: str) -> float:
    """Return how far the map of image 0 moves when all others change."""
    others = torch.cat([images[:1], draw(*images[1:].shape, seed=9).to(images)])
    outputs = torch.zeros(len(images), dtype=torch.int64)
    maps = [relevance(network, value, outputs=outputs, bn=bn)[0] for value in (images, others)]
    return float((maps[0] - maps[1]).abs().sum() / maps[0].abs().sum())


def test_no_relevance_leaks_to_other_images_in_eval_mode_or_with_eval_statistics() -> None:
    network, images = seeded(conv_net), draw(5, 2, 8, 8)
    assert leak(network, images, bn="autograd") < EXACT
    network.train()
    assert leak(network, images, bn="eval") < EXACT
    assert leak(network, images, bn="autograd") > 0.01


def received_by_others(network: nn.Module, images: Tensor, *, bn: str) -> float:
    """Return the share of the relevance of image 0's logit that falls on other images."""

    class OnlyFirst(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            logits = network(x)
            return logits * torch.eye(len(x), 1, dtype=x.dtype)

    maps = relevance(OnlyFirst(), images, outputs=torch.zeros(len(images), dtype=torch.int64), bn=bn).abs()
    return float(maps[1:].sum() / maps.sum())


def test_batch_statistics_give_relevance_to_other_images_unless_detached() -> None:
    network, images = seeded(conv_net).train(), draw(5, 2, 8, 8)
    assert received_by_others(network, images, bn="batch-detached") == 0.0
    assert received_by_others(network, images, bn="autograd") > 0.1


def test_box_rule_of_the_first_layer_equals_its_formula() -> None:
    """R_i = sum_j (x_i w_ij - w-_ij) / (sum_i (...) + eps) R_j for pixels in [0, 1], batch norm multiplied in."""
    network, images, eps = seeded(conv_net), draw(3, 2, 8, 8), 0.05
    outputs = torch.tensor([0, 2, 1])
    maps = relevance(network, images, outputs=outputs, epsilon=eps, first_layer="box")
    segments = conv_segments(network)
    for number, output in enumerate(outputs):
        x = images[number].flatten().numpy()
        weight, bias = segments[0]
        hidden = np.maximum(weight @ x + bias, 0)
        above = epsilon_rule(segments[1:], hidden, int(output), eps)
        contribution = weight * x - np.minimum(weight, 0)
        expected = contribution.T @ (above / (contribution.sum(axis=1) + eps))
        np.testing.assert_allclose(maps[number].flatten().numpy(), expected, rtol=1e-10, atol=1e-12)


def test_box_rule_on_a_classifier_is_that_of_its_weights_in_units_of_the_image() -> None:
    """Normalisation is affine: the box [0, 1] of the pixels becomes another box, the relevance stays."""
    spec = InputSpec(size=8, channels=2, mean=(0.4, 0.5), std=(0.2, 0.3))
    inner = seeded(lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 2)))
    model = Classifier(inner, labels=("a", "b"), spec=spec).double()
    images = draw(2, 2, 8, 8)
    merged = seeded(lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 2)))
    std, mean = torch.tensor(spec.std).double().view(1, 2, 1, 1), torch.tensor(spec.mean).double().view(1, 2, 1, 1)
    merged[0].weight.data = inner[0].weight.data / std
    merged[0].bias.data = inner[0].bias.data - (inner[0].weight.data * mean / std).sum((1, 2, 3))
    actual = relevance(model, images, first_layer="box")
    torch.testing.assert_close(actual, relevance(merged, images, first_layer="box"), rtol=1e-6, atol=1e-7)


def test_box_rule_sums_replicated_channels_and_can_be_differentiated() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Classifier(SMALL_CNN.build(2), labels=("a", "b"), spec=InputSpec(size=32))
    maps = relevance(model, draw(2, 1, 32, 32).float(), first_layer="box", create_graph=True)
    assert maps.shape == (2, 1, 32, 32)
    maps.abs().sum().backward()
    gradient = model.network[0].weight.grad
    assert gradient is not None
    assert float(gradient.abs().sum()) > 0


WIDE = ("vgg11", "alexnet")


def stock_network(name: str) -> nn.Module:
    """Return an untrained network; the hidden layers of a wide head, 100 million weights, are narrow."""
    import torchvision

    torch.manual_seed(0)
    if name == "small-cnn":
        return SMALL_CNN.build(3)
    if name not in WIDE:
        return cast(nn.Module, getattr(torchvision.models, name)(num_classes=3))
    with torch.device("meta"):
        network = getattr(torchvision.models, name)(num_classes=3)
    first, *_, last = (place for place, layer in enumerate(network.classifier) if isinstance(layer, nn.Linear))
    for place, layer in enumerate(network.classifier):
        if isinstance(layer, nn.Linear):
            inputs, outputs = layer.in_features if place == first else 64, 3 if place == last else 64
            network.classifier[place] = nn.Linear(inputs, outputs)
    network.to_empty(device="cpu")
    for layer in network.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            layer.reset_parameters()
    return cast(nn.Module, network)


@pytest.mark.parametrize("name", ["densenet121", "resnet18", "vgg11", "alexnet", "mobilenet_v2", "small-cnn"])
def test_stock_networks_run_and_can_be_learnt_from(name: str) -> None:
    small, network = name not in WIDE, stock_network(name)
    images = draw(2, 3, *[32 if small else 64] * 2).float()
    network.eval()
    explained = explain(network, images, create_graph=True)
    torch.testing.assert_close(explained.logits, network(images), rtol=1e-4, atol=1e-5)
    assert explained.maps.shape == images.shape
    assert torch.isfinite(explained.maps).all()
    explained.maps.abs().mean().backward()
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)
    assert len(gradients) > len(list(network.parameters())) // 3


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._backward_hooks) for module in model.modules())


def test_nothing_is_left_behind_after_success_or_error() -> None:
    network, images = seeded(conv_net), draw(2, 2, 8, 8)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    relevance(network, images)
    with pytest.raises(RuntimeError):
        relevance(network, draw(2, 5, 8, 8))
    with pytest.raises(RuntimeError):  # an error in the backward pass
        explain(nn.Sequential(nn.Flatten(), Detached()), images)
    assert _get_current_function_mode_stack() == []
    assert hooks(network) == 0
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not images.requires_grad
    plain = images.clone().requires_grad_()
    network(plain)[:, 0].sum().backward()
    torch.testing.assert_close(
        plain.grad * images, relevance(network, images, outputs=torch.zeros(2, dtype=torch.int64), epsilon=0.0)
    )


class Detached(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach()


def test_two_explanations_with_other_epsilons_do_not_collide() -> None:
    network, images = seeded(conv_net), draw(2, 2, 8, 8)
    alone = [relevance(network, images, epsilon=value) for value in (0.01, 0.5)]
    first = explain(network, images, epsilon=0.01, create_graph=True)
    second = explain(network, images, epsilon=0.5, create_graph=True)
    (first.maps.sum() + second.maps.sum()).backward()
    torch.testing.assert_close(first.maps.detach(), alone[0])
    torch.testing.assert_close(second.maps.detach(), alone[1])


def test_maps_are_computed_in_full_precision_inside_autocast_and_no_grad() -> None:
    network, images = SMALL_CNN.build(2).eval(), draw(2, 3, 32, 32).float()
    expected = relevance(network, images)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        actual = relevance(network, images)
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize(
    ("layer", "word"),
    [
        (nn.ELU(), "elu"),
        (nn.LeakyReLU(0.1), "leaky_relu"),
        (nn.SiLU(), "silu"),
        (nn.Hardtanh(), "hardtanh"),
        (nn.GroupNorm(1, 2), "group_norm"),
        (nn.Sigmoid(), "sigmoid"),
        (nn.Softmax(dim=1), "softmax"),
    ],
)
def test_networks_of_other_units_are_refused(layer: nn.Module, word: str) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 1), layer, nn.Flatten(), nn.Linear(128, 1)).double()
    with pytest.raises(UsageError) as caught:
        relevance(network, draw(1, 1, 8, 8))
    assert (
        caught.value.message == f"'lrp' explains networks of ReLUs and vision transformers, and this one has '{word}'"
    )
    assert caught.value.hint == "choose another method, or an architecture such as densenet121 or resnet18"


def test_softmax_of_outputs_is_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Softmax(dim=-1)).double()
    with pytest.raises(UsageError, match="and this one has 'softmax'"):
        relevance(network, draw(1, 1, 8, 8))


def test_batch_norm_and_relu_are_computed_together_only_where_nothing_stands_between() -> None:
    class Between(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.head = nn.BatchNorm2d(2), nn.Linear(2, 1)

        def forward(self, x: Tensor) -> Tensor:
            sums = self.norm(x)
            sums.mul_(torch.tensor([2.0, -3.0], dtype=x.dtype).view(1, 2, 1, 1))
            return self.head(torch.relu(sums).mean((2, 3)))

    class Apart(Between):
        def forward(self, x: Tensor) -> Tensor:
            sums = self.norm(x) * torch.tensor([2.0, -3.0], dtype=x.dtype).view(1, 2, 1, 1)
            return self.head(torch.relu(sums).mean((2, 3)))

    images = draw(2, 2, 4, 4) - 0.5
    torch.testing.assert_close(relevance(seeded(Between), images), relevance(seeded(Apart), images))


def test_learning_does_not_go_back_to_the_pixels_and_other_convolutions_are_left_to_torch() -> None:
    network, images = seeded(conv_net), draw(2, 2, 8, 8)
    network[3].padding = "same"
    explained = explain(network, images, epsilon=0.05, create_graph=True)
    torch.testing.assert_close(explained.maps.detach(), relevance(seeded(conv_net), images, epsilon=0.05))
    explained.maps.square().sum().backward()
    assert network[0].weight.grad is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": -0.5}, "epsilon '-0.5' must not be below 0"),
        ({"epsilon": torch.rand(3)}, "epsilon has the shape (3,), it must be one number or one per image"),
        ({"bn": "batch"}, "'batch' is not a known rule for batch norm"),
        ({"first_layer": "zb"}, "'zb' is not a known rule for the first layer"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        relevance(seeded(conv_net), draw(2, 2, 8, 8), **options)
    assert caught.value.message == message


def test_box_rule_refuses_networks_that_begin_otherwise_and_images_of_another_size() -> None:
    with pytest.raises(UsageError) as caught:
        relevance(seeded(mlp), draw(2, 3, 2, 2), first_layer="box")
    expected = "the z-B rule needs a network that begins with convolution, batch norm (or none) and ReLU"
    assert caught.value.message == expected
    model = Classifier(SMALL_CNN.build(1), labels=("a",), spec=InputSpec(size=32))
    with pytest.raises(UsageError) as caught:
        relevance(model, draw(1, 1, 48, 48).float(), first_layer="box")
    assert caught.value.message == "the z-B rule needs images of the network's own size, 32 pixels"


@pytest.mark.parametrize("settings", [LRPSettings(), LRPSettings(epsilon=0.3), LRPSettings(first_layer="box")])
def test_method_of_the_table_sums_channels_of_the_relevance_and_hands_on_its_settings(settings: LRPSettings) -> None:
    network, images, outputs = seeded(conv_net), draw(3, 2, 8, 8), torch.tensor([2, 0, 1])
    expected = relevance(
        network, images, outputs=outputs, epsilon=settings.epsilon, first_layer=settings.first_layer
    ).sum(1)
    torch.testing.assert_close(LRP(network, images, outputs, settings=settings), expected.float())
    assert LRPSettings() == LRPSettings(epsilon=0.01, first_layer="epsilon")
