"""Pictures appear whole or not at all, and text fits."""

import errno
import warnings
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


@pytest.mark.parametrize(
    "text", ["W" * 50, "i" * 300, "病院" * 20, "sub-S03045_ses-E06165_run-1_bp-chest", "a b " * 30]
)
@pytest.mark.parametrize("size", [style.SMALL, style.LARGE])
def test_fitted_text_is_no_wider_than_asked_and_fills_its_lines(text, size):
    fitted = style.fit(text, width=1.5, size=size, lines=99)
    written = style.place_text(style.new_figure(1, 1), fitted, left=0, top=0, size=size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        width = written.get_window_extent().width / style.DPI
    assert 1.0 < width <= 1.5
    assert fitted.replace("\n", "").replace(" ", "") == text.replace(" ", "")


def test_text_that_needs_more_lines_ends_in_an_ellipsis():
    fitted = style.fit("word " * 50, width=1.5, lines=2)
    assert fitted.count("\n") == 1 and fitted.endswith("…")
    assert style.fit("word", width=1.5) == "word"


def test_titles_take_the_height_of_their_lines():
    (none, no_line), (short, one_line), (long, two_lines) = (
        style.fit_title(text, 4.0) for text in ("", "title", "a title " * 8)
    )
    assert (none, short, long.count("\n")) == ("", "title", 1)
    assert no_line < one_line < two_lines


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1e-6, "+1e−06"),
        (-0.0099, "−0.01"),
        (0.0099, "+0.01"),
        (12.345, "+12.35"),
        (-999.6, "−1,000"),
    ],
)
def test_numbers_have_a_sign_and_enough_digits(value, text):
    assert style.signed(value) == text
