"""Progress of the checks of maps."""

from cxrshort.attribution.check_progress import CheckProgress
from cxrshort.compute import Compute


def test_batches_are_counted_for_every_process_up_to_the_whole() -> None:
    events = []
    for processes in (1, 2):
        progress = CheckProgress(
            "maps", 9, compute=Compute("cpu", "fp32", 1, processes=processes), report=events.append
        )
        for _ in range(3):
            progress.add(3)
    assert events == [{"event": "maps", "done": done, "of": 9} for done in (3, 6, 9, 6, 9, 9)]
