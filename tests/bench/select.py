"""Read the full official segment list and select from it, against pandas and csv loops.

python -m tests.bench select --list unbalanced_train_segments.csv [--repeats N] [--no-loop]

The list is AudioSet's official one (2,041,789 rows, 101 MB).  Both peers read the
same file and keep the rows of the same 51,308 clips: ``pandas.read_csv`` with the
options that the list needs, and Python's ``csv`` module row by row.  Each way is
measured in a process of its own for its peak memory.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lassbench.benchmark import manifests, metadata
from lassbench.benchmark.metadata import Metadata, MetadataSource, read_captions, read_segments
from lassbench.benchmark.ontology import read_ontology
from lassbench.benchmark.selection import read_definition, select
from tests.bench._table import compare, machine, print_table

SHARED = Path(__file__).resolve().parents[3] / "shared"
GOALS = "goals: reading and selecting under 5 s and 1 GiB on two cores"


def main(arguments: list[str]) -> None:
    """Measure and print."""
    options = parse(arguments)
    ways = prepare(options.list, options.metadata_dir)
    if options.only:
        ways[options.only]()
        print(own_peak_mib())
        return
    print(machine("pandas"))
    if options.no_loop:
        ways.pop("csv module, row by row")
    counts = {name: way() for name, way in ways.items()}
    timings = compare(ways, repeats=options.repeats)
    ours = next(iter(timings.values())).median
    rows = [
        (
            name,
            timing.median,
            timing.spread,
            f"{timing.median / ours:.2f}",
            memory_of(name, options),
            counts[name],
        )
        for name, timing in timings.items()
    ]
    columns = ("way", "s (median)", "range", "times ours", "peak MiB", "kept")
    print_table(columns, rows, f"{options.list.name}: {GOALS}")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench select")
    parser.add_argument("--list", type=Path, required=True)
    parser.add_argument("--metadata-dir", type=Path, default=SHARED / "data")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-loop", action="store_true", help="leave out the csv loop")
    parser.add_argument("--only", default="", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def memory_of(name: str, options: argparse.Namespace) -> str:
    """Peak resident memory in MiB of a process that does only this."""
    command = [sys.executable, "-m", "tests.bench", "select", "--list", str(options.list)]
    command += ["--metadata-dir", str(options.metadata_dir), "--only", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]


def own_peak_mib() -> int:
    """This program's largest resident set; getrusage would count the parent's too."""
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return round(int(peak.split()[1]) / 1024)


def prepare(path: Path, metadata_dir: Path) -> dict[str, Callable[[], int]]:
    """The ways to get the rows of AudioCaps's clips out of the list; each returns how many."""
    source = MetadataSource(str(metadata_dir), verified=False)
    ontology = read_ontology(source.path(metadata.ONTOLOGY), source.path(metadata.LABELS))
    captioned = read_captions(
        {s: source.path(metadata.CAPTIONS[1, s]) for s in metadata.AUDIOCAPS_SPLITS}
    )
    folder = manifests.find_benchmark(manifests.LASS_2022)
    concepts = read_definition(folder / manifests.DEFINITION).concepts

    def read() -> int:
        return len(read_segments(path, captioned.keys(), ontology))

    def read_and_select() -> int:
        segments = read_segments(path, captioned.keys(), ontology)
        return len(select(concepts, Metadata(source, 1, captioned, segments, ontology)).candidates)

    wanted = set(captioned)
    return {
        "lassbench: read": read,
        "lassbench: read and select": read_and_select,
        "pandas.read_csv, C engine": partial(with_pandas, path, wanted),
        "csv module, row by row": partial(with_csv, path, wanted),
    }


def with_pandas(path: Path, wanted: set[str]) -> int:
    """The whole table, then the rows."""
    import pandas as pd

    table = pd.read_csv(
        path,
        skiprows=3,
        header=None,
        names=["youtube_id", "start_s", "end_s", "mids"],
        quotechar='"',
        skipinitialspace=True,
    )
    return len(table[table["youtube_id"].isin(wanted)])


def with_csv(path: Path, wanted: set[str]) -> int:
    """Row by row."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = csv.reader(stream, skipinitialspace=True)
        kept = {
            row[0]: (float(row[1]), float(row[2]), row[3].split(","))
            for row in rows
            if row[0] in wanted
        }
    return len(kept)
