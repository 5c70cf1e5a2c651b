"""Pictures appear whole or not at all."""

import errno
from pathlib import Path

import pytest

from cxrshort.errors import OutputError
from cxrshort.figures import style


def test_a_full_disk_leaves_the_earlier_picture_and_one_clear_error(tmp_path, monkeypatch):
    path = tmp_path / "roc.png"
    style.save_figure(style.new_figure(2.0, 1.0), path)
    before = path.read_bytes()

    def fill_up(self, data):
        with self.open("wb") as stream:
            stream.write(bytes(data)[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.raises(OutputError) as caught:
        style.save_figure(style.new_figure(2.0, 1.0), path)
    assert caught.value.message == f"'{path}' cannot be written: no space left on device"
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["roc.png"]


def test_a_picture_is_a_function_of_what_it_shows(tmp_path):
    first, second = (
        style.save_figure(style.new_figure(2.0, 1.0), tmp_path / name).read_bytes() for name in ("a.png", "b.png")
    )
    assert first == second
    assert first.startswith(b"\x89PNG")


def test_names_in_any_script_are_drawn_without_a_warning(tmp_path):
    figure = style.new_figure(2.0, 1.0)
    for top, text in enumerate(("\x1b[31m", "病院", "\u202e")):
        style.place_text(figure, text, left=0.1, top=0.3 * top)
    assert style.save_figure(figure, tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
