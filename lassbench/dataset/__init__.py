"""The dataset folder: built from a corpus, opened, verified.

::

    OUT/data/<split>-00000-of-000NN-<hash>.parquet   the clips, with their audio as FLAC
    OUT/clips.csv                                    every clip of the corpus and its state
    OUT/dataset.json                                 names, terms, counts, what is missing, hashes
    OUT/README.md                                    the dataset card
    OUT/ledger.sqlite                                what was tried to fetch, if anything was
    OUT/clips/                                       clips that are not packed yet

``datasets.load_dataset(OUT)`` opens the folder as it is.  After packing, the Parquet
files are the only copy of the audio; a build that is run again takes in what was added.
"""

from __future__ import annotations

from lassbench.dataset.open import Dataset, open_dataset

__all__ = ["Dataset", "open_dataset"]
