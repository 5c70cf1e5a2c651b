"""Peak memory of training, explaining and swapping against the bare network's, as ratios of processes of the same run:
``pytest --benchmark-only tests/benchmarks/test_memory.py``.

Training: DenseNet-121 at 224 px, batch 16, fp32 and bf16. Expected gradients: the same network, batch 8, of few and
many draws. Null of random patches: ResNet-18 at 224 px, batch 64. Peaks are what the operating system accounts
(``ru_maxrss``), of whole processes, Python and torch included.
"""

import statistics
import subprocess
import sys

import pytest

from cxrshort.compute import choose_compute
from cxrshort.verbs.build_dataset import build_dataset

from ..cli.console import COMMAND, environment

SIZE, BATCH, TURNS = 224, 16, 3

BARE = f"""
import sys, torch
from torch import nn
from torchvision.models import densenet121
precision = sys.argv[1]
network = densenet121(num_classes=15).to(memory_format=torch.channels_last).train()
optimizer = torch.optim.AdamW(network.parameters(), 1e-3, fused=True)
images = torch.rand({BATCH}, 3, {SIZE}, {SIZE}).to(memory_format=torch.channels_last)
targets = torch.randint(0, 2, ({BATCH}, 15)).float()
for _ in range(4):
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        loss = nn.functional.binary_cross_entropy_with_logits(network(images).float(), targets)
    loss.backward()
    optimizer.step()
"""

PASSES = f"""
import sys, torch
from cxrshort.attribution.expected_gradients import EXPECTED_GRADIENTS, ExpectedGradientsSettings
from cxrshort.compute import choose_compute, seeded_generator
from cxrshort.interventions.random_patches import Trial, draw_patches, null_logits
from cxrshort.interventions.replace import REPLACE
from cxrshort.models import checkpoint, factory
from cxrshort.models.classifier import InputSpec
choose_compute("cpu", precision="fp32")
work, count = sys.argv[1], int(sys.argv[2])
architecture = "densenet121" if "gradients" in work else "resnet18"
model = factory.build_model(checkpoint.Description("classifier", architecture, ("A",), InputSpec({SIZE}))).eval()
draw = lambda count: torch.rand(count, 1, {SIZE}, {SIZE})
if work == "gradients":
    settings, references = ExpectedGradientsSettings(count), draw(count)
    options = dict(settings=settings, references=references, generators=[seeded_generator(0)], batch_size=8)
    EXPECTED_GRADIENTS(model, draw(1), torch.zeros(1, dtype=torch.int64), **options)
elif work == "bare gradients":
    for _ in range(count // 8):
        images = draw(8).requires_grad_()
        torch.autograd.grad(model(images).sum(), images)
elif work == "null":
    trial = Trial(torch.tensor([[3, 3, 25, 25]]), draw(1)[0])
    draws = draw_patches(trial, shape=({SIZE}, {SIZE}), patches=count, generator=seeded_generator(0))
    null_logits(model, draw(1)[0], intervention=REPLACE, trial=trial, output=0, draws=draws, batch_size=64)
else:
    with torch.inference_mode():
        images = draw(64)
        for _ in range(count // 64):
            model(images)
"""

PEAK = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, capture_output=True); "
PEAK += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"


def peak_mib(*command: str, cwd) -> float:
    completed = subprocess.run(
        [sys.executable, "-c", PEAK, *command], cwd=cwd, env=environment(), check=True, capture_output=True, text=True
    )
    return int(completed.stdout) / 1024


def test_peak_memory_of_training_against_the_bare_network(benchmark, capsys, tmp_path):
    build_dataset("phantom-III", out=tmp_path / "data", number_of_images=160, size=SIZE, replicates=1)
    precision = choose_compute("cpu").precision
    train = [*COMMAND, "train", "--dataset", str(tmp_path / "data"), "--arch", "densenet121", "--epochs", "1"]
    train += ["--batch-size", str(BATCH), "--precision", precision, "--device", "cpu", "--force", "--out", "run"]
    pairs = [
        (peak_mib(*train, cwd=tmp_path), peak_mib(sys.executable, "-c", BARE, precision, cwd=tmp_path))
        for _ in range(TURNS)
    ]
    benchmark.pedantic(lambda: None, rounds=1)
    ratio = statistics.median(ours / bare for ours, bare in pairs)
    benchmark.extra_info["peak memory, train / bare network"] = round(ratio, 3)
    with capsys.disabled():
        ours, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
        sys.stderr.write(
            f"\npeak memory, train / bare network: {ratio:.2f} ({ours:.0f} / {bare:.0f} MiB, {precision})\n"
        )


@pytest.mark.parametrize(
    ("work", "counts", "name"),
    [
        ("gradients", (16, 64), "expected gradients"),
        ("null", (128, 512), "null of random patches"),
    ],
)
def test_peak_memory_of_audits_against_bare_passes(benchmark, capsys, tmp_path, work, counts, name):
    peaks = [peak_mib(sys.executable, "-c", PASSES, work, str(count), cwd=tmp_path) for count in counts]
    bare = peak_mib(sys.executable, "-c", PASSES, f"bare {work}", str(counts[0]), cwd=tmp_path)
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info[f"peak memory, {name} / bare passes"] = round(peaks[0] / bare, 3)
    with capsys.disabled():
        few, many = (f"{peak:.0f} MiB for {count} draws" for peak, count in zip(peaks, counts, strict=True))
        sys.stderr.write(
            f"\npeak memory, {name} / bare passes: {peaks[0] / bare:.2f} ({few}, {many}; {bare:.0f} MiB)\n"
        )
