"""Segment, then classify: one model, one file, one score for one image."""

import pytest
import torch
from torch import Tensor, nn

from cxrshort.errors import DataError, UsageError
from cxrshort.models import checkpoint, factory, pipeline
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.people import hash_people

SIZE = 32
SPEC = InputSpec(SIZE)


def part(kind: str, *, seed: int = 0, people: tuple[str, ...] = ()) -> tuple[Classifier, Description]:
    architecture, labels = ("unet-small", ("lungs",)) if kind == "segmenter" else ("small-cnn", ("COVID-19", "Edema"))
    description = Description(
        kind,
        architecture,
        labels,
        SPEC,
        recipe={"task": "masks" if kind == "segmenter" else "multilabel"},
        training_people=hash_people(people),
    )
    return factory.build_model(description, seed=seed).eval(), description


def joined(background: str = "noise", *, threshold: float = 0.5) -> tuple[Classifier, Description]:
    segmenter, classifier = part("segmenter", people=("a", "b")), part("classifier", seed=1, people=("b", "c"))
    model, description = pipeline.join_pipeline(
        segmenter, classifier, background=background, threshold=threshold, size=SIZE
    )
    return model.eval(), description


class LeftHalf(nn.Module):
    """Draw the left half of every image, with a probability of 0.73."""

    def forward(self, images: Tensor) -> Tensor:
        logits = torch.full_like(images[:, :1], -1.0)
        logits[..., : images.shape[-1] // 2] = 1.0
        return logits


def photographs(count: int = 3, size: int = SIZE) -> Tensor:
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("background", ["noise", "black"])
def test_pipeline_is_its_parts_one_after_the_other(background: str) -> None:
    classifier, _ = part("classifier")
    network = pipeline.SegmentedClassifier(LeftHalf(), classifier, background=background, threshold=0.5, spec=SPEC)
    model = Classifier(network, labels=classifier.labels, spec=pipeline.identity_spec(SIZE, channels=3)).eval()
    images = photographs()
    seen = images.repeat(1, 3, 1, 1)
    seen[..., SIZE // 2 :] = network.field[..., SIZE // 2 :]
    with torch.inference_mode():
        torch.testing.assert_close(network.segment(images.expand(-1, 3, -1, -1)), seen, rtol=0, atol=0)
        torch.testing.assert_close(model(images), classifier(seen))
    assert (network.field.std() > 0.2) == (background == "noise")
    assert 0 <= network.field.min() and network.field.max() < 1


def test_threshold_decides_what_is_foreground() -> None:
    images = photographs()
    assert pipeline.outline(LeftHalf(), images, threshold=0.7).float().mean() == 0.5
    assert not pipeline.outline(LeftHalf(), images, threshold=0.75).any()


def test_masks_of_a_smaller_network_are_enlarged() -> None:
    segmenter = Classifier(LeftHalf(), labels=("lungs",), spec=InputSpec(16))
    masks = pipeline.outline(segmenter, photographs(size=64))
    assert masks.shape == (3, 1, 64, 64)
    assert masks[..., :31].all() and not masks[..., 33:].any()


def test_score_of_an_image_does_not_depend_on_the_batch() -> None:
    model, _ = joined()
    images = photographs()
    with torch.inference_mode():
        alone = torch.cat([model(image[None]) for image in images])
        # One image and three take different kernels: equal up to rounding.
        torch.testing.assert_close(model(images), alone, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(model(images), model(images), rtol=0, atol=0)


def test_gradient_stays_in_the_foreground() -> None:
    classifier, _ = part("classifier")
    network = pipeline.SegmentedClassifier(LeftHalf(), classifier, background="noise", threshold=0.5, spec=SPEC)
    images = photographs().requires_grad_()
    network.eval()(images).sum().backward()
    assert images.grad is not None
    assert (images.grad[..., SIZE // 2 :] == 0).all() and (images.grad[..., : SIZE // 2] != 0).any()


def test_segmenter_never_trains() -> None:
    model, _ = joined()
    network = model.train().network
    assert not network.segmenter.training and network.classifier.training


def test_file_holds_both_parts_and_gives_the_same_logits(tmp_path) -> None:
    model, description = joined("black", threshold=0.4)
    checkpoint.save_model(model, tmp_path / "model.safetensors", description=description)
    again, read = factory.load_model(tmp_path / "model.safetensors")
    assert read == description
    assert [piece.kind for piece in read.parts] == ["segmenter", "classifier"]
    assert (read.background, read.threshold, read.labels) == ("black", 0.4, ("COVID-19", "Edema"))
    with torch.inference_mode():
        torch.testing.assert_close(again(photographs()), model(photographs()), rtol=0, atol=0)


def test_pipeline_was_trained_on_the_people_of_both_parts() -> None:
    _, description = joined()
    assert checkpoint.trained_on(description, ["a", "b", "c", "d"]) == 3


def test_equal_pipelines_are_equal_files(tmp_path) -> None:
    for name in ("first", "second"):
        model, description = joined()
        checkpoint.save_model(model, tmp_path / name, description=description)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_parts_of_the_wrong_kind_and_unknown_backgrounds_are_refused() -> None:
    segmenter, classifier = part("segmenter"), part("classifier")
    with pytest.raises(UsageError) as caught:
        pipeline.join_pipeline(classifier, segmenter, background="noise", threshold=0.5, size=SIZE)
    assert caught.value.message == "a model of kind 'classifier' is no segmenter"
    with pytest.raises(UsageError) as caught:
        pipeline.join_pipeline(segmenter, classifier, background="white", threshold=0.5, size=SIZE)
    assert caught.value.message == "'white' is not a known background"


def test_model_refuses_pixels_made_otherwise() -> None:
    description = Description("classifier", "small-cnn", ("Edema",), SPEC, pixels={"fit": "crop", "size": 32})
    checkpoint.check_pixels("m", description, dataset="D", pixels={"fit": "crop", "size": 64})
    with pytest.raises(DataError) as caught:
        checkpoint.check_pixels("m", description, dataset="D", pixels={"fit": "pad"})
    assert caught.value.message == "'m' was trained on images made with fit 'crop', D has fit 'pad'"
