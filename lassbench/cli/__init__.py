"""The ``lassbench`` command: one file a verb, each loaded only when it is used.

A verb parses, calls one function of the package, and prints.  Standard output
carries results, standard error carries progress and messages.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import Any

import click

from lassbench import __version__
from lassbench.errors import LassbenchError, LassbenchWarning, did_you_mean

#: verb -> one line of help.  It stands here so that `lassbench --help` imports none of
#: the verbs' modules, which are named like them.
VERBS: dict[str, str] = {
    "build-dataset": "Build a dataset folder from a corpus.",
    "verify": "Check a dataset folder clip by clip.",
    "select": "Select clips by concept from AudioSet's labels; explain one clip's fate.",
    "verify-manifests": "Rebuild the frozen lists from the metadata and compare.",
    "freeze": "Freeze a test suite of a dataset and export its audio.",
    "suites": "List the suites that can be built, and what of them is here.",
    "import-suite": "Import an evaluation list of others, or of your own, as a suite.",
    "train-baseline": "Train a reference system (lassnet, unet).",
    "import-checkpoint": "Import the authors' released checkpoint.",
    "systems": "List the published systems, and what each needs.",
    "separate": "Run a system over a suite, or over one audio file.",
    "score": "Score a folder of predictions.",
    "compare": "Compare two score files, paired.",
    "inspect": "Draw and export one query's mixture, target and estimate.",
    "leaderboard": "Add entries, check them, build tables and site.",
    "fetch": "Fetch a corpus's audio; show what is done, pending and gone.",
    "merge": "Join fetches of several hosts into one.",
    "push": "Publish a dataset to the Hugging Face Hub.",
    "annotate": "Collect and check five annotators' descriptions.",
    "freeze-sub-test": "Freeze collected descriptions into a suite.",
    "doctor": "Check this machine and say how to mend what is missing.",
    "demo": "Run the whole main job on the synthetic corpus.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order in which the work is done."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module and return its command, named ``command`` there."""
        if cmd_name not in VERBS:
            return None
        command = import_module(f"lassbench.cli.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Like Click's, with the nearest verb named when there is none of that name."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            ctx.fail(f"no such command {args[0]!r}{did_you_mean(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="lassbench")
def root() -> None:
    """A benchmark for language-queried audio source separation.

    Build the data, train the reference systems, score any system's
    predictions, publish tables that others can check.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code (0, 1 failure, 2 usage)."""
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(_SIGNALS[-1]))
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    sys.unraisablehook = _swallowed
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; messages go to standard error."""
    with warnings.catch_warnings():
        show = warnings.showwarning
        warnings.showwarning = lambda message, category, *place, **to: (
            click.echo(f"lassbench: warning: {message}", err=True)
            if issubclass(category, LassbenchWarning)
            else show(message, category, *place, **to)
        )
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        result: Any = root.main(
            args=list(arguments) if arguments is not None else None, standalone_mode=False
        )
        # What was asked to end has not, where something swallowed the interrupt.
        return _interrupted() if _SIGNALS else result if isinstance(result, int) else 0
    except (click.Abort, KeyboardInterrupt):
        return _interrupted()
    except Exception as error:
        # An interrupt inside an extension module or a worker comes out as another exception.
        code = _interrupted() if _SIGNALS else _told(error)
        if code is None:
            raise
        return code


def _told(error: Exception) -> int | None:
    """Tell the user of ``error``, and with which code to exit; ``None`` if it is a bug."""
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, LassbenchError):
        click.echo(f"lassbench: {error}", err=True)
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        # `lassbench ... | head` closed the pipe: nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return None


#: Signals that asked this process to end.
_SIGNALS: list[int] = []


def _interrupt(number: int, frame: FrameType | None) -> None:
    # SIGTERM takes Ctrl-C's way out, so that everything is put away the same.
    _SIGNALS.append(number)
    if _importing(frame):
        _again_soon()
    else:
        raise KeyboardInterrupt


def _importing(frame: FrameType | None) -> bool:
    """Whether a module is being loaded: many try an import and swallow whatever it raises."""
    while frame is not None and frame.f_code is not _run.__code__:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _swallowed(what: Any) -> None:
    # In a destructor or a callback nothing can be raised.
    if isinstance(what.exc_value, KeyboardInterrupt):
        _again_soon()
    else:
        sys.__unraisablehook__(what)


def _again_soon() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.01)


def _interrupted() -> int:
    click.echo("interrupted", err=True)
    return 130
