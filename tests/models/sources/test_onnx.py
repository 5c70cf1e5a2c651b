import sys
from pathlib import Path

import pytest
import torch

from cxrshort.errors import CxrshortError, DataError, MissingInputError, UsageError
from cxrshort.models.sources.foreign import open_foreign

INPUT = "labels=COVID-19,Edema&range=-1..1"


def refused(text: str) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        open_foreign(text)
    return caught.value


def write(path: Path, shape: list[object], *, kind: str = "FLOAT", over: tuple[int, ...] = (2, 3)) -> Path:
    """Write a network that sums each channel and multiplies by a matrix."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    number = getattr(onnx.TensorProto, kind)
    axes = onnx.helper.make_tensor("axes", onnx.TensorProto.INT64, [len(over)], over)
    matrix = onnx.helper.make_tensor("matrix", number, [3, 2], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("ReduceSum", ["images", "axes"], ["sums"], keepdims=0),
            onnx.helper.make_node("MatMul", ["sums", "matrix"], ["logits"]),
        ],
        "sums",
        [onnx.helper.make_tensor_value_info("images", number, shape)],
        [onnx.helper.make_tensor_value_info("logits", number, [shape[0], 2])],
        [axes, matrix],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def test_missing_onnxruntime_is_refused_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    error = refused(f"model.onnx?{INPUT}")
    assert isinstance(error, UsageError)
    assert error.message == "'model.onnx' needs onnxruntime, which is not installed"
    assert error.hint == "pip install onnxruntime"


def test_missing_file_is_refused():
    pytest.importorskip("onnxruntime")
    error = refused(f"no/model.onnx?{INPUT}")
    assert isinstance(error, MissingInputError)
    assert (error.message, error.hint) == ("'no/model.onnx' does not exist", "give the path of an ONNX file")


def test_file_that_is_no_network_is_refused(tmp_path: Path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "model.onnx").write_bytes(b"text")
    error = refused(f"{tmp_path}/model.onnx?{INPUT}")
    assert isinstance(error, DataError)
    assert error.message.startswith(f"'{tmp_path}/model.onnx' is not an ONNX file that onnxruntime can run (")
    assert error.hint == "export it again"


@pytest.mark.parametrize("batch", ["n", 1, 2, 3])
@pytest.mark.parametrize("kind", ["FLOAT", "FLOAT16"])
def test_onnx_file_scores_images(batch, kind, tmp_path: Path):
    path = write(tmp_path / "model.onnx", [batch, 3, 8, 8], kind=kind)
    model, description = open_foreign(f"{path}?{INPUT}")
    assert (description.architecture, description.spec.size, description.spec.channels) == (str(path), 8, 3)
    images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits = model(images)
    sums = (2 * images - 1).sum(dim=(1, 2, 3))
    expected = torch.stack([sums * (0 + 2 + 4), sums * (1 + 3 + 5)], dim=1)
    tolerance = 1e-4 if kind == "FLOAT" else 0.2  # half precision: 10 bits at values of some tens
    torch.testing.assert_close(logits, expected, rtol=0, atol=tolerance)
    assert logits.dtype == torch.float32


def test_size_that_the_file_leaves_open_is_given(tmp_path: Path):
    path = write(tmp_path / "model.onnx", ["n", 3, "h", "w"])
    assert open_foreign(f"{path}?{INPUT}&size=12")[0].spec.size == 12
    assert refused(f"{path}?{INPUT}").message == f"'{path}' does not say how large its input is"


def test_size_that_contradicts_the_file_is_refused(tmp_path: Path):
    path = write(tmp_path / "model.onnx", ["n", 3, 8, 8])
    error = refused(f"{path}?{INPUT}&size=16")
    assert isinstance(error, UsageError)
    assert (error.message, error.hint) == (f"'size=16' contradicts '{path}', which takes 8", "leave size out")


def test_gradient_of_an_onnx_file_is_refused(tmp_path: Path):
    path = write(tmp_path / "model.onnx", ["n", 3, 8, 8])
    model, _ = open_foreign(f"{path}?{INPUT}")
    with pytest.raises(UsageError) as caught:
        model(torch.rand(1, 1, 8, 8, requires_grad=True))
    assert caught.value.message == f"'{path}' is for scoring: an ONNX file has no gradients"
    assert caught.value.hint == "give the network as py:"


@pytest.mark.parametrize(
    ("shape", "over", "reason"),
    [
        (["n", 8, 8, 3], (1, 2), "takes ['n', 8, 8, 3], not square images (N, C, H, W) of 1 or 3 channels"),
        (["n", 3, 8, 9], (2, 3), "takes ['n', 3, 8, 9], not square images (N, C, H, W) of 1 or 3 channels"),
        (["n", 3, 4, 8, 8], (2, 3, 4), "takes tensor(float) ['n', 3, 4, 8, 8], not one batch of images"),
    ],
)
def test_file_for_something_else_than_images_is_refused(shape, over, reason, tmp_path: Path):
    path = write(tmp_path / "model.onnx", shape, over=over)
    error = refused(f"{path}?{INPUT}")
    assert isinstance(error, DataError)
    assert error.message == f"'{path}' {reason}"
