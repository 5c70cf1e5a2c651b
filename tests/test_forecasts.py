import os
from pathlib import Path

import pytest

from cxrshort import forecasts, runs
from cxrshort.errors import OutputError

OCCUPIED = {"reason": "'run' exists already", "hint": "--force overwrites it, --out writes elsewhere"}
BEGUN = {"reason": "'run' holds an unfinished run", "hint": "--resume continues it, --force begins anew"}


@pytest.mark.parametrize(
    ("state", "force", "resume", "fate"),
    [
        ("", False, False, {"fate": "new"}),
        ("", True, False, {"fate": "new"}),
        ("begun", False, False, {"fate": "refused", **BEGUN}),
        ("begun", False, True, {"fate": "resumed"}),
        ("begun", True, False, {"fate": "replaced"}),
        ("begun", False, None, {"fate": "replaced"}),
        ("done", False, False, {"fate": "refused", **OCCUPIED}),
        ("done", False, None, {"fate": "refused", **OCCUPIED}),
        ("done", False, True, {"fate": "complete"}),
        ("done", True, False, {"fate": "replaced"}),
    ],
)
def test_what_is_foreseen_is_what_start_does(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    force: bool,
    resume: bool | None,
    fate: dict[str, str],
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("run")
    if state:
        run = runs.start(folder, "train", arguments={})
        if state == "done":
            run.finish()
    foreseen = forecasts.foresee(folder, "train", force=force, resume=resume)
    assert foreseen == {"folder": "run", "reason": "", "hint": "", **fate}
    if fate["fate"] == "refused":
        with pytest.raises(OutputError) as caught:
            runs.start(folder, "train", arguments={}, force=force, resume=resume)
        assert (caught.value.message, caught.value.hint) == (fate["reason"], fate["hint"])
    elif fate["fate"] != "complete":  # there, a verb asks `runs.finished` first
        runs.start(folder, "train", arguments={}, force=force, resume=resume)


def test_room_is_that_of_the_disk_where_the_folder_will_lie(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    free = disk.f_bavail * disk.f_frsize / 2**20
    # Other processes write to the same disk meanwhile: a gigabyte, of a wrong unit's factor of 1,024.
    assert forecasts.free_disk_mib(tmp_path / "a" / "b") == pytest.approx(free, abs=1024)


def test_peak_memory_counts_what_is_held() -> None:
    before = forecasts.peak_memory_mib()
    held = bytearray(64 * 2**20 + before * 2**20)
    assert forecasts.peak_memory_mib() > before + 32
    del held
