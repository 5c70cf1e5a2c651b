"""InceptionV3's pooled features are torchvision's own, and other files are refused."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import inception_v3

from cxrshort.errors import CxrshortError
from cxrshort.models.embeddings import capture_inputs
from cxrshort.models.inception import open_inception


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, nn.Module]:
    """Return a file of random weights, with the auxiliary branch as published, and the network that has them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = inception_v3(weights=None, init_weights=False, transform_input=False, aux_logits=True).eval()
    path = tmp_path_factory.mktemp("inception") / "inception.safetensors"
    save_file(network.state_dict(), path)
    return path, network


def test_embedding_is_what_torchvision_pools(saved: tuple[Path, nn.Module]) -> None:
    path, network = saved
    classifier, layer = open_inception(path)
    images = torch.rand(1, 1, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode(), capture_inputs([layer]) as inputs:
        classifier(images)
    pooled: list[Tensor] = []
    network.get_submodule("avgpool").register_forward_hook(lambda module, inputs, output: pooled.append(output))
    large = functional.interpolate(images, (299, 299), mode="bilinear", antialias=True).expand(-1, 3, -1, -1)
    with torch.inference_mode():
        network(2 * large - 1)
    assert inputs[layer].shape == (1, 2048) and not classifier.training
    torch.testing.assert_close(inputs[layer], pooled[0].flatten(1), rtol=1e-3, atol=1e-4)


def refusal(path: Path) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        open_inception(path)
    return caught.value


def test_other_files_are_refused(tmp_path: Path) -> None:
    pickled = tmp_path / "inception.pth"
    assert refusal(pickled).message == (f"'{pickled}' is not a .safetensors file: other files of weights may hold code")
    path = tmp_path / "a.safetensors"
    assert refusal(path).message == f"'{path}' does not exist"
    save_file({"fc.weight": torch.zeros(10, 2048)}, path)
    error = refusal(path)
    assert error.message.startswith(f"'{path}' does not fit torchvision's inception_v3: ")
    assert "save_file(torchvision.models.inception_v3" in error.hint
