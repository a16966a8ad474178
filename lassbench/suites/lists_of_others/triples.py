"""Anybody's test set: ``mixture,target,query``, one query a row, over files that are there.

Further columns may be ``interference`` (a file; otherwise it is the mixture minus the target),
``query_id``, ``concept``, ``tags`` (joined by ``; ``) and ``negative`` (what the other sound is
called).  Rows with the same files are queries on one mixture.
"""

from __future__ import annotations

from lassbench.csv_files import Row, split
from lassbench.suites.lists_of_others.forms import Entry, ListFormat, needed, stem


def _row(cells: Row) -> Entry:
    mixture, target, text = needed(cells, "mixture", "target", "query")
    interference = cells["interference"]
    return Entry(
        target=stem(target),
        noise=stem(interference or mixture),
        text=text,
        negative=cells["negative"],
        given=(mixture, target, *([interference] if interference else [])),
        labels=split(cells["tags"]),
        concept=cells["concept"],
        query_id=cells["query_id"],
    )


FORMATS: dict[str, ListFormat] = {
    "triples": ListFormat(
        "any list of mixture, target and query",
        ("mixture", "target", "query"),
        _row,
        published="your own CSV file",
        audio_from="your own files",
        licence="yours",
        optional=("interference", "query_id", "concept", "tags", "negative"),
        rate_hz=None,
        grouped=True,
        any_gain=True,
        average="",
    )
}
