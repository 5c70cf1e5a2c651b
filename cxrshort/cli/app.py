"""The command tree and its error boundary."""

import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer

from cxrshort import __version__
from cxrshort.cli import build_dataset, evaluate, later, train
from cxrshort.cli.tables import printable
from cxrshort.errors import CxrshortError

INTERRUPTED = 130

app = typer.Typer(
    name="cxrshort",
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Verbs chain through files: a dataset is a folder, a model a file, a finding a table. Start with: cxrshort "
    "build-dataset --dataset phantom-I",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cxrshort {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find, measure and remove shortcut learning in chest-radiograph classifiers."""
    del version
    if debug:
        os.environ["CXRSHORT_DEBUG"] = "1"


def boundary(command: Callable[..., None]) -> Callable[..., None]:
    """Turn what a command raises into a message on stderr and an exit code."""

    @functools.wraps(command)
    def guarded(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
            sys.stdout.flush()
        except CxrshortError as error:
            _fail(error.message, error.hint, error.exit_code, error)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # Whoever read our output has seen enough (| head); Python must not complain again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            _fail(f"unexpected {type(error).__name__}: {error}", "cxrshort --debug ... shows where", 1, error)

    return guarded


def _fail(message: str, hint: str, code: int, error: BaseException) -> NoReturn:
    if os.environ.get("CXRSHORT_DEBUG"):
        traceback.print_exception(error)
    typer.echo(printable(f"error: {message}"), err=True)
    if hint:
        typer.echo(printable(f"hint: {hint}"), err=True)
    raise typer.Exit(code) from None


app.command("build-dataset")(boundary(build_dataset.build_dataset))
app.command("train")(boundary(train.train))
app.command("evaluate")(boundary(evaluate.evaluate))
for name, summary in later.VERBS.items():
    app.command(name, help=summary, context_settings=later.ANY_ARGUMENTS)(boundary(later.make(name)))


def main() -> None:
    """Run the command line."""
    app()
