"""``lassbench annotate``: serve the page, hand out links, report, import, export."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lassbench.cli.options import PATH, OutputPath, together

if TYPE_CHECKING:
    from lassbench.annotate.store import Store
    from lassbench.dataset import Dataset

_PORT = 8017

dataset_argument = click.argument("dataset", type=PATH)
store_option = click.option(
    "--store",
    type=PATH,
    help="The store of descriptions.  Default: DATASET/annotations/descriptions.sqlite.",
)
url_option = click.option(
    "--public-url", default="", help="How browsers reach the server, for links and cookies."
)
days_option = click.option(
    "--days", default=30.0, show_default=True, help="How long a link is good for."
)
#: What a new store is planned by, under the names that ``plan_campaign`` has for it.
plan_options = together(
    click.option("--clips-per-concept", default=5, show_default=True, help="Clips to describe."),
    click.option("--annotators", default=5, show_default=True, help="How many people describe."),
    click.option("--noises", default=5, show_default=True, help="Mixtures a clip."),
    click.option(
        "--language", default="en", show_default=True, help="de, en, es, fr, it, nl or pt."
    ),
)


def store_path(dataset: Path, store: Path | None) -> Path:
    """Where the store of a dataset is."""
    return store or dataset / "annotations" / "descriptions.sqlite"


@contextmanager
def opened(dataset: Path, store: Path | None) -> Iterator[tuple[Store, Dataset]]:
    """The store and dataset of a command; they must belong together."""
    from lassbench.annotate.store import Store
    from lassbench.dataset import open_dataset
    from lassbench.errors import LassbenchError

    data = open_dataset(dataset)
    campaign_store = Store(store_path(dataset, store))
    try:
        if campaign_store.campaign.dataset_fingerprint != data.fingerprint:
            raise LassbenchError(
                "the descriptions were collected with another dataset, or another build of it",
                where=campaign_store.path,
                expected=f"fingerprint {campaign_store.campaign.dataset_fingerprint}",
                got=data.fingerprint,
                fix="name that dataset, or collect with --store elsewhere",
            )
        yield campaign_store, data
    finally:
        campaign_store.close()


@click.group(name="annotate")
def command() -> None:
    """Collect and check annotators' descriptions of test clips.

    Begin with `serve`: it chooses the clips, makes the links and opens the page.
    `lassbench freeze-sub-test` makes the suite when everybody has finished.
    """


@command.command()
@dataset_argument
@store_option
@plan_options
@click.option("--seed", default=0, show_default=True, help="Of the annotators' orders.")
@click.option("--guidelines", type=PATH, help="A text file of your own.")
@click.option("--consent", type=PATH, help="A text file of your own.")
@days_option
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=_PORT, show_default=True, help="0 takes a free one.")
@click.option("--allow-network", is_flag=True, help="Let other machines reach --host.")
@url_option
def serve(
    dataset: Path,
    store: Path | None,
    guidelines: Path | None,
    consent: Path | None,
    days: float,
    host: str,
    port: int,
    allow_network: bool,
    public_url: str,
    **plan: Any,
) -> None:
    """Serve the annotators' and the coordinator's pages of DATASET.

    The first time, the clips are chosen, the store is made, and everybody's link
    is printed, once.  For a benchmark's own sub-test (LASS-2022) its frozen list
    decides, and the numbers of clips, annotators and noises are its own.
    """
    from lassbench.annotate import server
    from lassbench.annotate.campaign import plan_campaign
    from lassbench.annotate.store import Store
    from lassbench.dataset import open_dataset
    from lassbench.files import read_text

    public = server.check_place(host, allow_network=allow_network, public_url=public_url)
    path = store_path(dataset, store)
    is_new = not path.exists()
    if is_new:
        campaign = plan_campaign(
            open_dataset(dataset),
            guidelines=read_text(guidelines) if guidelines else "",
            consent=read_text(consent) if consent else "",
            **plan,
        )
    with server.bind(host, port) as listening:
        if is_new:
            Store.create(path, campaign).close()
        with opened(dataset, store) as (found, data):
            _serve(found, data, listening.getsockname()[1], host, public, days if is_new else None)
            app = server.application(
                found,
                data,
                hosts=(*server.LOCAL, *server.host_names(host, public)),
                secure=public.startswith("https://"),
            )
            server.run(app, listening)


def _serve(
    store: Store, data: Dataset, port: int, host: str, public: str, days: float | None
) -> None:
    """Print what the coordinator has to know; make the links of a new store."""
    from lassbench.annotate import server

    shown = f"[{host}]" if ":" in host else host
    base = public or f"http://{shown}:{port}"
    campaign = store.campaign
    click.echo(
        f"{campaign.name}: {len(campaign.clips)} clips, {len(campaign.annotators)} annotators, "
        f"{data.name}"
    )
    if campaign.absent:
        click.echo(f"{len(campaign.absent)} clips of the list are not in this dataset", err=True)
    if not server.is_local(host) and not public.startswith("https://"):
        click.echo(
            "warning: without TLS everybody on the way can read links, cookies and words; put a "
            "TLS proxy before this server and name its address with --public-url",
            err=True,
        )
    if days is not None:
        _print_links(store, [*campaign.annotators, "coordinator"], base, days)
    else:
        click.echo("links were printed when they were made; `annotate invite` makes new ones")
    click.echo(f"serving on {base} (Ctrl-C stops; everything is saved as it is typed)")


def _print_links(store: Store, people: list[str], base: str, days: float) -> None:
    from lassbench.annotate import access

    click.echo(f"links, good for {days:g} days; each is shown this once:")
    for who in people:
        click.echo(f"  {who}  {base}/enter/{access.issue(store, who, days=days)}")


@command.command()
@dataset_argument
@store_option
@click.argument("who", nargs=-1)
@click.option("--revoke", is_flag=True, help="Make every link of WHO invalid, and make no new one.")
@click.option("--list", "list_only", is_flag=True, help="List the links, without their secrets.")
@days_option
@url_option
def invite(
    dataset: Path,
    store: Path | None,
    who: tuple[str, ...],
    revoke: bool,
    list_only: bool,
    days: float,
    public_url: str,
) -> None:
    """Replace the links of WHO (a1 ... or coordinator), revoke or list links.

    A new link makes the old ones of the same person invalid.  What they wrote
    stays.
    """
    from lassbench.annotate import access, server
    from lassbench.annotate.exchange import iso
    from lassbench.errors import UsageError

    base = server.check_place("localhost", allow_network=False, public_url=public_url)
    with opened(dataset, store) as (found, _):
        if list_only:
            for link in access.links(found):
                click.echo(
                    f"{link.who}  {link.state}  {iso(link.made_at)} to {iso(link.expires_at)}"
                )
            return
        if not who:
            raise UsageError("say for whom", expected="a1 ... or coordinator, or --list")
        for one in who:
            gone = access.revoke(found, one)
            click.echo(f"{one}: {gone} links revoked")
        if not revoke:
            _print_links(found, list(who), base or f"http://127.0.0.1:{_PORT}", days)


@command.command()
@dataset_argument
@click.argument("annotator")
@store_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(dataset: Path, annotator: str, store: Path | None, yes: bool) -> None:
    """Delete everything that ANNOTATOR wrote, with its history, and revoke the links.

    For people who withdraw.  Nothing brings it back.
    """
    from lassbench.annotate import access
    from lassbench.errors import UsageError

    with opened(dataset, store) as (found, _):
        if access.role_of(found, annotator)[0] != "annotator":
            raise UsageError(
                "the coordinator writes no descriptions",
                expected=f"one of {', '.join(found.campaign.annotators)}",
                fix="to revoke the coordinator's links: `annotate invite --revoke`",
            )
        if not yes:
            click.confirm(f"delete everything that {annotator} wrote?", abort=True)
        # First the links, so that an open page writes nothing after the deletion.
        links = access.revoke(found, annotator)
        drafts = found.forget(annotator)
    click.echo(f"{annotator}: {drafts} drafts deleted, {links} links revoked")


@command.command()
@dataset_argument
@store_option
@click.option("-o", "--out", type=OutputPath(file=True), help="Default: standard output.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "json", "list"]),
    default="csv",
    show_default=True,
    help="list: the rows of the benchmark's sub-test list.",
)
def export(dataset: Path, store: Path | None, out: Path | None, kind: str) -> None:
    """Write what was collected as CSV, JSON with every draft, or a sub-test list.

    Goes to standard output unless --out names a file.
    """
    from lassbench import files
    from lassbench.annotate import exchange, sub_test

    with opened(dataset, store) as (found, data):
        if kind == "list":
            text = sub_test.list_text(found, data)
        else:
            text = (exchange.to_csv if kind == "csv" else exchange.to_json)(found, data)
    if out is None:
        click.echo(text, nl=False)
    else:
        files.write_text(out, text)
        click.echo(f"{out}: written")


@command.command(name="import")
@dataset_argument
@click.argument("table", type=PATH)
@store_option
@click.option(
    "--source",
    type=click.Choice(["annotator", "annotator-elsewhere", "templated"]),
    help="Who or what wrote them, where the table has no description_source.",
)
@click.option("--replace", is_flag=True, help="Write over other descriptions that are there.")
@plan_options
def import_(
    dataset: Path,
    table: Path,
    store: Path | None,
    source: str | None,
    replace: bool,
    **plan: Any,
) -> None:
    """Import descriptions that were gathered elsewhere from the CSV file TABLE.

    Columns: annotator, description, clip_id or query_id, description_source; those of
    an export are all read, so that it comes back as it was, times and drafts too.
    Without a store of DATASET one is made, planned as --clips-per-concept,
    --annotators, --noises and --language say.  All rows are taken, or none.
    """
    from lassbench.annotate import exchange
    from lassbench.annotate.campaign import plan_campaign
    from lassbench.annotate.store import Store
    from lassbench.dataset import open_dataset

    path = store_path(dataset, store)
    if not path.exists():
        campaign = plan_campaign(open_dataset(dataset), **plan)
        # Read it once before anything is made: a faulty table leaves no store.
        exchange.read_csv(table, campaign, source=source or "")
        Store.create(path, campaign).close()
    with opened(dataset, store) as (found, _):
        changes = exchange.read_csv(table, found.campaign, source=source or "")
        done = exchange.import_changes(found, changes, replace=replace)
    left = f", {done.left} drafts left for what is there" if done.left else ""
    click.echo(f"{path}: {done.written} written, {done.unchanged} the same already{left}")


@command.command()
@dataset_argument
@store_option
@click.option("-o", "--out", type=OutputPath(), help="A folder for report.csv, .json and .png.")
@click.option("--model", default="", help="A text embedding model, by name or folder.")
def report(dataset: Path, store: Path | None, out: Path | None, model: str) -> None:
    """Report on what was collected: length, vocabulary, overlap, times, outliers.

    Prints a table; --out names a folder for report.csv, report.json and report.png.
    """
    from lassbench.annotate import report as reporting

    with opened(dataset, store) as (found, data):
        made = reporting.report(found, data, model=model)
    click.echo(made.table())
    if out is not None:
        for path in reporting.write(made, out):
            click.echo(f"{path}: written")
