"""Fifty annotators who save at once: the page's server, against one commit a save.

python -m tests.bench annotate [--people N] [--saves N] [--rate SAVES_PER_SECOND] [--wait SECONDS]

Every annotator has a session and a connection and saves drafts over HTTP at the
given rate, all at the same time, to a server in a process of its own.  They begin as
soon as all have a session, while a process beside the server still loads the models
that tell languages apart (--wait 8 begins when they are loaded).  The peer is the same
store with a commit (and a wait for the disk) for each save alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from lassbench.annotate.campaign import plan_campaign
from lassbench.annotate.store import Change, Store
from lassbench.corpora.synthetic import SyntheticCorpus
from lassbench.dataset import open_dataset
from lassbench.dataset.build import build
from tests.annotate.served import Served
from tests.bench._table import machine, print_table


def main(arguments: list[str]) -> None:
    """Measure and print."""
    options = parse(arguments)
    print(machine("starlette", "uvicorn"))
    with tempfile.TemporaryDirectory() as folder:
        dataset = Path(folder) / "dataset"
        corpus = SyntheticCorpus(clips_per_concept=(1, 1, 2), sample_rate_hz=8000, seconds=1.0)
        build(corpus, dataset)
        served = Served(
            dataset, Path(folder) / "store.sqlite", "--annotators", str(options.people)
        ).start()
        try:
            times, errors = asyncio.run(load(served, options))
        finally:
            served.stop()
        kept = count(Path(folder) / "store.sqlite")
        alone = one_commit_each(dataset, Path(folder), options)
    rows = [row("HTTP, grouped commits", times, errors), row("store, a commit a save", alone, 0)]
    title = (
        f"{options.people} annotators, {options.saves} saves each, {options.rate:g} a second each"
    )
    print_table(("what", "saves", "errors", "p50 ms", "p95 ms", "p99 ms", "max ms"), rows, title)
    assert kept == options.people * options.saves, "a draft was lost"
    print(f"\ndrafts in the history: {kept}, none lost")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench annotate")
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--saves", type=int, default=40)
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--wait", type=float, default=0.0)
    return parser.parse_args(arguments)


def row(name: str, times: list[float], errors: int) -> tuple[Any, ...]:
    milliseconds = 1000 * np.asarray(times)
    marks = [float(np.percentile(milliseconds, p)) for p in (50, 95, 99, 100)]
    return (name, len(times), errors, *marks)


async def load(served: Served, options: argparse.Namespace) -> tuple[list[float], int]:
    """Seconds of each save, and how many failed."""
    people = [Browser(served) for _ in range(options.people)]
    links = [link for who, link in served.links.items() if who != "coordinator"]
    entered = zip(people, links, strict=True)
    await asyncio.gather(*(one.enter(link.rpartition("/")[2]) for one, link in entered))
    await asyncio.sleep(options.wait)
    # All begin in the same moment, the worst case; then at their own rate.
    done = await asyncio.gather(*(one.write(options.saves, options.rate) for one in people))
    return [t for times, _ in done for t in times], sum(errors for _, errors in done)


class Browser:
    """One kept-alive connection: small enough not to be what is measured."""

    def __init__(self, served: Served) -> None:
        self.served, self.cookie = served, ""

    async def enter(self, secret: str) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.served.port)
        body = f"secret={secret}&consent=yes".encode()
        status, head = await self.ask("POST", "/enter", body)
        assert status == 303, head
        line = next(one for one in head.split("\r\n") if one.lower().startswith("set-cookie"))
        self.cookie = line.split(":", 1)[1].split(";")[0].strip()

    async def ask(self, method: str, path: str, body: bytes) -> tuple[int, str]:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.served.port}\r\n"
            f"Origin: {self.served.base}\r\nCookie: {self.cookie}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.writer.write(head.encode() + body)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            (int(x.split(":")[1]) for x in answer.lower().split("\r\n") if "content-length:" in x),
            0,
        )
        await self.reader.readexactly(length)
        return int(answer.split()[1]), answer

    async def write(self, saves: int, rate: float) -> tuple[list[float], int]:
        times, errors, began = [], 0, time.perf_counter()
        for number in range(saves):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            text = "A dog barks twice while water drips into a bucket and on and on" + "." * number
            body = json.dumps({"text": text, "action": "draft", "base": number, "writer": "w"})
            start = time.perf_counter()
            status, _ = await self.ask("PUT", f"/clip/{number % 20 + 1}", body.encode())
            times.append(time.perf_counter() - start)
            errors += status != 200
        self.writer.close()
        return times, errors


def count(path: Path) -> int:
    store = Store(path)
    found = len(store.history())
    store.close()
    return found


def one_commit_each(dataset: Path, folder: Path, options: argparse.Namespace) -> list[float]:
    """Everybody saves in the same moment and waits for their turn at the disk."""
    campaign = plan_campaign(open_dataset(dataset), annotators=options.people)
    store = Store.create(folder / "alone.sqlite", campaign)
    times = []
    for number in range(min(options.saves, 20)):
        start = time.perf_counter()
        for who in campaign.annotators:
            store.save(Change(who, campaign.clips[number % 20], f"draft {number}")).result()
            times.append(time.perf_counter() - start)
    store.close()
    return times
