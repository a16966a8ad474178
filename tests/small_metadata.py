"""A small world of metadata in the published formats, made up for tests.

Three concepts with six clips each, and clips that fit none, or more than one::

    Animal            Dog > Bark, Duck
    Natural sounds    Rain > Raindrop
    Sounds of things  Siren, Bell > Chime
    Music             Bell
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from lassbench.benchmark.metadata import MetadataSource

#: name -> (mid, names directly below it)
CATEGORIES = {
    "Animal": ("/m/animal", ["Dog", "Duck"]),
    "Dog": ("/m/dog", ["Bark"]),
    "Bark": ("/m/bark", []),
    "Duck": ("/m/duck", []),
    "Natural sounds": ("/m/natural", ["Rain"]),
    "Rain": ("/m/rain", ["Raindrop"]),
    "Raindrop": ("/m/raindrop", []),
    "Sounds of things": ("/m/things", ["Siren", "Bell"]),
    "Siren": ("/m/siren", []),
    "Bell": ("/m/bell", ["Chime"]),
    "Chime": ("/m/chime", []),
    "Music": ("/m/music", ["Bell"]),
}
NO_LABEL = "Natural sounds"

CONCEPTS = """\
name: small
title: A small benchmark
concepts:
  - {name: dog, tags: [Dog, Bark, Animal]}
  - {name: rain, tags: [Rain, Raindrop]}
  - {name: siren, tags: [Siren]}
split: {test_per_concept: 2, validation_per_concept: 1}
mixtures: {noises_per_target: 2}
sub_test: {clips_per_concept: 1, annotators: 2}
"""


@dataclass
class SmallClip:
    youtube_id: str
    split: str
    start: int
    tags: list[str]
    captions: list[tuple[int, str]]


def video(word: str, number: int) -> str:
    """A YouTube id of 11 characters; one in three begins with a dash."""
    text = f"{word}{number:0{11 - len(word)}d}"
    return f"-{text[1:]}" if number % 3 == 2 else text


@dataclass
class SmallMetadata:
    """The files as text, to be spoilt and written."""

    clips: list[SmallClip] = field(default_factory=list)

    def __post_init__(self) -> None:
        sounds = {
            "dog": [["Dog", "Animal"], ["Bark", "Dog"]],
            "rain": [["Rain"], ["Raindrop", "Rain"]],
            "siren": [["Siren"], ["Siren"]],
        }
        number = 100
        for sound, tags in sounds.items():
            for index in range(6):
                split = ("train", "train", "train", "train", "val", "test")[index]
                captions = []
                # Descending on purpose: the files are in no order of ids.
                for phrasing in range(5 if split != "train" else 1, 0, -1):
                    text = f'{sound} {index}, phrased "{phrasing}"'
                    captions.append((number + phrasing, text))
                number += 10
                start = 30 * (index % 2)
                youtube_id = video(sound, index)
                self.clips.append(SmallClip(youtube_id, split, start, tags[index % 2], captions))
        for index, tags in enumerate((["Dog", "Rain"], ["Music"], ["Duck"])):
            self.clips.append(
                SmallClip(video("other", index), "train", 0, tags, [(900 + index, "something")])
            )

    def captions_csv(self, split: str) -> str:
        lines = ["audiocap_id,youtube_id,start_time,caption"]
        for clip in self.clips:
            if clip.split == split:
                for number, text in clip.captions:
                    quoted = '"' + text.replace('"', '""') + '"'
                    lines.append(f"{number},{clip.youtube_id},{clip.start},{quoted}")
        return "\n".join(lines) + "\n"

    def segments_csv(self) -> str:
        lines = [
            "# Segments csv created Sun Mar  5 10:56:58 2017",
            "# num_ytids=3, num_segs=3",
            "# YTID, start_seconds, end_seconds, positive_labels",
            f'{video("foreign", 1)}, 0.000, 10.000, "/m/nobody,/m/knows"',
        ]
        for clip in self.clips:
            mids = ",".join(CATEGORIES[tag][0] for tag in clip.tags)
            lines.append(f'{clip.youtube_id}, {clip.start}.000, {clip.start + 10}.000, "{mids}"')
        return "\n".join(lines) + "\n"

    @staticmethod
    def ontology() -> list[dict[str, object]]:
        return [
            {"id": mid, "name": name, "child_ids": [CATEGORIES[child][0] for child in children]}
            for name, (mid, children) in CATEGORIES.items()
        ]

    @staticmethod
    def labels_csv() -> str:
        names = [name for name in CATEGORIES if name != NO_LABEL]
        rows = [f'{i},{CATEGORIES[name][0]},"{name}"' for i, name in enumerate(names)]
        return "index,mid,display_name\n" + "\n".join(rows) + "\n"

    def write(self, folder: Path) -> Path:
        texts = {
            **{f"audiocaps/{s}.csv": self.captions_csv(s) for s in ("train", "val", "test")},
            "audioset/unbalanced_train_segments.csv": self.segments_csv(),
            "audioset/ontology.json": json.dumps(self.ontology(), indent=1),
            "audioset/class_labels_indices.csv": self.labels_csv(),
        }
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return folder


def small_source(folder: Path) -> MetadataSource:
    """The small world as a source; its hashes are nobody's."""
    return MetadataSource(str(SmallMetadata().write(folder)), verified=False)
