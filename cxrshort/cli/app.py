"""The command tree and its error boundary."""

import contextlib
import errno
import functools
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from cxrshort import __version__
from cxrshort.cli import (
    build_dataset,
    cyclegan,
    doctor,
    evaluate,
    explain,
    paths,
    roentmod,
    stats,
    swap_test,
    tea_distill,
    train,
)
from cxrshort.cli.commands import PanelCommand, Root
from cxrshort.cli.groups import make_group
from cxrshort.cli.streams import Checked, Unread, open_closed_streams, silence
from cxrshort.cli.tables import failure, refusal, shortened
from cxrshort.errors import CxrshortError, OutputError, UsageError

INTERRUPTED = 130

app = typer.Typer(
    name="cxrshort",
    cls=Root,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Verbs chain through files: a dataset is a folder, a model a file, a result a table. Start with: cxrshort "
    "build-dataset --dataset phantom-I",
)


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"cxrshort {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Print the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find, measure and remove shortcut learning in chest-radiograph classifiers."""
    del version
    if debug:
        os.environ["CXRSHORT_DEBUG"] = "1"


class _Terminated(KeyboardInterrupt):
    """A signal that asks the process to end, where no verb waits for it: as an interruption by Ctrl-C."""


def boundary(command: Callable[..., None]) -> Callable[..., None]:
    """Turn what a command raises into a message on stderr, a document on stdout with ``--json``, and an exit code."""

    @functools.wraps(command)
    def guarded(*arguments: Any, **options: Any) -> None:
        json = bool(options.get("json"))
        try:
            with _terminable():
                command(*arguments, **options)
                sys.stdout.flush()
        except CxrshortError as error:
            _fail(error, error.message, hint=error.hint, code=error.exit_code, json=json)
        except KeyboardInterrupt as error:
            how = str(error) or "Ctrl-C"
            _fail(
                error,
                f"interrupted ({how})",
                hint="run it again, with --resume where a run has begun",
                code=INTERRUPTED,
                json=json,
            )
        except BrokenPipeError:
            # Whoever read our output has seen enough (| head); Python must not complain again at exit.
            silence(sys.stdout.fileno())
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            shown = _shown(error)
            _fail(error, shown.message, hint=shown.hint, code=shown.exit_code, json=json)

    return guarded


def _shown(error: Exception) -> CxrshortError:
    """Return what to say of an error that nobody raised on purpose."""
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        # A name of a file is given in many places, and wrong in all of them.
        return UsageError(f"'{error.filename}' is longer than a file name may be", "give a shorter one")
    return CxrshortError(f"unexpected {type(error).__name__}: {error}", "cxrshort --debug ... shows where")


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """End a command at SIGTERM and SIGHUP as at Ctrl-C; a signal that is ignored (nohup) stays ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        raise _Terminated(signal.Signals(number).name)

    default_signals = [
        number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL
    ]
    for number in default_signals:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in default_signals:
            signal.signal(number, signal.SIG_DFL)


def _fail(error: BaseException, message: str, *, hint: str, code: int, json: bool) -> NoReturn:
    if os.environ.get("CXRSHORT_DEBUG"):
        traceback.print_exception(error)
    message, hint = shortened(message), shortened(hint)
    refusal(message, hint=hint)
    if json:
        with contextlib.suppress(OutputError):  # main() says so
            failure(message, hint=hint, code=code)
    raise typer.Exit(code) from None


def _add(name: str, command: Callable[..., None], **settings: Any) -> None:
    app.command(name, cls=PanelCommand, **settings)(boundary(command))


_add(
    "build-dataset",
    build_dataset.build_dataset,
    short_help="Build a dataset from public films or your own, or draw a phantom.",
)
_add("train", train.train, short_help="Train a classifier or a segmenter on a dataset.")
_add("evaluate", evaluate.evaluate, short_help="Evaluate models on internal and external test sets.")
_add("explain", explain.explain, short_help="Compute attribution maps, and a shortcut verdict on each region.")
_add(
    "swap-test",
    swap_test.swap_test,
    short_help="Exchange regions between films, and test whether the model relies on them.",
)
app.add_typer(make_group("cyclegan", cyclegan.TEXT, cyclegan.QUESTIONS, wrapper=boundary))
app.add_typer(make_group("roentmod", roentmod.TEXT, roentmod.QUESTIONS, wrapper=boundary))
_add("tea-distill", tea_distill.tea_distill, short_help="Train a student by a teacher's explanations alone.")
_add("paths", paths.paths, short_help="Show where datasets, runs, results and caches are.")
_add("doctor", doctor.doctor, short_help="Check the installation, the machine, models and datasets.")
app.add_typer(make_group("stats", stats.TEXT, stats.QUESTIONS, wrapper=boundary))


def main() -> None:
    """Run the command line."""
    open_closed_streams()
    sys.stdout, sys.stderr = Checked(sys.stdout), Unread(sys.stderr)
    code: Any = 0
    try:
        try:
            app()
        except SystemExit as ended:
            code = ended.code
        sys.stdout.flush()  # help, and the document of an error: what no boundary has seen off
    except BrokenPipeError:
        silence(sys.stdout.fileno())
    except OutputError as error:
        sys.stdout = sys.__stdout__  # by now the null device; Python flushes it once more
        if code != error.exit_code:  # else it was said
            refusal(error.message, hint=error.hint)
        code = code or error.exit_code
    raise SystemExit(code)
