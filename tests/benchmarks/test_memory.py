"""Peak memory of training against the bare network's, as a ratio of processes of the same run:
``pytest --benchmark-only tests/benchmarks/test_memory.py``.

DenseNet-121 at 224 px, batch 16, fp32 and bf16. Peaks are what the operating system accounts (``ru_maxrss``), of whole
processes, Python and torch included.
"""

import statistics
import subprocess
import sys

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
