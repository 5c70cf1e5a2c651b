"""Networks in ONNX files, for scoring: they have no gradients."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.models.sources.foreign import INPUT, TRAINED_ON, Opened, wrap_network
from cxrshort.models.sources.options import Options

_TYPES = {"tensor(float)": torch.float32, "tensor(float16)": torch.float16}


def open_onnx(text: str) -> Opened:
    """Return the classifier of ``FILE.onnx?labels=A,B&range=0..1``, see :mod:`cxrshort.models.sources.foreign`."""
    options = Options.parse(text, allowed=(*INPUT, TRAINED_ON))
    labels = options.labels()
    path = Path(options.name).expanduser()
    network = OnnxNetwork(path)
    spec = options.spec(size=network.size, channels=network.channels)
    return wrap_network(network, options, labels=labels, spec=spec, file=path)


class OnnxNetwork(nn.Module):
    """Run an ONNX file on the CPU, through onnxruntime, with as many threads as torch has.

    Args:
        path: the file; one input (N, C, H, W), the first output is (N, L).

    Raises:
        UsageError: onnxruntime is not installed.
        MissingInputError: there is no such file.
        DataError: the file is no ONNX network of images.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._session = _open(path)
        inputs = self._session.get_inputs()
        shape = list(inputs[0].shape)
        if len(inputs) != 1 or len(shape) != 4 or inputs[0].type not in _TYPES:
            input_list = ", ".join(f"{tensor.type} {list(tensor.shape)}" for tensor in inputs)
            raise DataError(
                f"'{path}' takes {input_list}, not one batch of images", "export it with one input (N, C, H, W)"
            )
        self._input, self._dtype = inputs[0].name, _TYPES[inputs[0].type]
        # A name or None stands for what may vary.
        self.batch, self.channels, height, width = (length if isinstance(length, int) else None for length in shape)
        if height != width or self.channels not in (None, 1, 3):
            raise DataError(
                f"'{path}' takes {shape}, not square images (N, C, H, W) of 1 or 3 channels", "export it so"
            )
        self.size = height

    def forward(self, images: Tensor) -> Tensor:
        """Return what the network returns for normalised images (N, C, H, W), in fp32.

        Raises:
            UsageError: a gradient is asked for.
        """
        if torch.is_grad_enabled() and images.requires_grad:
            raise UsageError(f"'{self.path}' is for scoring: an ONNX file has no gradients", "give the network as py:")
        parts = [self._run(part) for part in torch.split(images.detach(), self.batch or max(1, len(images)))]
        return torch.cat(parts).to(images.device)

    def _run(self, images: Tensor) -> Tensor:
        absent = (self.batch or len(images)) - len(images)  # a file for a fixed batch takes no smaller one
        padded = torch.cat([images, images.new_zeros(absent, *images.shape[1:])]) if absent else images
        array = padded.to("cpu", self._dtype).contiguous().numpy()
        outputs = self._session.run(None, {self._input: array})
        return torch.from_numpy(outputs[0])[: len(images)].float()


def _open(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UsageError(f"'{path}' needs onnxruntime, which is not installed", "pip install onnxruntime") from error
    if not path.is_file():
        raise MissingInputError(f"'{path}' does not exist", "give the path of an ONNX file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no other ancestor
        raise DataError(
            f"'{path}' is not an ONNX file that onnxruntime can run ({error})", "export it again"
        ) from error
