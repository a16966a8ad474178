"""What a Parquet file states, whichever version of pyarrow wrote it, and what it may not state."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lassbench.scores.parquet_bounds import stated_rows

TABLE = pa.table({"text": ["a", "b", "a"] * 40, "number": [1.5, None, 2.5] * 40})


def written(**how: object) -> bytes:
    out = io.BytesIO()
    settings = {"compression": "none", "use_dictionary": ["text"], **how}
    pq.write_table(TABLE, out, **settings)
    return out.getvalue()


def with_footer(data: bytes, added: bytes) -> bytes:
    """``data`` with fields beside those of its footer, in thrift's compact protocol.

    A footer ends with its writer's name (6), the order of its columns (7), and a 0.
    """
    length = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - length : -8]
    assert footer[-1] == 0
    footer = footer[:-1] + added + b"\0"
    return data[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


@pytest.mark.parametrize(
    "how",
    [{}, {"row_group_size": 50}, {"write_statistics": False}, {"write_page_index": True},
     {"use_dictionary": False}, {"data_page_size": 1, "write_batch_size": 8}],
)  # fmt: skip
def test_rows_are_counted_however_they_are_laid_out(how: dict[str, object]) -> None:
    assert stated_rows(written(**how)) == 120


# The fields of a footer end at 9; the step to the next one stands in the first four bits.
PASSED_OVER = {
    "truth": b"\x41", "byte": b"\x43\x07", "16 bits": b"\x44\x02", "32 bits": b"\x45\x02",
    "64 bits": b"\x46\x80\x01", "float": b"\x47" + b"\0" * 8, "text": b"\x48\x02ab",
    "list": b"\x49\x25\x02\x04", "truths": b"\x49\x21\x01\x02", "set": b"\x4a\x16\x02",
    "struct": b"\x4c\x15\x02\x00", "a field by its whole number": b"\x05\x64\x02",
}  # fmt: skip


@pytest.mark.parametrize("kind", PASSED_OVER)
def test_what_other_writers_add_is_passed_over(kind: str) -> None:
    """pyarrow 18 numbers the groups of rows in 16 bits, and 26 does not."""
    assert stated_rows(with_footer(written(), PASSED_OVER[kind])) == 120


REFUSED = {
    "a list without end": (b"\x49\xf1\xff\xff\xff\x7f", "lists more than it has bytes"),
    "a field twice": (b"\x06\x06\x02", "in disorder"),
    "a kind that there is not": (b"\x4f\x00", "of no kind"),
    "a number without end": (b"\x46" + b"\xff" * 20, "number without end"),
    "lists in lists": (b"\x49" + b"\x19" * 30 + b"\x15\x02", "nested too deeply"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_footer_has_is_refused(case: str) -> None:
    added, words = REFUSED[case]
    with pytest.raises(ValueError, match=words):
        stated_rows(with_footer(written(), added))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"compression": "zstd"}, "compressed"),
        ({"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}}, "not as"),
        ({"data_page_version": "2.0"}, "damaged|not as"),
    ],
)
def test_pages_that_could_hold_more_than_their_bytes_are_refused(
    how: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        stated_rows(written(**how))
