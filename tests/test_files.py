"""Files appear whole or not at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cxrshort import files
from cxrshort.errors import DataError, OutputError


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_atomic_keeps_the_old_file_and_leaves_nothing_when_the_block_fails(tmp_path):
    path = tmp_path / "file.txt"
    files.write_text(path, "old")
    with pytest.raises(KeyError), files.atomic(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path
        raise KeyError
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["file.txt"]


def test_atomic_gives_the_usual_permissions(tmp_path):
    files.write_text(tmp_path / "file.txt", "text")
    (tmp_path / "usual.txt").touch()
    assert (tmp_path / "file.txt").stat().st_mode == (tmp_path / "usual.txt").stat().st_mode


def test_atomic_refuses_a_folder_as_target(tmp_path):
    (tmp_path / "file.txt").mkdir()
    with pytest.raises(OutputError) as caught:
        files.write_text(tmp_path / "file.txt", "text")
    assert caught.value.message == f"'{tmp_path / 'file.txt'}' cannot be written: is a directory"
    assert names_in(tmp_path) == ["file.txt"]


def test_atomic_survives_a_kill_in_the_middle_of_a_write(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    code = (
        "import sys\nfrom pathlib import Path\nfrom cxrshort import files\n"
        "with files.atomic(Path(sys.argv[1])) as temporary, temporary.open('w') as stream:\n"
        "    stream.write('half')\n    stream.flush()\n    print('writing', flush=True)\n    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "writing\n"
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert names_in(tmp_path) == [f".file.txt.{process.pid}.tmp", "file.txt"]


def test_writing_reports_a_full_disk(tmp_path):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OutputError) as caught, files.writing(tmp_path / "x"), full.open("w") as stream:
        stream.write("text")
    assert caught.value.message == f"'{tmp_path / 'x'}' cannot be written: no space left on device"


def test_atomic_keeps_the_old_file_when_the_disk_is_full(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\nfrom cxrshort import files\n"
        "from cxrshort.errors import OutputError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    files.write_text(Path(sys.argv[1]), 'x' * 5000)\n"
        "except OutputError as error:\n    print(error.message)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.communicate()[0] == f"'{path}' cannot be written: file too large\n"
    assert path.read_text() == "old" and names_in(tmp_path) == ["file.txt"]


def test_writing_passes_other_errors_on(tmp_path):
    with pytest.raises(BrokenPipeError), files.writing(tmp_path):
        raise BrokenPipeError(32, "broken pipe")


def test_escape_gives_text_for_any_name():
    names = ("f\udce9.png", "f\ud800.png", "fé\\x.png")
    assert [files.is_text(name) for name in names] == [False, False, True]
    assert [files.escape(name) for name in names] == ["f\\xe9.png", "f\\ud800.png", "fé\\x.png"]


def test_require_regular_refuses_what_could_be_read_for_ever(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(DataError) as caught:
            files.require_regular(path, hint="write it into a file first")
        assert (caught.value.message, caught.value.hint) == (f"'{path}' is not a file", "write it into a file first")
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("file", ".", "nowhere", "loop", "x" * 300):
        files.require_regular(tmp_path / name)
