import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrshort.models.classifier import default_spec
from cxrshort.models.networks.covid_net import COVID_NET_LARGE, COVID_NET_SMALL, CovidNet
from cxrshort.models.sources.architectures import count_parameters


@pytest.mark.parametrize(
    ("architecture", "three"), [(COVID_NET_SMALL, 131_741_203), (COVID_NET_LARGE, 134_513_939)], ids=["small", "large"]
)
def test_covid_net_has_the_published_number_of_parameters(architecture, three):
    assert count_parameters(architecture, 3) == three
    assert count_parameters(architecture, 15) == three + 3_084


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_each_part_has_the_published_number_of_parameters():
    with torch.device("meta"):
        network = CovidNet(3, large=True)
    assert count(network.stem) == 9_472
    expected = [(14_160, 117_312), (150_336, 464_000), (595_584, 1_845_504), (2_370_816, 7_361_024)]
    for stage, (first, others), blocks in zip(network.stages, expected, (3, 4, 6, 3), strict=True):
        assert [count(block) for block in stage] == [first] + [others] * (blocks - 1)
    assert [count(skip) for skip in network.skips] == [16_640, 131_584, 525_312, 2_099_200]
    assert [count(layer) for layer in network.classifier if count(layer)] == [102_761_472, 262_400, 771]


def test_covid_net_takes_224_pixels_whatever_the_dataset_has():
    assert default_spec(COVID_NET_SMALL, 64).size == COVID_NET_LARGE.minimum_size == 224


def trunk(network: CovidNet, images: Tensor) -> Tensor:
    """Write the sums of the large network out, block by block; the small one has no skips."""
    pool = functional.max_pool2d
    (a1, a2, a3), (b1, b2, b3, b4), (c1, c2, c3, c4, c5, c6), (d1, d2, d3) = network.stages
    l1, l2, l3, l4 = network.skips if network.skips else (lambda maps: torch.zeros(()),) * 4
    x = pool(torch.relu(network.stem[0](images)), 2)
    s = l1(x)
    p1 = a1(x)
    p2 = a2(p1 + s)
    p3 = a3(p1 + p2 + s)
    t = pool(l2(p1 + p2 + p3 + s), 2) if network.skips else s
    q1 = b1(pool(p1, 2) + pool(p2, 2) + pool(p3, 2) + (pool(s, 2) if network.skips else 0))
    q2 = b2(q1 + t)
    q3 = b3(q1 + q2 + t)
    q4 = b4(q1 + q2 + q3 + t)
    u = pool(l3(q1 + q2 + q3 + q4 + t), 2) if network.skips else t
    r1 = c1(pool(q1, 2) + pool(q2, 2) + pool(q3, 2) + pool(q4, 2) + (pool(t, 2) if network.skips else 0))
    r2 = c2(r1 + u)
    r3 = c3(r1 + r2 + u)
    r4 = c4(r1 + r2 + r3 + u)
    r5 = c5(r1 + r2 + r3 + r4 + u)
    r6 = c6(r1 + r2 + r3 + r4 + r5 + u)
    v = pool(l4(r1 + r2 + r3 + r4 + r5 + r6 + u), 2) if network.skips else u
    pooled = sum(pool(maps, 2) for maps in (r1, r2, r3, r4, r5, r6))  # block 3 once, block 2 once
    w1 = d1(pooled + (pool(u, 2) if network.skips else 0))
    w2 = d2(w1 + v)
    w3 = d3(w1 + w2 + v)
    return w1 + w2 + w3 + v


def test_covid_net_adds_what_the_table_says():
    """Both sizes are tried on one network, since it fills half a gigabyte."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = CovidNet(3, large=True).eval()
    images = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    for skips in (network.skips, nn.ModuleList()):
        network.skips = skips
        with torch.inference_mode():
            logits = network(images)
            expected = network.classifier(trunk(network, images))
        assert logits.shape == (1, 3)
        # 1e-4: sums of up to seven maps in another order
        torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-6)
