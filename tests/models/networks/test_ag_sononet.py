import torch
from torch.nn import functional

from cxrshort.models.networks.ag_sononet import AG_SONONET, AgSononet, AttentionGate
from cxrshort.models.sources.architectures import count_parameters


def test_ag_sononet_has_the_parameters_of_its_table():
    convolutions = [
        *(3, 16, 16, 16, 16, 16),
        *(16, 32, 32, 32, 32, 32),
        *(32, 64, 64, 64, 64, 64),
        *(64, 128, 128, 128),
        *(128, 128, 128, 128),
    ]
    pairs = zip(convolutions[::2], convolutions[1::2], strict=True)
    blocks = sum(9 * before * after + after + 2 * after for before, after in pairs)  # 3x3 with bias, and a norm
    gates = sum(channels * 128 + 128 * 128 + 128 + 1 for channels in (64, 128))
    assert count_parameters(AG_SONONET, 15) == blocks + gates + (64 + 128 + 128 + 1) * 15


def test_attention_is_the_score_above_the_smallest_over_its_sum():
    gate = AttentionGate(4, 8).double()
    maps = torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    coarse = torch.randn(2, 8, 3, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.inference_mode():
        attention, attended = gate.attend(maps, coarse), gate(maps, coarse)
        lifted = functional.interpolate(
            torch.einsum("oc,ncij->noij", gate.phi.weight[..., 0, 0], coarse), (6, 5), mode="bilinear"
        )
        both = torch.relu(torch.einsum("oc,ncij->noij", gate.theta.weight[..., 0, 0], maps) + lifted)
        score = torch.einsum("c,ncij->nij", gate.psi.weight[0, :, 0, 0], both)
        above = score - score.amin(dim=(1, 2), keepdim=True)
        expected = above / above.sum(dim=(1, 2), keepdim=True)
    # 1e-5: the gate adds 1e-6 to the score of each place
    torch.testing.assert_close(attention[:, 0], expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(attended, torch.einsum("nij,ncij->nc", expected, maps), rtol=1e-5, atol=1e-5)


def test_where_all_places_are_alike_attention_is_even():
    attention = AttentionGate(2, 4).attend(torch.ones(1, 2, 4, 4), torch.ones(1, 4, 1, 1))
    # 0.1: the gate adds 1e-6 to scores whose last bit is worth up to 1e-7
    torch.testing.assert_close(attention, torch.full((1, 1, 4, 4), 1 / 16), rtol=0.1, atol=0)


def test_head_takes_both_attended_maps_and_the_last_one():
    network = AgSononet(3).eval()
    seen: list[torch.Tensor] = []
    network.classifier.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    levels: list[torch.Tensor] = []
    for block in network.blocks:
        block.register_forward_hook(lambda module, inputs, output: levels.append(output))
    network(torch.rand(2, 3, 64, 48, generator=torch.Generator().manual_seed(0)))
    assert [level.shape[1:] for level in levels] == [(16, 64, 48), (32, 32, 24), (64, 16, 12), (128, 8, 6), (128, 4, 3)]
    first, second = network.gates[0](levels[2], levels[4]), network.gates[1](levels[3], levels[4])
    expected = torch.cat([first, second, levels[4].mean(dim=(2, 3))], dim=1)
    torch.testing.assert_close(seen[0], expected)
