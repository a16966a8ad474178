"""Folders, addresses and tables behind the same ledger, chained."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pytest
import soundfile as sf
from pyarrow import parquet

from lassbench import audio
from lassbench.errors import LassbenchError, UsageError
from lassbench.fetch import sources
from lassbench.fetch.ledger import Ledger
from lassbench.fetch.planning import FetchOptions
from lassbench.fetch.runner import fetch
from lassbench.fetch.youtube import Settings
from lassbench.records import Clip
from tests.fetch import media
from tests.fetch.conftest import entry_of, video_id
from tests.fetch.site import Site

Make = Callable[..., Clip]
Options = Callable[..., FetchOptions]


def wav(number: int, seconds: float) -> bytes:
    memory = io.BytesIO()
    sf.write(memory, media.sound(number, seconds)[::3], 16000, format="WAV", subtype="FLOAT")
    return memory.getvalue()


def parse(*specs: str, **columns: str) -> tuple[sources.Source, ...]:
    return sources.parse(specs, settings=Settings(timeout_s=3.0), columns=columns)


def told(out: Path) -> dict[str, tuple[str, str, str]]:
    with Ledger.read(out) as ledger:
        return {
            entry.youtube_id: (entry.state, entry.kind, entry.source) for entry in ledger.entries()
        }


def test_folder_then_address_then_table_then_youtube(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    clips = [make_clip(number) for number in range(6)]
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / f"Y{video_id(0)}.wav").write_bytes(wav(0, 2.0))
    (folder / f"{video_id(1)}.wav").write_bytes(b"<html>not a sound</html>")
    store = fsspec.filesystem("memory")
    store.pipe(f"/mirror/{video_id(1)}.wav", wav(1, 8.0))
    write_table(tmp_path / "table", {2: wav(2, 2.0)})
    for number in (0, 3, 4):
        site.add(video_id(number), number=number)
    site.add(video_id(5), "private")
    chain = parse(
        str(folder),
        "memory://mirror/{youtube_id}.wav",
        str(tmp_path / "table"),
        "youtube",
        id_column="name",
    )
    out = tmp_path / "out"
    fetch(clips, out, options(sources=chain))
    found = told(out)
    assert [found[video_id(n)][:2] for n in range(6)] == [("done", "done")] * 5 + [
        ("gone", "private")
    ]
    kinds = [found[video_id(n)][2].split(":")[0] for n in range(6)]
    assert kinds == ["folder", "url", "table", "youtube", "youtube", "youtube"]
    assert set(site.requests("player")) == {video_id(n) for n in (3, 4, 5)}
    # A file that is the clip is used from its beginning, a whole video is cut.
    for number, start in ((0, 0), (1, 2)):
        pcm = audio.decode_int16((out / "clips" / f"Y{video_id(number)}.flac").read_bytes())[0]
        x = media.sound(number, 8.0)[::3][start * 16000 : (start + 2) * 16000]
        close = np.corrcoef(pcm[100:-100], x[::2][100:-100])[0, 1]
        assert close > 0.5, (number, close)


def write_table(folder: Path, rows: dict[int, bytes], *, groups: int = 1) -> None:
    folder.mkdir(exist_ok=True)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table(
        {
            "name": [video_id(number) for number in rows],
            "begin": [2.0 for _ in rows],
            "sound": pa.array(
                [{"bytes": data, "path": "x.wav"} for data in rows.values()], type=kind
            ),
            "audio": pa.array(
                [{"bytes": data, "path": "x.wav"} for data in rows.values()], type=kind
            ),
        }
    )
    parquet.write_table(table, folder / "part-0.parquet", row_group_size=-(-len(rows) // groups))


def test_a_table_is_read_a_group_at_a_time_in_its_own_order(
    make_clip: Make, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = [7, 2, 5, 0, 6, 1, 4, 3]
    write_table(tmp_path / "table", {number: wav(number, 2.0) for number in numbers}, groups=4)
    read: list[int] = []
    original = sources.TableSource._read_group

    def counted(self: sources.TableSource, file: str, group: int) -> object:
        read.append(group)
        return original(self, file, group)

    monkeypatch.setattr(sources.TableSource, "_read_group", counted)
    chain = parse(
        f"file://{tmp_path}/table",
        id_column="name",
        start_column="begin",
        audio_column="sound",
    )
    clips = [make_clip(number) for number in range(9)]
    summary = fetch(clips, tmp_path / "out", options(sources=chain))
    assert summary.states == {"done": 8, "waiting": 1}
    assert sorted(read) == [0, 1, 2, 3]
    assert told(tmp_path / "out")[video_id(8)][1] == "absent"


def test_a_column_that_is_not_there_is_named(
    make_clip: Make, options: Options, tmp_path: Path
) -> None:
    write_table(tmp_path / "table", {0: wav(0, 2.0)})
    with pytest.raises(UsageError, match=r"no column 'nam'.*did you mean 'name'"):
        fetch(
            [make_clip(0)],
            tmp_path / "out",
            options(sources=parse(str(tmp_path / "table"), id_column="nam")),
        )


def test_what_one_source_lacks_is_sought_when_another_is_named(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    site.add(video_id(0), "private")
    out, clips = tmp_path / "out", [make_clip(0)]
    fetch(clips, out, options(sources=parse(str(folder))))
    assert told(out)[video_id(0)][:2] == ("waiting", "absent")
    fetch(clips, out, options())
    assert told(out)[video_id(0)][:2] == ("gone", "private")
    # That another folder lacks it too takes nothing from what is known.
    (tmp_path / "second").mkdir()
    fetch(clips, out, options(sources=parse(str(tmp_path / "second"))))
    assert told(out)[video_id(0)][:2] == ("gone", "private")
    # Gone from YouTube, which is not asked again; a mirror that has it is.
    fsspec.filesystem("memory").pipe(f"/found/{video_id(0)}.wav", wav(0, 2.0))
    chain = (*parse("youtube"), *parse("memory://found/{youtube_id}.wav"))
    assert fetch(clips, out, options(sources=chain)).states == {"done": 1}
    assert site.requests("player") == {video_id(0): 1}


def test_a_file_that_is_neither_clip_nor_video_is_not_used(
    make_clip: Make, options: Options, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / f"{video_id(0)}.wav").write_bytes(wav(0, 5.0))
    clip = make_clip(0, start_s=20.0, seconds=10.0)
    fetch([clip], tmp_path / "out", options(sources=parse(str(folder)), seconds=10.0))
    with Ledger.read(tmp_path / "out") as ledger:
        entry = entry_of(ledger, clip.clip_id)
    assert (entry.state, entry.kind) == ("waiting", "unfit")
    assert "5.00 s long, the clip 10 s" in entry.message


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("", ("done", "done")),
        ("gone", ("waiting", "absent")),
        ("forbidden", ("failed", "refused")),
        ("server-error", ("failed", "transient")),
        ("cut-off", ("failed", "transient")),
        ("empty", ("failed", "refused")),
        ("html", ("failed", "refused")),
    ],
)
def test_addresses_on_the_web_fail_in_the_same_classes(
    fault: str,
    state: tuple[str, str],
    site: Site,
    make_clip: Make,
    options: Options,
    tmp_path: Path,
) -> None:
    site.add(video_id(0), fault, seconds=6.0)
    template = site.url + "/media/{youtube_id}.webm"
    fetch([make_clip(0)], tmp_path / "out", options(sources=parse(template)))
    assert told(tmp_path / "out")[video_id(0)][:2] == state


def test_an_address_names_every_field(make_clip: Make) -> None:
    (source,) = parse("https://h/{split}/{concept}/{youtube_id}_{start_ms}-{end_s}_{clip_id}.opus")
    assert isinstance(source, sources.TemplateSource)
    clip = make_clip(4, start_s=2.5)
    assert (
        source.url(clip) == f"https://h/validation/bell/{video_id(4)}_2500-4.5_{clip.clip_id}.opus"
    )


def test_secrets_in_addresses_stay_out_of_the_ledger(
    site: Site, make_clip: Make, options: Options, tmp_path: Path
) -> None:
    site.add(video_id(0), "server-error")
    host = site.url.removeprefix("http://")
    template = f"http://{host}/media/{{youtube_id}}.webm?token=hunter2"
    out = tmp_path / "out"
    fetch([make_clip(0)], out, options(sources=parse(template)))
    assert b"hunter2" not in (out / "ledger.sqlite").read_bytes()
    assert sources.shown("s3://me:pw@h/a?k=v") == "s3://h/a?..."
    assert sources.shown("/a/folder") == "/a/folder"


@pytest.mark.parametrize(
    "spec",
    [
        "nowhere",
        "https://h/{id}.opus",
        "https://h/{start_s}",
        "https://h/{youtube_id.__class__}",
        "{",
    ],
)
def test_what_is_no_source_is_refused(spec: str) -> None:
    with pytest.raises(UsageError):
        parse(spec)


def test_tables_that_are_not_there_are_an_error(
    make_clip: Make, options: Options, tmp_path: Path
) -> None:
    chain = parse(f"file://{tmp_path}/none")
    with pytest.raises(LassbenchError, match="no Parquet file"):
        fetch([make_clip(0)], tmp_path / "out", options(sources=chain))
