"""Has aiokafka read what Kafka accepts: names of headers that are not UTF-8.

A broker takes any bytes for a header's name, and librdkafka sends them. aiokafka fails to decode such
a record before anybody sees it, fetches it again, fails again: one record of a stranger's would hold
up its partition for ever, with every good request behind it.
"""

from collections.abc import Iterator
from typing import Any, SupportsIndex, overload

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy


def read_tolerantly() -> None:
    """Have every consumer of this process read such names, with U+FFFD for what is not UTF-8."""
    fetcher.MemoryRecords = TolerantRecords


class TolerantRecords(_MemoryRecordsPy):  # type: ignore[misc]  # untyped in aiokafka
    """The batches of a fetched partition; aiokafka's own, but for how they are iterated."""

    def next_batch(self) -> Any:  # noqa: ANN401 - one of aiokafka's kinds of batch
        """Return the next batch; None after the last."""
        content = self._next_slice
        batch = super().next_batch()
        return _Batch(batch, content) if isinstance(batch, DefaultRecordBatch) else batch


class _Batch:
    """A batch that is read again, slowly and tolerantly, where the compiled reader fails."""

    def __init__(self, batch: Any, content: Any) -> None:  # noqa: ANN401 - untyped in aiokafka
        self._batch = batch
        self._content = content

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the batch has
        return getattr(self._batch, name)

    def __next__(self) -> Any:  # noqa: ANN401 - a record
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._batch))
        except (UnicodeDecodeError, CorruptRecordException):
            return iter(list(_TolerantBatch(self._content)))


class _TolerantBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # untyped in aiokafka
    """aiokafka's reader in Python, on bytes that can always be decoded."""

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer: bytearray = _Decodable(self._buffer)


class _Decodable(bytearray):
    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> bytearray: ...
    def __getitem__(self, index: SupportsIndex | slice) -> int | bytearray:
        found = super().__getitem__(index)
        return _Decodable(found) if isinstance(found, bytearray) else found

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        return super().decode(encoding, errors)
