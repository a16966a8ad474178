"""How much a Parquet file can hold, told from its bytes before a library unpacks them.

A file of some kilobytes may unpack to gigabytes, and not only where its footer says so:
readers hold pages neither to the sizes nor to the encodings that the footer states, and
pyarrow ends the whole process at some footers.  So footer and headers of pages are read here
first, and only what cannot hold more than its bytes passes: pages that are not compressed, in
encodings that write every value out, once a row or once in a dictionary.

The structs are those of parquet.thrift (github.com/apache/parquet-format), their numbers of
fields are given where they are used; the bytes are thrift's compact protocol
(github.com/apache/thrift, doc/specs/thrift-compact-protocol.md).
"""

from __future__ import annotations

from typing import Any, TypeAlias

#: A struct's fields by number and kind: what a reader expects to be of another kind it skips.
Struct: TypeAlias = dict[tuple[int, int], Any]

_I32, _I64, _BINARY, _LIST, _SET, _STRUCT = 5, 6, 8, 9, 10, 12
_TRUTHS = (1, 2)
#: Kinds of whole numbers and their bits, the others that take a fixed number of bytes.
_BITS = {4: 16, _I32: 32, _I64: 64}
_SIZES = {1: 1, 2: 1, 3: 1, 7: 8}
#: Structs and lists in one another; in a footer there are 8.
_DEEPEST = 10
#: Of a footer, in bytes: a column of a group of rows takes some hundred, in memory a thousand.
FOOTER_LIMIT = 1_000_000
#: Of a page's header: it may state its least and its greatest value, of at most 4 kB each.
_HEADER_LIMIT = 20_000

_DATA_PAGE, _DICTIONARY_PAGE = 0, 2
#: PLAIN, PLAIN_DICTIONARY, RLE (of truths), RLE_DICTIONARY.
_ENCODINGS = (0, 2, 3, 8)


def stated_rows(data: bytes) -> int:
    """How many rows the Parquet file of these bytes has.

    Raises
    ------
    ValueError
        If it is damaged, or could hold more than its bytes: where its pages are compressed,
        in other encodings, or not as many as its footer says.
    """
    length = int.from_bytes(data[-8:-4], "little")
    if not (data[:4] == data[-4:] == b"PAR1" and 0 < length <= len(data) - 12):
        raise ValueError("it is no Parquet file, or cut short")
    if length > FOOTER_LIMIT:
        raise ValueError(f"a footer of {length} bytes, at most {FOOTER_LIMIT} are read")
    try:
        footer, _ = _struct(data, len(data) - 8 - length)
        rows, counted, size = footer[3, _I64], 0, 0
        for group in footer[4, _LIST]:
            for chunk in group[1, _LIST]:
                column = chunk[3, _STRUCT]
                _check_column(data, column, group[3, _I64])
                size += column[7, _I64]
            counted += group[3, _I64]
    except (LookupError, TypeError) as error:
        raise ValueError("its footer or the header of a page is damaged") from error
    if rows != counted or size > len(data):
        raise ValueError("its footer counts other rows, or more bytes, than there are")
    return counted


def _check_column(data: bytes, column: Struct, rows: int) -> None:
    """Refuse a column (``ColumnMetaData``) of a group of ``rows`` that is not as lassbench's."""
    if column[4, _I32] != 0:
        raise ValueError("its pages are compressed; lassbench writes them as they are")
    begin = column[9, _I64]
    if 0 < (dictionary := column.get((11, _I64), 0)) < begin:
        begin = dictionary
    at, end, values = begin, begin + column[7, _I64], 0
    while 0 <= at < end:
        header, length = _struct(data[at : at + _HEADER_LIMIT], 0)
        kind, size = header[1, _I32], header[2, _I32]
        page = header[{_DATA_PAGE: 5, _DICTIONARY_PAGE: 7}[kind], _STRUCT]
        count, encoding = page[1, _I32], page[2, _I32]
        if encoding not in _ENCODINGS or size != header[3, _I32] or size < 0:
            raise ValueError("a page is not as lassbench writes it")
        if kind == _DICTIONARY_PAGE and (at > begin or count > rows):
            raise ValueError("a column has more dictionaries, or a longer one, than rows")
        if kind == _DATA_PAGE:
            if count <= 0:
                raise ValueError("a page has no values")
            values += count
        at += length + size
    if not (at == end and values == column[5, _I64] == rows):
        raise ValueError("a column has other pages than its footer says")


def _struct(data: bytes, at: int, depth: int = 1) -> tuple[Struct, int]:
    """The struct at ``at``, and where it ends.

    Numbers of fields must rise, so that none comes twice: of two, readers might take the other.
    """
    found: Struct = {}
    field = 0
    while head := data[at]:
        before, step, kind, at = field, head >> 4, head & 15, at + 1
        field += step
        if step == 0:
            field, at = _number(data, at, 16)
        if field <= before:
            raise ValueError("its footer or the header of a page has its fields in disorder")
        if kind in _TRUTHS:
            found[field, kind] = None
        else:
            found[field, kind], at = _value(data, at, kind, depth)
    return found, at + 1


def _value(data: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if depth > _DEEPEST:
        raise ValueError("its footer or the header of a page is nested too deeply")
    if kind in _BITS:
        return _number(data, at, _BITS[kind])
    if kind == _STRUCT:
        return _struct(data, at, depth + 1)
    if kind == _BINARY:
        size, at = _varint(data, at, 32)
        return None, at + size
    if kind in (_LIST, _SET):
        size, kind, at = data[at] >> 4, data[at] & 15, at + 1
        if size == 15:
            size, at = _varint(data, at, 32)
        if size > len(data) - at:
            raise ValueError("its footer lists more than it has bytes")
        items = []
        for _ in range(size):
            item, at = _value(data, at, kind, depth + 1)
            items.append(item)
        return items, at
    if kind in _SIZES:
        return None, at + _SIZES[kind]
    raise ValueError("its footer or the header of a page is of no kind that there is")


def _number(data: bytes, at: int, bits: int) -> tuple[int, int]:
    number, at = _varint(data, at, bits)
    return (number >> 1) ^ -(number & 1), at


def _varint(data: bytes, at: int, bits: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if number >> bits or shift > 70:
            raise ValueError("its footer holds a number without end")
        if byte < 0x80:
            return number, at
