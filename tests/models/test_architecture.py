"""Heads in full precision, seeded starts, and where the weights of a network may start from."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import DenseNet121_Weights, densenet121

from cxrshort.errors import CxrshortError, DataError, MissingInputError, UsageError
from cxrshort.models import ARCHITECTURES
from cxrshort.models.architecture import Architecture, FullPrecisionLinear, initialise, load_backbone
from cxrshort.registry import load_entry

SMALL: Architecture = load_entry(ARCHITECTURES, "small-cnn", kind="architecture")
DENSE: Architecture = load_entry(ARCHITECTURES, "densenet121", kind="architecture")


@pytest.fixture
def state() -> dict[str, Tensor]:
    return initialise(SMALL, 2, weights="none", seed=1).state_dict()


def fails(path: Path | str, architecture: Architecture = SMALL) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        initialise(architecture, 2, weights=str(path), seed=0)
    return caught.value


def equals(network: torch.nn.Module, state: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_full_precision_head_shares_parameters_and_ignores_autocast() -> None:
    layer = nn.Linear(3, 2)
    head = FullPrecisionLinear.like(layer)
    assert head.weight is layer.weight and head.bias is layer.bias
    images = torch.rand(4, 3)
    expected = images @ layer.weight.T + layer.bias
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(images).dtype == torch.bfloat16
        torch.testing.assert_close(head(images), expected)
    with pytest.raises(TypeError, match="ReLU is not a linear layer"):
        FullPrecisionLinear.like(nn.ReLU())


def test_start_is_a_function_of_the_seed_and_leaves_the_generator_alone() -> None:
    before = torch.get_rng_state()
    first, again, other = (
        initialise(SMALL, 2, weights="none", seed=seed).state_dict()["0.weight"] for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "write"),
    [("w.safetensors", save_file), ("w.pt", torch.save), ("w.pth", torch.save)],
)
@pytest.mark.parametrize("prefix", ["", "network."])
def test_weights_come_from_a_file(
    tmp_path: Path, state: dict[str, Tensor], name: str, write: Callable[..., None], prefix: str
) -> None:
    write({prefix + key: value for key, value in state.items()}, tmp_path / name)
    assert equals(initialise(SMALL, 2, weights=str(tmp_path / name), seed=0), state)


def test_head_of_another_size_starts_anew(tmp_path: Path, state: dict[str, Tensor]) -> None:
    save_file(state, tmp_path / "w.safetensors")
    network = initialise(SMALL, 7, weights=str(tmp_path / "w.safetensors"), seed=0)
    fresh = initialise(SMALL, 7, weights="none", seed=0).state_dict()
    assert equals(network, {**state, **{name: fresh[name] for name in fresh if name.startswith(SMALL.head)}})


def test_first_names_of_torchvisions_densenet_are_read(tmp_path: Path) -> None:
    """torchvision's file of 2017 says ``norm.1`` and knows no ``num_batches_tracked``."""
    source = initialise(DENSE, 2, weights="none", seed=4).state_dict()
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)\.", r"\1.\2.", name): value
        for name, value in source.items()
        if not name.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "old.pth")
    assert equals(initialise(DENSE, 2, weights=str(tmp_path / "old.pth"), seed=0), source)


def test_weights_of_another_architecture_are_refused(tmp_path: Path, state: dict[str, Tensor]) -> None:
    save_file(state, tmp_path / "w.safetensors")
    error = fails(tmp_path / "w.safetensors", DENSE)
    assert isinstance(error, DataError)
    pattern = rf"'{tmp_path}/w.safetensors' does not fit densenet121: \d+ tensors differ, such as 'features\..*'"
    assert re.fullmatch(pattern, error.message)
    assert error.hint == "give the --arch that the file was made with"


def test_state_that_lacks_a_tensor_is_refused(state: dict[str, Tensor]) -> None:
    network = initialise(SMALL, 2, weights="none", seed=0)
    state = {**state, "0.weight": torch.zeros(1)}
    del state["3.weight"]
    with pytest.raises(DataError, match=r"'x\.pt' does not fit small-cnn: 2 tensors differ, such as '0\.weight'"):
        load_backbone(network, state, architecture=SMALL, source="x.pt")


def test_tensor_of_another_shape_is_refused(tmp_path: Path, state: dict[str, Tensor]) -> None:
    save_file({**state, "0.weight": torch.zeros(16, 1, 3, 3)}, tmp_path / "w.safetensors")
    error = fails(tmp_path / "w.safetensors")
    assert isinstance(error, DataError)
    assert error.message == f"'{tmp_path}/w.safetensors' does not fit small-cnn: 1 tensors differ, such as '0.weight'"


def test_file_that_is_not_there_is_refused() -> None:
    error = fails("no/such.pt")
    assert isinstance(error, MissingInputError)
    assert (error.message, error.hint) == ("'no/such.pt' does not exist", "--weights takes none, imagenet or a file")


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.pth"])
@pytest.mark.parametrize(
    "content",
    [b"", b"text, not tensors", b"PK\x03\x04 cut short", b"\x80\x02\x8a\xff", b"\x80\x02j\x04:", b"\x80\x04."],
)
def test_file_that_holds_no_weights_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    error = fails(tmp_path / name)
    assert isinstance(error, DataError)
    assert error.message == f"'{tmp_path / name}' is not a file of weights"
    assert error.hint == "give .safetensors, or a state_dict as .pt or .pth"


class Bomb:
    """Unpickles by making a folder, as a malicious model would run its code."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.target),)


def test_pickle_that_runs_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    torch.save({"weight": Bomb(tmp_path / "exploded")}, tmp_path / "bomb.pt")
    error = fails(tmp_path / "bomb.pt")
    assert isinstance(error, DataError)
    assert error.message == f"'{tmp_path / 'bomb.pt'}' is not a file of weights"
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("value", [{"state_dict": {"weight": torch.zeros(1)}}, [1, 2], {"epoch": 3}])
def test_file_that_holds_more_than_a_state_dict_is_refused(tmp_path: Path, value: object) -> None:
    torch.save(value, tmp_path / "w.pt")
    error = fails(tmp_path / "w.pt")
    assert isinstance(error, DataError)
    assert error.message == f"'{tmp_path / 'w.pt'}' holds more than a state_dict"
    assert error.hint == "save model.state_dict() alone"


def test_architecture_without_imagenet_weights_says_so() -> None:
    error = fails("imagenet")
    assert isinstance(error, UsageError)
    assert (error.message, error.hint) == ("'small-cnn' has no ImageNet weights", "--weights none or a file")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder where torch looks for what it has fetched before; no proxy answers, so nothing can be."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.usefixtures("hub")
def test_imagenet_without_a_network_names_the_way_round(capfd: pytest.CaptureFixture[str]) -> None:
    error = fails("imagenet", DENSE)
    assert isinstance(error, MissingInputError)
    assert re.fullmatch(r"the ImageNet weights of 'densenet121' could not be fetched \(.+\)", error.message)
    url = "https://download.pytorch.org/models/densenet121-a639ec97.pth"
    assert error.hint == f"fetch {url} elsewhere and give it as --weights FILE"
    printed = capfd.readouterr()
    assert printed.out == ""  # stdout is for results
    assert "Downloading" in printed.err


def test_imagenet_file_that_was_cut_short_is_refused(hub: Path) -> None:
    (hub / Path(DenseNet121_Weights.IMAGENET1K_V1.url).name).write_bytes(b"text, not tensors")
    error = fails("imagenet", DENSE)
    assert isinstance(error, MissingInputError)
    assert error.message.startswith("the ImageNet weights of 'densenet121' could not be fetched (")


def test_imagenet_takes_what_torch_has_fetched_before(hub: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        published = densenet121(num_classes=1000).state_dict()
    torch.save(published, hub / Path(DenseNet121_Weights.IMAGENET1K_V1.url).name)
    network = initialise(DENSE, 2, weights="imagenet", seed=0).state_dict()
    assert all(torch.equal(network[name], published[name]) for name in network if not name.startswith("classifier"))
    assert network["classifier.weight"].shape == (2, 1024)
