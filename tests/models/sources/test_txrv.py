from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cxrshort.errors import CxrshortError, DataError, MissingInputError, UsageError
from cxrshort.models.sources.foreign import open_foreign
from cxrshort.models.sources.txrv import OUTPUTS, find_txrv, load_published


@pytest.fixture(scope="module")
def published() -> nn.Module:
    """Return a network as the project releases it: grey, 18 outputs, and the thresholds of its package."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = find_txrv("all").build(18).eval()
    network.register_buffer("op_threshs", torch.zeros(18))
    return network


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder where TorchXRayVision keeps its files, of a user without a network."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / ".torchxrayvision" / "models_data"
    folder.mkdir(parents=True)
    return folder


def images() -> Tensor:
    return torch.rand(2, 1, 224, 224, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("file", "write"),
    [("w.pt", torch.save), ("state.pt", None), ("state.safetensors", save_file)],
    ids=["module", "state_dict", "safetensors"],
)
def test_published_network_is_read_in_every_form(
    published, file: str, write: Callable[..., None] | None, tmp_path: Path
):
    if write is torch.save:
        torch.save(published, tmp_path / file)
    else:
        (write or torch.save)(published.state_dict(), tmp_path / file)
    model, description = open_foreign(f"txrv:all?weights={tmp_path / file}")
    assert model.labels == description.labels == OUTPUTS
    assert (description.kind, description.architecture, description.spec.size) == ("classifier", "txrv:all", 224)
    with torch.inference_mode():
        # their pixels: (2 x - 1) * 1024. 1e-4: fp32 at values of a thousand
        torch.testing.assert_close(model(images()), published((2 * images() - 1) * 1024), rtol=1e-4, atol=1e-4)


def test_images_are_scaled_to_the_range_that_the_network_knows():
    model_spec = find_txrv("nih")
    assert (model_spec.channels, model_spec.input_size) == (1, 224)
    ends = torch.tensor([0.0, 0.5, 1.0])
    assert ((ends - model_spec.mean[0]) / model_spec.std[0]).tolist() == [-1024, 0, 1024]


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("nih", OUTPUTS[:14]),
        ("pc", (*OUTPUTS[:14], "Fracture")),
        (
            "chex",
            ("Atelectasis", "Consolidation", "Pneumothorax", "Edema", "Effusion", "Pneumonia", "Cardiomegaly",
             "Lung Lesion", "Fracture", "Lung Opacity", "Enlarged Cardiomediastinum"),
        ),
        ("rsna", ("Pneumonia", "Lung Opacity")),
    ],
)  # fmt: skip
def test_only_outputs_that_were_trained_are_kept(published, name, labels, tmp_path: Path):
    torch.save(published.state_dict(), tmp_path / "w.pt")
    model, description = load_published(name, file=tmp_path / "w.pt")
    assert model.labels == description.labels == labels
    rows = [OUTPUTS.index(label) for label in labels]
    assert torch.equal(model.network.classifier.weight, published.classifier.weight[rows])
    assert torch.equal(model.network.classifier.bias, published.classifier.bias[rows])


def test_file_that_torchxrayvision_downloaded_is_found(published, home: Path):
    name = "kaggle-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt"
    torch.save(published, home / name)
    assert open_foreign("txrv:rsna")[0].labels == ("Pneumonia", "Lung Opacity")


def refused(text: str) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        open_foreign(text)
    return caught.value


URL = "https://github.com/mlmed/torchxrayvision/releases/download/v1/nih-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt"


def test_missing_file_says_where_it_is_to_be_had(home: Path):
    error = refused("txrv:nih")
    assert isinstance(error, MissingInputError)
    assert error.message == f"'{home / URL.rpartition('/')[2]}' does not exist"
    assert error.hint == f"fetch {URL}, or add download=yes, or weights=FILE to 'txrv:nih'"


def test_download_without_a_network_names_the_way_round(home: Path):
    error = refused("txrv:nih?download=yes")
    assert isinstance(error, MissingInputError)
    assert error.message.startswith("the weights of 'txrv:nih' could not be fetched (")
    assert error.hint == f"fetch {URL} elsewhere and add weights=FILE to 'txrv:nih'"
    assert [*home.iterdir()] == []


def test_unknown_weights_are_refused():
    error = refused("txrv:mimic")
    assert isinstance(error, UsageError)
    assert error.message == "'mimic' is not a known set of torchxrayvision weights"


def test_file_of_another_network_is_refused(published, tmp_path: Path):
    state = published.state_dict()
    torch.save({**state, "features.conv0.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "w.pt")
    error = refused(f"txrv:nih?weights={tmp_path / 'w.pt'}")
    assert isinstance(error, DataError)
    expected = f"'{tmp_path / 'w.pt'}' does not fit txrv:nih: 1 tensors differ, such as 'features.conv0.weight'"
    assert error.message == expected


@pytest.mark.parametrize("change", [{"classifier.bias": torch.zeros(14)}, {"classifier.weight": torch.zeros(())}])
def test_file_with_other_outputs_is_refused(published, change, tmp_path: Path):
    torch.save({**published.state_dict(), **change}, tmp_path / "w.pt")
    error = refused(f"txrv:nih?weights={tmp_path / 'w.pt'}")
    assert isinstance(error, DataError)
    assert error.message == f"'{tmp_path / 'w.pt'}' does not have the 18 outputs of torchxrayvision"
    assert error.hint == "give a file of its v1 release"
