"""Opens an import file and reads its rows in chunks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from badgectl.badges_xml import read_badges_xml
from badgectl.failures import CommandError
from badgectl.import_rows import BrokenFileError, FileFormat, Row, RowReader
from badgectl.text_rows import read_csv, read_ndjson

CHUNK_ROWS = 500

_READERS: Mapping[FileFormat, RowReader] = {
    FileFormat.XML: read_badges_xml,
    FileFormat.CSV: read_csv,
    FileFormat.NDJSON: read_ndjson,
}
_SUFFIXES = {".xml": FileFormat.XML, ".csv": FileFormat.CSV, ".ndjson": FileFormat.NDJSON, ".jsonl": FileFormat.NDJSON}


def format_of(path: Path, given: FileFormat | None) -> FileFormat:
    """Return the format given, else the one that the file's name tells.

    Raises:
        CommandError: neither.
    """
    found = given or _SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise CommandError(f"{path}: say --format xml, csv or ndjson; the name does not tell")
    return found


class ImportFile:
    """An open file. `position` says how many of its `size` bytes were read, `broken` why it ended early, if it did."""

    def __init__(self, file: BinaryIO, rows: Iterator[Row], *, size: int) -> None:
        self._file = file
        self._rows = rows
        self.size = size
        self.position = 0
        self.broken: str | None = None

    def chunks(self) -> Iterator[Sequence[Row]]:
        """Yield the rows, some hundred at a time; what precedes a broken place is yielded too."""
        while self.broken is None:
            chunk: list[Row] = []
            try:
                chunk.extend(islice(self._rows, CHUNK_ROWS))
            except (BrokenFileError, OSError) as error:
                self.broken = str(error)
            if not chunk:
                return
            self.position = self._file.tell()
            yield chunk


@contextmanager
def open_import(path: Path, file_format: FileFormat, *, now: datetime, limit: int | None) -> Iterator[ImportFile]:
    """Open `path`, for its first `limit` rows.

    Raises:
        CommandError: it cannot be opened.
    """
    try:
        file = path.open("rb")
        size = path.stat().st_size
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        yield ImportFile(file, islice(_READERS[file_format](file, now), limit), size=size)
