"""Options that several verbs share: the output folder, the metadata, how audio is fetched."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lassbench.containers import SUFFIXES as SOUNDS
from lassbench.errors import UsageError

if TYPE_CHECKING:
    from lassbench.benchmark.metadata import MetadataSource
    from lassbench.fetch.planning import FetchOptions
    from lassbench.fetch.runner import FetchSummary
    from lassbench.suites.suite import Suite

Function = TypeVar("Function", bound=Callable[..., Any])


#: A file or folder to read; what is wrong with it the verb says.
PATH = click.Path(path_type=Path)


#: What ends the name of a file and hardly a folder's.
_FILES = SOUNDS | {
    *(".csv", ".tsv", ".xlsx", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".parquet", ".sqlite"),
    *(".html", ".htm", ".md", ".txt", ".log", ".tex", ".pdf", ".png", ".jpg", ".jpeg", ".svg"),
    *(".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".npy", ".npz", ".h5"),
    *(".pt", ".pth", ".ckpt", ".safetensors", ".onnx", ".py", ".ipynb"),
}


def check_folder_name(path: Path) -> None:
    """Refuse a folder to be made that is named like a file.

    Raises
    ------
    UsageError
        If nothing is there yet and the name ends like a file's.
    """
    if path.suffix.lower() in _FILES and not os.path.lexists(path):
        raise UsageError(
            "the output is a folder, and this is a file's name",
            where=path,
            expected=f"a folder, such as {path.with_suffix('')}",
            fix="name a folder; one of this name is used if you make it first",
        )


class OutputPath(click.Path):
    """A place to write to: a folder, or, where ``file`` says so, perhaps a file.

    An address is refused, since ``Path`` would make it a local folder.
    """

    def __init__(self, *, file: bool = False) -> None:
        super().__init__(path_type=Path)
        self.file = file

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """``value`` as a ``Path``.

        Raises
        ------
        UsageError
            If ``value`` is an address such as ``s3://bucket/lass``, or as
            :func:`check_folder_name`.
        """
        if "://" in str(value):
            raise UsageError(
                "the output must be on a disk of this machine",
                got=str(value),
                expected="a path",
                fix="mount the store and name the folder where it is mounted, or write to a "
                "local folder and copy that afterwards, such as with `rclone copy FOLDER REMOTE:`",
            )
        if not str(value).strip():
            raise UsageError("the output has no name", expected="a path", fix="name it")
        if not self.file:
            check_folder_name(Path(value))
        return super().convert(value, param, ctx)


def together(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Adds several options to a command, in their order."""

    def add(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return add


metadata_options = together(
    click.option(
        "--metadata-dir",
        default="",
        metavar="DIR|URL",
        help="A folder with copies of the published files, or a mirror of it.  "
        "Default: fetch them from their publishers, once.",
    ),
    click.option(
        "--unverified-metadata",
        is_flag=True,
        help="Use files whose SHA-256 is unknown or another one; what is made then says so.",
    ),
)


def metadata_source(metadata_dir: str, unverified_metadata: bool) -> MetadataSource:
    """Where :func:`metadata_options` say that the published metadata is."""
    from lassbench.benchmark.metadata import MetadataSource

    return MetadataSource(metadata_dir, verified=not unverified_metadata)


# ---------------------------------------------------------------------------
# How audio is fetched
# ---------------------------------------------------------------------------

_OPTIONS = (
    click.option(
        "--cookies",
        type=PATH,
        help="A Netscape cookie file of an account.  Workers use copies; yours stays as it is.",
    ),
    click.option(
        "--proxy", default="", metavar="URL", help="http://, https:// or socks5:// proxy."
    ),
    click.option(
        "--jobs", type=int, default=2, show_default=True, help="Videos under way at once."
    ),
    click.option(
        "--sleep",
        "sleep_s",
        type=float,
        default=0.0,
        help="Least seconds between two requests.",
    ),
    click.option(
        "--pause",
        "pause_s",
        type=float,
        default=900.0,
        show_default=True,
        help="Seconds of the first pause after a rate limit; each further one is twice as long.",
    ),
    click.option("--keep-source", is_flag=True, help="Keep whole downloads in OUT/sources."),
    click.option("--id-column", default="youtube_id", show_default=True, help="Of --audio tables."),
    click.option("--start-column", default="", help="Of --audio tables; default: none."),
    click.option("--audio-column", default="audio", show_default=True, help="Of --audio tables."),
)


_NAMES = (
    *("cookies", "proxy", "jobs", "rate_per_hour", "sleep_s", "pause_s", "keep_source"),
    *("id_column", "start_column", "audio_column"),
)


quiet_option = click.option(
    "--keep-quiet",
    is_flag=True,
    help="Also take in clips whose peak is below -60 dB of full scale, or whose channels cancel "
    "when they are mixed to one.",
)


def fetch_options(*rate_names: str) -> Callable[[Function], Function]:
    """Add the options of :data:`_OPTIONS`, and the one for the rate under these names."""
    rate = click.option(
        *rate_names,
        "rate_per_hour",
        type=float,
        metavar="CLIPS",
        help="Clips an hour from YouTube; 0 for no limit.  Default: 250, with --cookies 1800.",
    )
    return together(*_OPTIONS, rate)


def take_fetch_options(given: dict[str, Any]) -> dict[str, Any]:
    """Take the values of these options out of ``given``."""
    return {name: given.pop(name) for name in _NAMES}


def first_given(names: Container[str]) -> str:
    """The first of these options that stands on the command line, as it is typed; or ``""``."""
    context = click.get_current_context()
    for one in context.command.params:
        source = context.get_parameter_source(one.name or "")
        if one.name in names and source is click.core.ParameterSource.COMMANDLINE:
            return one.opts[0]
    return ""


def refuse_given(why: str) -> None:
    """Refuse the command if it was given any of the options on how to fetch.

    Raises
    ------
    UsageError
        Naming the first of them.
    """
    if option := first_given(_NAMES):
        raise UsageError(f"{option} says how to fetch, and {why}", fix="leave it out")


def options_from(audio: tuple[str, ...], how: dict[str, Any], **others: Any) -> FetchOptions:
    """A run's options from the sources, these options' values, and what a verb adds.

    Raises
    ------
    UsageError
        If one of them cannot be used.
    """
    from lassbench.fetch import sources
    from lassbench.fetch.planning import FetchOptions
    from lassbench.fetch.youtube import Settings

    cookies, proxy = how.pop("cookies"), how.pop("proxy")
    if cookies is not None:
        _check_cookies(cookies)
    if proxy and "://" not in proxy:
        raise UsageError(
            "--proxy is no address", got=proxy, expected="http://host:port", fix="correct it"
        )
    settings = Settings(
        cookies=str(cookies.resolve()) if cookies else "",
        proxy=proxy,
        keep_source=how["keep_source"],
    )
    columns = {name: how.pop(name) for name in ("id_column", "start_column", "audio_column")}
    return FetchOptions(
        sources=sources.parse(audio, settings=settings, columns=columns),
        cookies=cookies is not None,
        **how,
        **others,
    )


def _check_cookies(path: Path) -> None:
    from yt_dlp.cookies import YoutubeDLCookieJar

    try:
        YoutubeDLCookieJar(str(path)).load()
    except (OSError, ValueError) as error:
        raise UsageError(
            "--cookies cannot be read",
            where=path,
            expected="a cookie file in Netscape's format",
            got=str(error),
            fix="export one from a browser: see yt-dlp's FAQ on cookies",
        ) from error


def named_values(
    texts: Iterable[str], options: Mapping[str, str | None]
) -> tuple[tuple[str, str], ...]:
    """What a system is made with: each ``--arg NAME=VALUE``, and ``options`` of their own.

    Raises
    ------
    UsageError
        If one is not of that form, or a name has two values.
    """
    found = {name: value for name, value in options.items() if value is not None}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or found.get(name, value) != value:
            raise UsageError(
                f"--arg {name} is given twice" if equals and name else "--arg is NAME=VALUE",
                got=text,
                fix="write it once, such as --arg checkpoint=net.pt",
            )
        found[name] = value
    return tuple(sorted(found.items()))


def print_summary(summary: FetchSummary, out: object) -> None:
    """Print how a run ended."""
    states = ", ".join(f"{count} {state}" for state, count in sorted(summary.states.items()))
    click.echo(f"{out}: {summary.total} clips: {states}")
    if summary.flagged:
        click.echo(f"{summary.flagged} are odd: `lassbench fetch {out} --status` lists them")
    if summary.left:
        click.echo(f"{summary.left} are still to be had: run the same command again")


def tell_suite(suite: Suite, notes: Iterable[str] = ()) -> None:
    """Print what was frozen or imported: counts, notes, fingerprint, audit."""
    from lassbench.suites.audit import describe

    made, total = len(suite.mixtures) - len(suite.missing), len(suite.mixtures)
    click.echo(f"{suite.path}: {made} of {total} mixtures, {len(suite.queries)} queries")
    for note in notes:
        click.echo(f"  {note}")
    click.echo(f"fingerprint {suite.fingerprint}")
    lines = describe(suite.audit, len(suite.queries)) if suite.audit else []
    if lines and made < total:
        lines.append(f"silent and identical sources were looked for in {made} mixtures only")
    for line in lines:
        click.echo(f"audit: {line}")
