"""The null of random patches against bare forward passes and against a loop of single images, as ratios in one run:
``pytest --benchmark-only tests/benchmarks/test_random_patches.py``.

Times are the processor's, and the allocator is set as every command sets it. A small network of four convolutions at
64 px with 1,000 patches, and ResNet-18 at 224 px with 128, 64 images at a time. The loop is what users write: for each
patch the image is copied and changed in NumPy, made a tensor and scored alone.
"""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cxrshort.compute import keep_freed_memory, seeded_generator
from cxrshort.interventions import INTERVENTIONS
from cxrshort.interventions.contract import Intervention, Places
from cxrshort.interventions.random_patches import Draws, Trial, draw_patches, null_logits
from cxrshort.models import checkpoint, factory
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.registry import load_entry

from .turns import TURNS, in_turns

BATCH = 64


def network(name: str, side: int) -> Classifier:
    torch.manual_seed(0)
    return factory.build_model(checkpoint.Description("classifier", name, ("COVID-19",), InputSpec(side))).eval()


def seconds(work: Callable[[], object]) -> float:
    """Return the processor's time for a work, which neighbours on the machine do not lengthen."""
    start = time.process_time()
    work()
    return time.process_time() - start


def forward(model: nn.Module, image: Tensor, patches: int) -> None:
    """Score a number of images that lie on the device already."""
    images = image.expand(BATCH, -1, -1, -1).contiguous()
    with torch.inference_mode():
        for _ in range(patches // BATCH):
            model(images)
        if patches % BATCH:
            model(images[: patches % BATCH])


def loop(model: nn.Module, image: Tensor, partner: Tensor, draws: Draws) -> list[float]:
    """Score each changed copy alone."""
    logits, pixels, other = [], image.numpy(), partner.numpy()
    for x0, y0, x1, y1 in draws.boxes[:, 0].tolist():
        copy = np.array(pixels)
        copy[:, y0:y1, x0:x1] = other[:, y0:y1, x0:x1]
        with torch.no_grad():
            logits.append(model(torch.from_numpy(copy)[None])[0, 0].item())
    return logits


@pytest.mark.parametrize(("name", "side", "patches"), [("small-cnn", 64, 1000), ("resnet18", 224, 128)])
def test_null_against_bare_forwards_and_single_images(benchmark, capsys, name, side, patches):
    assert keep_freed_memory()
    model = network(name, side)
    image, partner = torch.rand(2, 1, side, side, generator=torch.Generator().manual_seed(0))
    replace: Intervention = load_entry(INTERVENTIONS, "replace", kind="intervention")
    edge = side // 10
    trial = Trial(torch.tensor([[3, 3, 3 + edge, 3 + edge]]), partner)
    draws = draw_patches(trial, shape=(side, side), patches=patches, generator=seeded_generator(0))

    def null() -> Tensor:
        return null_logits(model, image, intervention=replace, trial=trial, output=0, draws=draws, batch_size=BATCH)

    np.testing.assert_allclose(null()[:32], loop(model, image, partner, draws.between(0, 32)), rtol=1e-3, atol=1e-4)
    bare, whole, alone = in_turns(
        lambda: seconds(lambda: forward(model, image, patches)),
        lambda: seconds(null),
        lambda: seconds(lambda: loop(model, image, partner, draws)),
        turns=9 if patches > 500 else TURNS,
    )
    benchmark.pedantic(null, rounds=1)
    benchmark.extra_info.update(against_forward=whole / bare, against_loop=alone / whole)
    composed = statistics.median(seconds(lambda: compose(replace, image, partner, draws)) for _ in range(3))
    with capsys.disabled():
        sys.stderr.write(
            f"\n{name} at {side} px, {patches} patches: null / bare forwards {whole / bare:.3f}, "
            f"loop / null {alone / whole:.1f} (bare {bare:.2f} s, null {whole:.2f} s, loop {alone:.2f} s, "
            f"composing alone {composed:.3f} s)\n"
        )


def compose(intervention: Intervention, image: Tensor, partner: Tensor, draws: Draws) -> None:
    """Compose all changed images without scoring them."""
    for start in range(0, len(draws.boxes), BATCH):
        boxes = draws.boxes[start : start + BATCH, 0]
        intervention(image.expand(len(boxes), -1, -1, -1), Places(boxes, partner.expand(len(boxes), -1, -1, -1)))
