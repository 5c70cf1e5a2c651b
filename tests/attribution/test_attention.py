"""Relevance of transformers against the same network written out in autograd, with its constants detached."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import VisionTransformer

from cxrshort.attribution.lrp import LRP, explain, relevance
from cxrshort.errors import UsageError
from cxrshort.models.networks.activations import QuickGELU

SIZE, PATCH, WIDTH, HEADS, LABELS = 8, 4, 6, 2, 3


def vit(*, biases: bool = True) -> VisionTransformer:
    """Return a tiny one of two layers in float64 and eval mode, with random norms, tokens and biases, or none."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = VisionTransformer(SIZE, PATCH, 2, HEADS, WIDTH, 8, num_classes=LABELS).double().eval()
        for name, value in network.named_parameters():
            is_bias = "bias" in name or name in ("class_token", "encoder.pos_embedding")
            value.data.copy_(torch.randn(value.shape) * (0.5 * biases if is_bias else 0.7))
    return network


def draw(count: int = 2, *, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def norm(layer: nn.LayerNorm, x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return (
        centred / (centred.var(-1, correction=0, keepdim=True) + layer.eps).sqrt().detach() * layer.weight + layer.bias
    )


def written_out(network: VisionTransformer, images: Tensor) -> Tensor:
    """Return logits whose gradient times the picture is its relevance: factors, deviations and weights detached."""
    x = network.conv_proj(images).flatten(2).transpose(1, 2)
    x = torch.cat([network.class_token.expand(len(x), -1, -1), x], dim=1) + network.encoder.pos_embedding
    for block in network.encoder.layers:
        attention, y = block.self_attention, norm(block.ln_1, x)
        parts = functional.linear(y, attention.in_proj_weight, attention.in_proj_bias).chunk(3, -1)
        q, k, v = (part.view(len(x), -1, HEADS, WIDTH // HEADS).transpose(1, 2) for part in parts)
        weights = torch.softmax(q @ k.transpose(2, 3) / (WIDTH // HEADS) ** 0.5, -1).detach()
        x = x + attention.out_proj((weights @ v).transpose(1, 2).flatten(2))
        hidden = block.mlp[0](norm(block.ln_2, x))
        x = x + block.mlp[3](hidden * (functional.gelu(hidden) / hidden).detach())
    return network.heads(norm(network.encoder.ln, x)[:, 0])


def test_relevance_equals_gradient_times_picture_of_the_network_written_out():
    network, images, outputs = vit(), draw().requires_grad_(), torch.tensor([2, 0])
    logits = written_out(network, images)
    (gradient,) = torch.autograd.grad(logits.gather(1, outputs[:, None]).sum(), images)
    explained = explain(network, images, outputs=outputs)
    torch.testing.assert_close(explained.maps, (images * gradient).detach(), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(explained.logits, network(images).detach(), rtol=1e-9, atol=1e-9)
    ordinary = torch.autograd.grad(network(images).gather(1, outputs[:, None]).sum(), images)[0] * images
    assert (explained.maps - ordinary).abs().sum() > 0.1 * ordinary.abs().sum()


def test_relevance_is_conserved_where_no_bias_absorbs_it():
    network = vit(biases=False)
    explained = explain(network, draw(4))
    torch.testing.assert_close(explained.maps.sum((1, 2, 3)), explained.logits.max(1).values, rtol=1e-8, atol=1e-8)


def test_maps_can_be_differentiated_by_every_parameter():
    """Numerical derivatives of a loss on maps and logits along random directions; constants are learnt through."""
    network, images = vit(), draw()

    def loss() -> Tensor:
        explained = explain(network, images, outputs=torch.tensor([0, 2]), create_graph=True)
        return explained.maps.square().sum() + explained.logits.sum()

    parameters = dict(network.named_parameters())
    gradients = dict(zip(parameters, torch.autograd.grad(loss(), list(parameters.values())), strict=True))
    for number, (name, value) in enumerate(parameters.items()):
        direction = torch.randn(value.shape, generator=torch.Generator().manual_seed(number), dtype=torch.float64)
        ends = []
        for step in (1e-5, -1e-5):
            value.data.add_(direction, alpha=step)
            ends.append(loss().item())
            value.data.add_(direction, alpha=-step)
        numerical = (ends[0] - ends[1]) / 2e-5
        assert (gradients[name] * direction).sum().item() == pytest.approx(numerical, rel=1e-5, abs=1e-5), name


def test_learning_from_logits_of_an_explained_pass_equals_plain_learning():
    plain, explained, images = vit(), vit(), draw()
    plain(images).square().sum().backward()
    explain(explained, images, create_graph=True).logits.square().sum().backward()
    for (name, expected), actual in zip(plain.named_parameters(), explained.parameters(), strict=True):
        torch.testing.assert_close(actual.grad, expected.grad, rtol=1e-8, atol=1e-8, msg=name)


def test_nothing_is_left_behind_and_the_method_of_the_table_explains_it():
    network, images = vit(), draw()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    maps = LRP(network, images, torch.tensor([1, 1]))
    expected = relevance(network, images, outputs=torch.tensor([1, 1])).sum(1)
    torch.testing.assert_close(maps, expected.float())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.training


class Attention(nn.Module):
    """One layer of attention between linear layers, in a way that people write it."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self.style, self.inner, self.head = style, nn.Linear(4, 12, bias=False), nn.Linear(4, 2, bias=False)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = q @ k.transpose(1, 2) / 2
        calls = {
            "fused": lambda: functional.scaled_dot_product_attention(q, k, v),
            "function": lambda: functional.softmax(scores, dim=-1) @ v,
            "method": lambda: torch.matmul(scores.softmax(-1), v),
            "dropout": lambda: torch.bmm(functional.dropout(torch.softmax(scores, 2), 0.5, training=False), v),
        }
        return calls[self.style]()

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.inner(x.flatten(1, 2)).chunk(3, -1)
        return self.head(self.attend(q, k, v).mean(1))


def attention(style: str) -> Attention:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Attention(style).double().eval()


@pytest.mark.parametrize("style", ["fused", "function", "method", "dropout"])
def test_every_way_to_write_attention_gives_the_same_map_and_loses_nothing(style):
    network = attention(style)
    images = torch.rand(2, 3, 2, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    explained = explain(network, images, outputs=torch.tensor([0, 1]))
    torch.testing.assert_close(explained.maps.sum((1, 2, 3)), explained.logits.diagonal())
    torch.testing.assert_close(
        explained.maps, relevance(attention("fused"), images, outputs=torch.tensor([0, 1])), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("options", [{"is_causal": True}, {"scale": 0.1}, {"attn_mask": torch.eye(3) > 0}])
def test_options_of_fused_attention_are_kept(options):
    class Masked(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return functional.scaled_dot_product_attention(x[:, 0], x[:, 1], x[:, 2], **options).sum(1)

    images = torch.rand(2, 3, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(explain(Masked(), images).logits, Masked()(images))


def test_both_factors_of_a_product_pass_on_half_and_a_parameter_leaves_the_whole():
    class Squares(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([[1.0], [3.0]], dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            return ((x[:, 0] * 1.0) @ (x[:, 1] * 1.0) @ self.weight).sum(1)

    images = torch.rand(2, 2, 2, 2, dtype=torch.float64)
    explained = explain(Squares(), images)
    torch.testing.assert_close(explained.maps.sum((1, 2, 3)), explained.logits[:, 0])
    torch.testing.assert_close(explained.maps[:, 0].sum((1, 2)), explained.logits[:, 0] / 2)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_is_its_factor(approximate):
    network = nn.Sequential(nn.Flatten(), nn.GELU(approximate), nn.Linear(4, 1, bias=False)).double()
    images = torch.randn(3, 1, 2, 2, dtype=torch.float64)
    explained = explain(network, images)
    expected = functional.gelu(images, approximate=approximate).flatten(1) * network[2].weight
    torch.testing.assert_close(explained.maps.flatten(1), expected.detach())


def test_quick_gelu_is_its_factor() -> None:
    network = nn.Sequential(nn.Flatten(), QuickGELU(), nn.Linear(4, 1, bias=False)).double()
    images = torch.randn(3, 1, 2, 2, dtype=torch.float64)
    expected = images.flatten(1) * torch.sigmoid(1.702 * images.flatten(1)) * network[2].weight
    torch.testing.assert_close(relevance(network, images).flatten(1), expected.detach())


class UnitLength(nn.Module):
    """A linear layer, its outputs divided by their norm, and another layer, without biases."""

    def __init__(self, order: float) -> None:
        super().__init__()
        self.order, self.inner, self.head = order, nn.Linear(4, 3, bias=False), nn.Linear(3, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(functional.normalize(self.inner(x.flatten(1)), self.order, dim=1))


@pytest.mark.parametrize("order", [1.0, 2.0])
def test_norm_of_an_embedding_is_a_constant_that_learning_goes_through(order: float) -> None:
    network = UnitLength(order).double()
    images = torch.rand(3, 1, 2, 2, dtype=torch.float64)
    explained = explain(network, images, outputs=torch.tensor([0, 1, 0]), create_graph=True)
    inner = network.inner(images.flatten(1))
    rows = network.head.weight[torch.tensor([0, 1, 0])] / inner.norm(order, 1, keepdim=True)
    expected = (rows @ network.inner.weight) * images.flatten(1)
    torch.testing.assert_close(explained.maps.flatten(1), expected)
    torch.testing.assert_close(
        explained.maps.sum((1, 2, 3)), explained.logits.gather(1, torch.tensor([[0], [1], [0]]))[:, 0]
    )
    for actual, wanted in zip(
        torch.autograd.grad(explained.maps.square().sum(), list(network.parameters())),
        torch.autograd.grad(expected.square().sum(), list(network.parameters())),
        strict=True,
    ):
        torch.testing.assert_close(actual, wanted)


def test_convolutional_network_of_gelu_and_layer_norm_is_conserved_too():
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = ConvNeXt([CNBlockConfig(4, 6, 1), CNBlockConfig(6, None, 1)], layer_scale=1.0, num_classes=2)
    network = network.double().eval()
    for name, value in network.named_parameters():
        if "bias" in name:
            value.data.zero_()
    explained = explain(network, torch.rand(2, 3, 16, 16, dtype=torch.float64))
    torch.testing.assert_close(explained.maps.sum((1, 2, 3)), explained.logits.max(1).values, rtol=1e-8, atol=1e-8)


def test_rare_attention_is_refused():
    class Rare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 1, add_bias_kv=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.attention(x[:, 0], x[:, 0], x[:, 0])[0][:, 0]

    with pytest.raises(UsageError, match="and this one has 'multi_head_attention_forward'"):
        relevance(Rare(), torch.rand(2, 1, 2, 4))
