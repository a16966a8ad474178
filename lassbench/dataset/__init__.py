"""The dataset folder: built from a corpus, opened, verified.

::

    OUT/data/<split>-00000-of-000NN.parquet   the clips that are kept, with their audio
    OUT/clips/<clip_id>.flac                  one file a clip: what resumes a build
    OUT/clips/built.jsonl                     what each of them was made from
    OUT/clips.csv                             every clip of the corpus and its state
    OUT/dataset.json                          names, terms, counts, what is missing, hashes
    OUT/README.md                             the dataset card

``datasets.load_dataset(OUT)`` opens the folder as it is.  ``clips/`` may be
deleted once a build has finished.
"""

from __future__ import annotations

from lassbench.dataset.building import BuildReport, build
from lassbench.dataset.opened import Dataset, open_dataset
from lassbench.dataset.verifying import verify

__all__ = ["BuildReport", "Dataset", "build", "open_dataset", "verify"]
