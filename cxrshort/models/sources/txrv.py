"""Published classifiers of TorchXRayVision, from the files that it downloads (Cohen et al. 2022).

``txrv:all`` and the others are DenseNet-121 for one grey channel of 224 pixels in [-1024, 1024]; images stay in [0, 1]
here, and the model scales them. Its logits are the network's own. TorchXRayVision returns probabilities moved so that a
chosen operating point becomes 0.5, an increasing function of these logits, so ranks and AUC are the same.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from cxrshort.errors import DataError, MissingInputError
from cxrshort.models.architecture import Architecture, initialise, load_backbone, read_tensors
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, default_spec
from cxrshort.models.networks.densenet import DenseNet121
from cxrshort.models.sources.foreign import TRAINED_ON, Opened
from cxrshort.models.sources.options import Options
from cxrshort.models.sources.pickled import read_pickled_module
from cxrshort.registry import check_name

FOLDER = Path("~/.torchxrayvision/models_data")
"""Where TorchXRayVision keeps what it has downloaded."""

OUTPUTS = (
    "Atelectasis",
    "Consolidation",
    "Infiltration",
    "Pneumothorax",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Effusion",
    "Pneumonia",
    "Pleural_Thickening",
    "Cardiomegaly",
    "Nodule",
    "Mass",
    "Hernia",
    "Lung Lesion",
    "Fracture",
    "Lung Opacity",
    "Enlarged Cardiomediastinum",
)
_NIH = OUTPUTS[:14]
_CHEXPERT = tuple(
    output
    for output in OUTPUTS
    if output not in {"Infiltration", "Emphysema", "Fibrosis", "Pleural_Thickening", "Nodule", "Mass", "Hernia"}
)
_TRAINED = {
    "all": OUTPUTS,
    "nih": _NIH,
    "pc": (*_NIH, "Fracture"),
    "chex": _CHEXPERT,
    "mimic_nb": _CHEXPERT,
    "mimic_ch": _CHEXPERT,
    "rsna": ("Pneumonia", "Lung Opacity"),
}
"""The outputs that each file was trained for; the others of its 18 mean nothing."""

_RELEASE = "https://github.com/mlmed/torchxrayvision/releases/download/v1/"
_SUFFIX = "-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt"
_STEMS = {"all": "nih-pc-chex-mimic_ch-google-openi-kaggle", "rsna": "kaggle"}


def find_txrv(name: str) -> Architecture:
    """Return the architecture of ``txrv:name``.

    Raises:
        UsageError: there is no such set of weights.
    """
    check_name(_TRAINED, name, kind="set of torchxrayvision weights")
    # 2048 x - 1024 is (x - 1/2) / (1/2048).
    return Architecture(f"txrv:{name}", _build, "classifier", input_size=224, channels=1, mean=(0.5,), std=(1 / 2048,))


def open_txrv(text: str) -> Opened:
    """Return the classifier of ``txrv:NAME``, see :mod:`cxrshort.models.sources.foreign`."""
    options = Options.parse(text, allowed=("weights", "download", TRAINED_ON))
    name = options.name.removeprefix("txrv:")
    return load_published(name, file=options.file("weights"), download=options.flag("download"))


def load_published(name: str, *, file: Path | None = None, download: bool = False) -> tuple[Classifier, Description]:
    """Return a published classifier in eval mode, with the labels it was trained for.

    Args:
        name: ``"all"``, ``"nih"``, ``"pc"``, ``"chex"``, ``"mimic_nb"``, ``"mimic_ch"`` or ``"rsna"``.
        file: its weights, as released or as a state_dict; default: where TorchXRayVision keeps them.
        download: fetch them where they are not there.

    Raises:
        UsageError: there is no such set of weights.
        MissingInputError: the file is not there, or could not be fetched.
        DataError: the file holds something else.
    """
    architecture = find_txrv(name)
    path = file or _cached(name, download=download)
    if not path.is_file():
        raise MissingInputError(
            f"'{path}' does not exist", f"fetch {_url(name)}, or add download=yes, or weights=FILE to 'txrv:{name}'"
        )
    labels = _TRAINED[name]
    network = initialise(architecture, len(labels), weights="none", seed=0)
    state = _trained_rows(_read(path), labels, path=path)
    load_backbone(network, state, architecture=architecture, source=str(path))
    spec = default_spec(architecture, 0)
    return Classifier(network, labels=labels, spec=spec).eval(), Description(
        "classifier", architecture.name, labels, spec
    )


def _build(outputs: int) -> nn.Module:
    network = DenseNet121(outputs)
    network.features.conv0 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(network.features.conv0.weight)
    return network


def _url(name: str) -> str:
    return f"{_RELEASE}{_STEMS.get(name, name)}{_SUFFIX}"


def _cached(name: str, *, download: bool) -> Path:
    url = _url(name)
    path = FOLDER.expanduser() / url.rpartition("/")[2]
    if download and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), progress=False)
        except OSError as error:
            raise MissingInputError(
                f"the weights of 'txrv:{name}' could not be fetched ({error})",
                f"fetch {url} elsewhere and add weights=FILE to 'txrv:{name}'",
            ) from error
    return path


def _read(path: Path) -> dict[str, Tensor]:
    """Return the state in a file: a state_dict, or the whole module that the project released."""
    try:
        state: Mapping[str, Tensor] = read_tensors(path)
    except DataError:
        state = read_pickled_module(path)
    return {name: value for name, value in state.items() if name != "op_threshs"}


def _trained_rows(state: dict[str, Tensor], labels: tuple[str, ...], *, path: Path) -> dict[str, Tensor]:
    """Return the state with only those outputs of the head that were trained."""
    rows = torch.tensor([OUTPUTS.index(label) for label in labels])
    heads = [state.get(f"classifier.{name}") for name in ("weight", "bias")]
    if any(head is None or head.shape[:1] != (len(OUTPUTS),) for head in heads):
        raise DataError(
            f"'{path}' does not have the {len(OUTPUTS)} outputs of torchxrayvision", "give a file of its v1 release"
        )
    return state | {f"classifier.{name}": state[f"classifier.{name}"][rows] for name in ("weight", "bias")}
