"""Anybody's test set: ``mixture,target,query``, one query a row, over files that are there.

Further columns may be ``interference`` (a file; otherwise it is the mixture minus the target),
``query_id``, ``concept``, ``tags`` (joined by ``; ``) and ``negative`` (what the other sound is
called).  Rows with the same files are queries on one mixture.
"""

from __future__ import annotations

from lassbench.csv_files import Row, split
from lassbench.records import Mixture, Query
from lassbench.suites.lists_of_others.forms import ListFormat, ListRow, needed, stem


def _row(cells: Row) -> ListRow:
    mixture, target, text = needed(cells, "mixture", "target", "query")
    interference = cells["interference"]
    return ListRow(
        Mixture("", stem(target), stem(interference)),
        Query(
            *(cells["query_id"], "", text, split(cells["tags"])),
            concept=cells["concept"],
            negative=cells["negative"],
        ),
        given=(mixture, target, *([interference] if interference else [])),
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
