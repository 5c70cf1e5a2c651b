"""Attribution against the bare passes that it needs and against Captum, as ratios measured in one run:
``pytest --benchmark-only tests/benchmarks/test_attribution.py``.

DenseNet-121 at 224 px, fp32. Bare passes are those of the same network, over as many images in batches of the same
size, without anything composed or added up. Captum is called as it usually is: with the network as torchvision builds
it, on images of three channels, with all draws in one call, which takes 14 GiB.
"""

import sys
import time
from collections.abc import Callable

import torch
from captum.attr import GradientShap
from torch import Tensor, nn
from torchvision.models import densenet121

from cxrshort.attribution.expected_gradients import EXPECTED_GRADIENTS, ExpectedGradientsSettings
from cxrshort.attribution.occlusion import OCCLUSION, OcclusionSettings
from cxrshort.compute import keep_freed_memory, seeded_generator
from cxrshort.models.classifier import Classifier, InputSpec

from .turns import in_turns

SIZE, SAMPLES, BATCH = 224, 16, 8
CAPTUM_SAMPLES = 100
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
keep_freed_memory()


def model() -> Classifier:
    network = densenet121(num_classes=15).to(DEVICE, memory_format=torch.channels_last)
    return Classifier(network, labels=tuple(map(str, range(15))), spec=InputSpec(SIZE)).to(DEVICE).eval()


def draw(count: int) -> Tensor:
    return torch.rand(count, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).to(DEVICE)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def bare(network: nn.Module, images: Tensor, passes: int, *, backward: bool) -> None:
    for start in range(0, passes, BATCH):
        inputs = images[: min(BATCH, passes - start)].clone().requires_grad_(backward)
        with torch.set_grad_enabled(backward):
            score = network(inputs)[:, 0].sum()
        if backward:
            torch.autograd.grad(score, inputs)


def explain(network: nn.Module, images: Tensor, *, samples: int) -> None:
    EXPECTED_GRADIENTS(
        network,
        images[:1],
        torch.zeros(1, dtype=torch.int64),
        settings=ExpectedGradientsSettings(samples),
        references=draw(samples).flip(2),
        generators=[seeded_generator(0, 0)],
        batch_size=BATCH,
    )


def test_expected_gradients_against_bare_passes(benchmark, capsys):
    network, images = model(), draw(BATCH)
    works = (
        lambda: explain(network, images, samples=SAMPLES),
        lambda: bare(network, images, SAMPLES, backward=True),
    )
    times = in_turns(*(lambda work=work: seconds(work) for work in works))
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info.update(bare=times[0] / times[1])
    with capsys.disabled():
        per_draw = 1000 * times[0] / SAMPLES
        sys.stderr.write(
            f"\nexpected gradients / bare passes: {times[0] / times[1]:.3f} ({per_draw:.0f} ms a draw, {DEVICE})\n"
        )


def test_expected_gradients_against_captum(benchmark, capsys):
    network, images, plain = model(), draw(1), densenet121(num_classes=15).to(DEVICE).eval()
    colour, references = (each.repeat(1, 3, 1, 1) for each in (images, draw(CAPTUM_SAMPLES).flip(2)))
    colour.requires_grad_()

    def captums(samples: int) -> None:
        GradientShap(plain).attribute(colour, references, n_samples=samples, target=0)

    explain(network, images, samples=2)
    captums(2)
    ours = seconds(lambda: explain(network, images, samples=CAPTUM_SAMPLES))
    theirs = seconds(lambda: captums(CAPTUM_SAMPLES))
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info.update(captum=theirs / ours)
    with capsys.disabled():
        sys.stderr.write(
            f"\nCaptum's GradientShap / expected gradients: {theirs / ours:.2f} "
            f"({theirs:.1f} / {ours:.1f} s for {CAPTUM_SAMPLES} draws, {DEVICE})\n"
        )


def test_occlusion_against_bare_forwards(benchmark, capsys):
    network, images, outputs = model(), draw(BATCH), torch.zeros(1, dtype=torch.int64)
    settings = OcclusionSettings(patch=1 / 4, stride=1)
    passes = 17

    def ours():
        OCCLUSION(network, images[:1], outputs, settings=settings, batch_size=BATCH)

    works = (ours, lambda: bare(network, images, passes, backward=False))
    times = in_turns(*(lambda work=work: seconds(work) for work in works))
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info.update(bare=times[0] / times[1])
    with capsys.disabled():
        sys.stderr.write(f"\nocclusion / bare forwards: {times[0] / times[1]:.3f} ({times[0]:.2f} s, {DEVICE})\n")
