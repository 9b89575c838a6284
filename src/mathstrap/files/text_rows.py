"""Read the rows of text files: JSON lines and documents, delimited tables, XML; UTF-8 or UTF-16, compressed or not."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

from mathstrap.errors import InputError
from mathstrap.patterns import regex

Row = dict[str, Any]
OnBadRow = Callable[[int, str], None]

# A longer line, or a longer document that has to be read whole, is not a dataset but an accident or an attack.
MAX_LINE = 256 * 1024 * 1024
MAX_DOCUMENT = 4 * 1024 * 1024 * 1024
SAMPLE = 1 << 16
# Names of columns that tell a header from a first row, in `plain_name`'s spelling.
KNOWN_NAMES = frozenset([
    "id", "idx", "nr", "no", "number", "question", "problem", "query", "instruction", "input", "prompt",
    "answer", "solution", "response", "output", "completion", "target", "gold", "golden", "label", "rationale",
    "explanation", "body", "context", "passage", "type", "subject", "level", "category", "source", "text",
    "options", "choices", "correct", "original_question", "expected_answer", "final_answer", "ground_truth",
    "worked", "equation", "formula", "题目", "问题", "答案", "解析", "frage", "antwort", "pregunta", "respuesta",
    "question_id", "prediction", "unique_id",
])  # fmt: skip
# Names under which a document keeps its rows, most likely first.
LIST_NAMES = (
    "data", "rows", "train", "test", "validation", "examples", "example", "instances", "questions", "problems", "items",
    "records", "samples", "dataset", "results",
)  # fmt: skip
# Lists of objects that are part of one row.
TURN_NAMES = frozenset({"messages", "conversations", "conversation", "prompt", "turns", "generations", "dialogue"})


def plain_name(name: object) -> str:
    """Return a column's name in lower case, with one underscore for spaces, dashes and dots."""
    return re.sub(r"[\s_.-]+", "_", str(name).strip().lower()).strip("_")


@contextmanager
def open_text(path: Path) -> Iterator[IO[bytes]]:
    """Open a text file, compressed or not, as bytes of UTF-8; UTF-16 is recoded. Raises InputError if it is damaged."""
    suffix = path.suffix.lower()
    try:
        with _open_packed(path, suffix) as stream:
            head = stream.peek(64)[:64]
            if fault := not_text(head):
                raise InputError(f"{path}: {fault}")
            wide = _wide_encoding(head[:4])
            if not wide:
                yield cast("IO[bytes]", stream)
                return
            try:
                text = read_whole(cast("IO[bytes]", stream), MAX_DOCUMENT).decode(wide)
            except UnicodeError as error:
                raise InputError(f"{path}: not {wide.upper()} as its first bytes say ({error}).") from None
            yield io.BytesIO(text.removeprefix("\ufeff").encode("utf-8"))
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise InputError(f"{path}: cannot be unpacked ({error}).") from None
    except OSError as error:
        if error.errno is not None or suffix not in (".gz", ".bz2", ".xz"):
            raise
        raise InputError(f"{path}: cannot be unpacked ({error}).") from None  # bz2 raises a bare OSError for bad data


def read_whole(stream: IO[bytes], limit: int) -> bytes:
    """Return the rest of a stream, at most `limit` bytes; a single `read` would allocate that many at once."""
    chunks: list[bytes] = []
    while limit > 0 and (chunk := stream.read(min(limit, 1 << 24))):
        chunks.append(chunk)
        limit -= len(chunk)
    return b"".join(chunks)


# The compression of a file by its first bytes, because names may be wrong.
_PACKED_BY = ((b"\x1f\x8b", ".gz"), (b"BZh", ".bz2"), (b"\xfd7zXZ", ".xz"), (b"\x28\xb5\x2f\xfd", ".zst"))
_NOT_TEXT = (
    (b"PAR1", "a Parquet file under another name. Rename it to end in .parquet"),
    (b"PK\x03\x04", "a zip archive or a workbook under another name. Rename it to end in .zip or .xlsx"),
    (b"ARROW1", "an Arrow file under another name. Rename it to end in .arrow"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself. Fetch it: git lfs pull"),
    (b"%PDF", "a PDF document. Expected rows of questions"),
    (b"<!DOCTYPE", "a web page, not a file of rows. Download the file itself"),
    (b"<!doctype", "a web page, not a file of rows. Download the file itself"),
    (b"<html", "a web page, not a file of rows. Download the file itself"),
)


def not_text(head: bytes) -> str:
    """Return the kind of a file that is not text, by its first bytes, and what to do; empty for text."""
    return next((f"{what}." for mark, what in _NOT_TEXT if head.lstrip().startswith(mark)), "")


def _open_packed(path: Path, suffix: str) -> io.BufferedReader:
    with path.open("rb") as file:
        head = file.read(6)
    suffix = next((packing for mark, packing in _PACKED_BY if head.startswith(mark)), suffix)
    if suffix == ".zst":
        import pyarrow

        try:
            return io.BufferedReader(_Zstandard(pyarrow.input_stream(str(path), compression="zstd")), SAMPLE)
        except OSError as error:
            raise InputError(f"{path}: cannot be unpacked ({error}).") from None
    openers: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    stream = openers[suffix](path) if suffix in openers else path.open("rb")
    return stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(stream, SAMPLE)


class _Zstandard(io.RawIOBase):
    """Adapts pyarrow's zstd stream to Python's buffered reader; damage raises EOFError, as gzip does."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def readable(self) -> bool:
        """Return True, as io.BufferedReader requires."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer and return how many bytes were read."""
        try:
            read = self.stream.read(len(buffer))
        except OSError as error:
            raise EOFError(str(error)) from None
        buffer[: len(read)] = read
        return len(read)


def _wide_encoding(head: bytes) -> str:
    """Return the UTF-16 or UTF-32 encoding of the first bytes, by its mark or by the places of zero bytes; else ""."""
    if head in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return "utf-32"
    if len(head) == 4 and head[0] and not any(head[1:]):
        return "utf-32-le"
    if len(head) == 4 and head[3] and not any(head[:3]):
        return "utf-32-be"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if len(head) == 4 and head[1] == head[3] == 0 and head[0] and head[2]:
        return "utf-16-le"
    return "utf-16-be" if len(head) == 4 and head[0] == head[2] == 0 and head[1] and head[3] else ""


def json_rows(path: Path, bad: OnBadRow) -> Iterator[tuple[int, Row]]:
    """Yield the objects of JSON Lines, or the rows of one document: an array, wrapped, columnar or pretty-printed."""
    with open_text(path) as lines:
        layout = _layout(lines, is_lines=path.name.lower().partition(".json")[2][:1] == "l")
    if layout == "lines":
        yield from _json_lines(path, bad)
        return
    with open_text(path) as stream:
        data = read_whole(stream, MAX_DOCUMENT + 1)
    if len(data) > MAX_DOCUMENT:
        raise InputError(f"{path}: more than {MAX_DOCUMENT >> 30} GiB in one document. Save it as JSON Lines.")
    documents = _documents(data)
    if documents is None or (layout == "array" and len(documents) != 1):
        if layout == "array" and data.lstrip().startswith(b"[") and _one_array_a_line(data):
            yield from _json_lines(path, bad)
        elif layout == "array":
            bad(1, encoding_hint(data) or f"not a JSON array ({_fault(data)})")
        else:
            yield from _json_lines(path, bad)
        return
    rows = documents if len(documents) > 1 else rows_of_document(documents[0])
    if isinstance(rows, str):
        bad(1, rows)
        return
    for number, value in enumerate(rows, 1):
        row = row_of(value)
        if isinstance(row, str):
            bad(number, row)
        else:
            yield number, row


def _layout(stream: IO[bytes], *, is_lines: bool) -> str:
    """Return the layout of a JSON file: `lines`, `array` or `document`."""
    first = b""
    while not first.strip():
        first = stream.readline(MAX_LINE)
        if not first:
            return "lines"
        first = first.removeprefix(b"\xef\xbb\xbf")
    text = first.strip()
    if text.startswith(b"["):
        return "array"
    is_whole = text.endswith(b"}") and isinstance(decoded(text), dict)
    if is_whole:
        rest = b""
        while (line := stream.readline(MAX_LINE)) and not rest:
            rest = line.strip()
        if rest:
            return "lines"
        row = cast(Row, decoded(text))
        names = LIST_NAMES if is_lines else tuple(row)
        wrapped = [name for name in names if _is_row_list(row.get(name))]
        return "document" if wrapped or (_is_columnar(row) and not is_lines) or not is_lines else "lines"
    # The first line begins an object and does not end it: pretty-printed, or a torn or broken line.
    return "document" if text.startswith(b"{") and (not is_lines or text == b"{" or text[-1:] in b",{[") else "lines"


def decoded(text: bytes) -> Any:
    """Return the value of a JSON text, also with NaN and Infinity, which Python writes; None if it is not JSON."""
    import msgspec

    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    # Half a surrogate pair would pass Python's reader, but cannot be encoded in UTF-8 later.
    if not re.search(rb"NaN|Infinity|\d[eE]", text) or rb"\ud" in text.lower():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _fault(text: bytes) -> str:
    """Return msgspec's message about a text that cannot be read."""
    import msgspec

    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return str(error)
    return "more than one value"


# Half of a surrogate pair: Python's reader accepts it, but it cannot be encoded in UTF-8 again.
_HALF_PAIR = regex(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


def _documents(data: bytes) -> list[Any] | None:
    """Return the values of a text of concatenated JSON values; None if it is something else."""
    data = data.removeprefix(b"\xef\xbb\xbf").strip()
    value = decoded(data)
    if value is not None:
        return [value]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if _HALF_PAIR.search(data):
        return None
    values: list[Any] = []
    decoder, at = json.JSONDecoder(), 0
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            values.append(value)
            while at < len(text) and text[at] in " \t\r\n,":
                at += 1
    except (ValueError, RecursionError):
        return None
    return values


def _one_array_a_line(data: bytes) -> bool:
    first, _, rest = data.strip().partition(b"\n")
    return bool(rest) and isinstance(decoded(first.strip()), list)


def _is_row_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value[:50])


def _is_columnar(row: Mapping[str, Any]) -> bool:
    """Say whether an object holds a list for every column, all of one length."""
    lists = [value for value in row.values() if isinstance(value, list)]
    return (
        len(lists) == len(row) > 1 and len({len(value) for value in lists}) == 1 and not any(map(_is_row_list, lists))
    )


def rows_of_document(document: Any, depth: int = 0) -> list[Any] | str:
    """Return the rows of a JSON document, whatever it wraps them in, or the reason why they are unclear.

    Known: an array; `{"data": [...]}` and its like; one list for each column; pandas' orients `split`, `index` and
    `columns`; objects by id (the id becomes a column); a table with its header first; else the document is one row.
    """
    if isinstance(document, list):
        if _is_row_list(document) and {"from", "role"} & set(document[0]) and len(document) < 50:
            return [document]  # the turns of one chat
        if document and all(isinstance(item, list) for item in document) and _is_header(document[0]):
            header = document[0]
            return [dict(zip(header, cells, strict=False)) for cells in document[1:]]
        return document
    if not isinstance(document, dict):
        return f"found a JSON {type(document).__name__}, expected rows: objects with named fields"
    if isinstance(document.get("columns"), list) and isinstance(document.get("data"), list):
        return [dict(zip(document["columns"], cells, strict=False)) for cells in document["data"]]
    if _is_columnar(document):
        columns = list(document)
        return [dict(zip(columns, cells, strict=True)) for cells in zip(*document.values(), strict=True)]
    lists = [name for name, value in document.items() if _is_row_list(value) and name not in TURN_NAMES]
    has_question = any(plain_name(name) in ("question", "problem", "query") for name in document)
    if lists and not has_question:
        named = [name for name in LIST_NAMES if name in lists]
        if len(lists) > 1 and (len(named) > 1 or not named):
            return f"found several lists of rows ({', '.join(lists[:5])}); save the right one as a file of its own"
        rows = document[named[0] if named else lists[0]]
        return [item["row"] if set(item) >= {"row", "row_idx"} else item for item in rows]
    inner = list(document.values())
    if inner and all(isinstance(value, dict) for value in inner):
        if len(inner) == 1 and depth < 2:
            inner_rows = rows_of_document(inner[0], depth + 1)
            if isinstance(inner_rows, list) and (len(inner_rows) > 1 or not _names_a_question(inner[0])):
                return inner_rows
        if _names_a_question(document):  # pandas: a column of values by row
            places = list(inner[0])
            return [{name: column.get(place) for name, column in document.items()} for place in places]
        if any(_names_a_question(value) for value in inner[:5]):
            return [{"id": name, **value} for name, value in document.items()]
    return [document]


def _names_a_question(row: Mapping[str, Any]) -> bool:
    return any(plain_name(name) in KNOWN_NAMES for name in row)


def row_of(value: Any) -> Row | str:
    """Return one value of a document or line as a row, or the reason why it is not a row.

    A list of turns is a chat, a pair of texts a question and its answer; everything else needs named fields.
    """
    if isinstance(value, dict):
        return value["row"] if set(value) == {"row_idx", "row", "truncated_cells"} else value
    if isinstance(value, list) and _is_row_list(value) and ({"role", "from"} & set(value[0])):
        return {"messages": value}
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], (str, int)):
        return {"question": value[0], "answer": value[1]}
    return f"found a JSON {type(value).__name__}, expected an object with named fields"


def _json_lines(path: Path, bad: OnBadRow) -> Iterator[tuple[int, Row]]:
    import msgspec

    decode = msgspec.json.Decoder().decode
    with open_text(path) as lines:
        number = 0
        while line := lines.readline(MAX_LINE):
            number += 1
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            if len(line) == MAX_LINE:
                raise InputError(f"{path}:{number}: a line of more than {MAX_LINE >> 20} MiB. Expected one row a line.")
            try:
                value = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                # Brackets nested a few thousand deep end in a RecursionError.
                value = decoded(line.strip().removesuffix(b","))
                if value is None:
                    bad(number, encoding_hint(line) or f"not JSON ({error})")
                    continue
            row = row_of(value)
            if isinstance(row, str):
                bad(number, row)
            else:
                yield number, row


def encoding_hint(line: bytes) -> str:
    """Return what is wrong with the encoding of a line; empty if it is UTF-8."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"not UTF-8 at byte {error.start} of the line; save the file as UTF-8"
    return ""


def xml_rows(path: Path, bad: OnBadRow) -> Iterator[tuple[int, Row]]:
    """Yield the elements of a document whose children are all texts, as in ASDiv: attributes and children.

    Raises InputError for a document type: its entities can expand a small file endlessly, and no dataset needs one.
    """
    import xml.etree.ElementTree as ElementTree

    with open_text(path) as stream:
        data = read_whole(stream, MAX_LINE + 1)
    if len(data) > MAX_LINE:
        raise InputError(f"{path}: more than {MAX_LINE >> 20} MiB of XML. Save it as JSON Lines.")
    if re.search(rb"<!(?:DOCTYPE|ENTITY)", data):
        raise InputError(f"{path}: XML with a document type is not read. Save it as JSON Lines.")
    try:
        root = ElementTree.fromstring(data)  # noqa: S314 no document type, so no entities
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: not XML ({error}).") from None
    number = 0
    for element in root.iter():
        if len(element) > 1 and not any(len(child) for child in element):
            number += 1
            texts = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in element}
            yield number, {**element.attrib, **texts}
    if not number:
        bad(1, "no element with several texts, expected rows of questions")


def csv_rows(path: Path, bad: OnBadRow) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a delimited file; the delimiter and a missing header are detected from the first lines.

    Without a header, two columns are `question` and `answer`, more are `column_1` and so on.
    """
    number = 0
    # Python's limit of 128 KiB is too small for a column of long replies. It is global, so it is restored below.
    previous_limit = csv.field_size_limit(10_000_000)
    try:
        with open_text(path) as stream:
            text = io.TextIOWrapper(cast("io.BufferedReader", stream), encoding="utf-8-sig", newline="")
            sample = text.read(SAMPLE)
            delimiter = delimiter_of(sample, "\t" if path.name.lower().partition(".tsv")[1] else ",")
            lines = _lines_after(sample, text)
            if sample.lower().startswith("sep="):  # Excel's own note
                next(lines)
            header: list[str] | None = None
            width = width_of(sample, delimiter)
            for number, cells in _records(lines, delimiter, sample):
                if not any(cell.strip() for cell in cells):
                    continue
                if header is None:
                    if is_title(cells, number, width):
                        continue
                    header = [cell.strip() for cell in cells]
                    if _is_header(header):
                        if repeated := next((name for name in header if name and header.count(name) > 1), ""):
                            raise InputError(f'{path}:{number}: two columns are named "{repeated}". Rename one.')
                        continue
                    header = headless_names(header)
                while len(cells) > len(header) and not cells[-1].strip():
                    cells = cells[:-1]
                if len(cells) != len(header):
                    bad(number, f"found {len(cells)} columns, expected {len(header)}")
                    continue
                yield number, {name: cell for name, cell in zip(header, cells, strict=True) if name}
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}. Save the file as UTF-8.") from None
    except csv.Error as error:
        raise InputError(f"{path}:{number + 1}: not CSV: {error}.") from None
    finally:
        csv.field_size_limit(previous_limit)


def _lines_after(sample: str, text: io.TextIOWrapper) -> Iterator[str]:
    """Yield the lines of a text whose beginning has been read already."""
    lines = io.StringIO(sample, newline="")
    last = ""
    for line in lines:
        if last:
            yield last
        last = line
    yield last + text.readline()
    yield from text


def delimiter_of(sample: str, usual: str) -> str:
    """Return the delimiter of a table by its first lines: the one whose header has the most known names.

    Ties are broken by an equal number of columns in every line, then by the usual delimiter of the suffix.
    """
    if sample.lower().startswith("sep=") and len(sample) > 4:
        return sample[4]

    def score(delimiter: str) -> tuple[int, int, bool]:
        try:
            reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, skipinitialspace=True)
            records = [cells for cells, _ in zip(reader, range(30), strict=False) if cells]
        except csv.Error:
            return (0, 0, False)
        records = records[:-1] if len(records) > 2 and len(sample) >= SAMPLE else records
        while len(records) > 1 and len(records[0]) < 2 and plain_name(records[0][0]) not in KNOWN_NAMES:
            records = records[1:]  # a title above the header
        if not records or len(records[0]) < 2:
            return (0, 0, delimiter == usual)
        known = sum(plain_name(cell) in KNOWN_NAMES for cell in records[0])
        same = sum(len(cells) == len(records[0]) for cells in records)
        return (known, same if same == len(records) else 0, delimiter == usual)

    return max((usual, ",", ";", "\t", "|"), key=score)


def width_of(sample: str, delimiter: str) -> int:
    """Return how many columns most of the first lines of a table have."""
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, skipinitialspace=True)
    widths: list[int] = []
    with suppress(csv.Error):
        widths.extend(len(cells) for cells, _ in zip(reader, range(30), strict=False) if cells)
    return max(set(widths), key=widths.count) if widths else 0


def is_title(cells: list[Any], number: int, width: int) -> bool:
    """Say whether a line near the top of a table with `width` columns is a title: a single cell, not a known name."""
    filled = [str(cell).strip() for cell in cells if str(cell).strip()]
    return number <= 10 and width > 1 and len(filled) == 1 and plain_name(filled[0]) not in KNOWN_NAMES


def headless_names(cells: list[str]) -> list[str]:
    """Return names for the columns of a table without a header, by its first row.

    Two are a question and its answer; a question, choices and a letter are MMLU's and C-Eval's table.
    """
    if len(cells) == 2:
        return ["question", "answer"]
    if 4 <= len(cells) <= 12 and re.fullmatch(r"[A-J]", cells[-1]) and ord(cells[-1]) - ord("A") < len(cells) - 2:
        return ["question", *"ABCDEFGHIJ"[: len(cells) - 2], "answer"]
    return [f"column_{place}" for place in range(1, len(cells) + 1)]


def _is_header(cells: list[Any]) -> bool:
    """Say whether the first row of a table names columns: by a known name, or as short words without a number."""
    texts = [str(cell).strip() for cell in cells]
    if any(plain_name(text) in KNOWN_NAMES for text in texts):
        return True
    return all(isinstance(cell, str) for cell in cells) and not any(
        len(text) > 40 or re.fullmatch(r"[-+\d.,%$€£/ ]+", text) or text.endswith((".", "?", "？", "。"))
        for text in texts
    )


def _records(lines: Iterator[str], delimiter: str, sample: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells). In tab-separated text with one record per line, quotes may be ordinary characters."""
    counts = {line.count("\t") for line in sample.splitlines()[:200][: -1 if len(sample) >= SAMPLE else None] if line}
    if delimiter == "\t" and len(counts) == 1:
        for number, line in enumerate(lines, 1):
            yield number, [_unquoted(cell) for cell in line.rstrip("\r\n").split("\t")]
        return
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    for cells in reader:
        yield reader.line_num, cells


def _unquoted(cell: str) -> str:
    inner = cell[1:-1]
    is_quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if is_quoted else cell
