import os
from pathlib import Path

import pytest

from cxrshort import forecasts, runs
from cxrshort.errors import OutputError
from cxrshort.results import Facts, Text

OCCUPIED = {"reason": "'run' exists already", "hint": "--force overwrites it, --out writes elsewhere"}
BEGUN = {"reason": "'run' holds an unfinished run", "hint": "--resume continues it, --force starts over"}


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
        run = runs.start_run(folder, "train", arguments={})
        if state == "done":
            run.finish()
    foreseen = forecasts.preview_folder(folder, "train", force=force, resume=resume)
    assert foreseen == {"folder": "run", "reason": "", "hint": "", **fate}
    if fate["fate"] == "refused":
        with pytest.raises(OutputError) as caught:
            runs.start_run(folder, "train", arguments={}, force=force, resume=resume)
        assert (caught.value.message, caught.value.hint) == (fate["reason"], fate["hint"])
    elif fate["fate"] != "complete":  # there, a verb asks `runs.finished` first
        runs.start_run(folder, "train", arguments={}, force=force, resume=resume)


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


def test_dry_run_says_what_would_be_read_written_and_taken() -> None:
    reads = [f"data/{number}" for number in range(8)]
    outputs = [{"folder": "run", "fate": "resumed", "reason": "", "hint": ""}]
    costs = {"disk_mib": 2.0, "state_mib": 3.0, "disk_free_mib": 2048, "memory_mib": 300, "jobs": 4}
    speed = {"images_per_second": 1200.4, "device": "cpu", "minutes": 30.0}
    result = forecasts.dry_run(
        {"reads": reads, "outputs": outputs, **costs, **speed}, [("epochs", "3"), ("label", "")], notes=["a note"]
    )
    facts, end = result.tables
    assert isinstance(facts, Facts) and isinstance(end, Text)
    assert facts.pairs == [
        ("would read", "data/0"),
        *(("", f"data/{number}") for number in range(1, 6)),
        ("", "and 2 more"),
        ("would write", "run (unfinished; --resume continues it)"),
        ("epochs", "3"),
        ("disk", "5.0 MiB of 2.0 GiB free"),
        ("memory", "300 MiB for each of 4 workers"),
        ("time", "30 minutes, at 1,200 images/s on cpu"),
    ]
    assert end.text == "\nnothing was written"
    assert result.document["schema"] == "cxrshort.plan/1" and result.document["notes"] == ["a note"]


def test_dry_run_ends_with_why_the_run_would_be_refused() -> None:
    outputs = [{"folder": "run", "fate": "refused", **OCCUPIED}]
    result = forecasts.dry_run({"reads": [], "outputs": outputs, "disk_free_mib": 1}, [])
    *_, end = result.tables
    assert isinstance(end, Text)
    assert end.text == (
        "\nas it stands, the run would be refused: 'run' exists already\n"
        "hint: --force overwrites it, --out writes elsewhere"
    )


def test_hours_of_all_runs_are_what_is_waited_for() -> None:
    summary = {"reads": [], "outputs": [], "disk_free_mib": 1, "images_per_second": 10.0, "hours": 2.0}
    for more, text in (({}, "2.0 hours"), ({"hours_of_all_runs": 10.0}, "10.0 hours")):
        facts = forecasts.dry_run({**summary, **more}, []).tables[0]
        assert isinstance(facts, Facts) and dict(facts.pairs)["time"] == f"{text}, at 10 images/s"
