"""How much a client may ask of one server: so many requests a second, and so many at a time.

All workers of a server count together, in one file that they share. Only clients that have limits are counted:

    file    := record…
    record  := digest of the client's name (16 bytes), when its next request would be on time (float64, seconds),
               how many of its requests each worker has under way (uint32 for each slot)

Records are only ever appended, so a worker that has found one never looks for it again. A worker takes the lock on a
record's bytes to look and to decide, and alone writes its own number. Locks and files are the kernel's: what a killed
worker held is free, and what it counted is forgotten by its supervisor or its successor.

The rate is the generic cell rate algorithm, a leaky bucket that needs one number: the time at which the next request
would be on time if all came evenly. A request may come early by as much as the burst allows.
Source: ITU-T Recommendation I.371, "Traffic control and congestion control in B-ISDN", virtual scheduling algorithm.
"""

from __future__ import annotations

import fcntl
import os
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b

from gaal.errors import TooManyRequests
from gaal.storage.records import Limits

DIGEST_BYTES = 16
ON_TIME_AT = DIGEST_BYTES
COUNTS_AT = ON_TIME_AT + 8

APPENDING = 1 << 62
"""The byte, far behind every record, whose lock allows to append."""

BUSY_S = 1.0
"""When to come again if too many requests are under way: nobody knows when one of them ends."""


class SharedLimits:
    """The counts of all clients with limits, as the worker at `slot` of `n_slots` sees them.

    `file` comes from `make_file`, and is the same for all workers. Without one the worker counts alone.
    All calls belong to one thread.
    """

    def __init__(
        self, file: int | None = None, slot: int = 0, n_slots: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._file = make_file() if file is None else file
        self._slot = slot
        self._n_slots = n_slots
        self._clock = clock
        self._offsets: dict[str, int] = {}
        self._under_way: dict[int, int] = {}
        forget_worker(self._file, slot, n_slots)

    @contextmanager
    def admitted(self, client: str, limits: Limits) -> Iterator[None]:
        """Counts a request while it is under way. Raises TooManyRequests."""
        record = self._offset(client)
        is_counted = limits.max_concurrent is not None
        with _locked(self._file, record, self._record_bytes):
            data = os.pread(self._file, self._record_bytes, record)
            self._check_concurrency(client, limits, data)
            self._take_time(client, limits, record, data)
            if is_counted:
                self._count(record, +1)
        try:
            yield
        finally:
            if is_counted:
                self._count(record, -1)

    def _check_concurrency(self, client: str, limits: Limits, data: bytes) -> None:
        if limits.max_concurrent is None:
            return
        n_under_way = sum(struct.unpack_from(f"={self._n_slots}I", data, COUNTS_AT))
        if n_under_way >= limits.max_concurrent:
            rule = f"may have {limits.max_concurrent} requests under way at a time, and has {n_under_way}"
            raise TooManyRequests(f"client {client} {rule}", BUSY_S)

    def _take_time(self, client: str, limits: Limits, record: int, data: bytes) -> None:
        if limits.rate_per_s is None:
            return
        now, interval_s = self._clock(), 1 / limits.rate_per_s
        n_at_once = limits.burst if limits.burst is not None else max(1.0, limits.rate_per_s)
        (on_time,) = struct.unpack_from("=d", data, ON_TIME_AT)
        next_on_time = max(now, on_time) + interval_s
        wait_s = next_on_time - n_at_once * interval_s - now
        # A billionth of a second late is on time: floats are not exact.
        if wait_s > 1e-9:
            rule = f"may ask {limits.rate_per_s:g} times a second, {n_at_once:g} times at once"
            raise TooManyRequests(f"client {client} {rule}", wait_s)
        os.pwrite(self._file, struct.pack("=d", next_on_time), record + ON_TIME_AT)

    def _count(self, record: int, change: int) -> None:
        """Changes the number of this worker, which nobody else writes, so that it needs no lock."""
        n_under_way = self._under_way.get(record, 0) + change
        self._under_way[record] = n_under_way
        os.pwrite(self._file, struct.pack("=I", n_under_way), record + COUNTS_AT + 4 * self._slot)

    @property
    def _record_bytes(self) -> int:
        return record_bytes(self._n_slots)

    def _offset(self, client: str) -> int:
        """Where the record of a client is; made if it is not there yet."""
        offset = self._offsets.get(client)
        if offset is None:
            digest = blake2b(client.encode(), digest_size=DIGEST_BYTES).digest()
            with _locked(self._file, APPENDING, 1):
                offset = self._found(digest)
            self._offsets[client] = offset
        return offset

    def _found(self, digest: bytes) -> int:
        """The record with this digest, appended if nobody has done so yet."""
        records = _records(self._file, self._n_slots)
        for offset in records:
            if os.pread(self._file, DIGEST_BYTES, offset) == digest:
                return offset
        os.pwrite(self._file, digest + bytes(self._record_bytes - DIGEST_BYTES), len(records) * self._record_bytes)
        return len(records) * self._record_bytes


def make_file() -> int:
    """A new, empty file for the counts. It has no name: nobody else can open it, nothing stays behind."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("gaal-limits")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def forget_worker(file: int, slot: int, n_slots: int) -> None:
    """Notes that the worker at this slot has nothing under way any more."""
    for offset in _records(file, n_slots):
        os.pwrite(file, bytes(4), offset + COUNTS_AT + 4 * slot)


def record_bytes(n_slots: int) -> int:
    return COUNTS_AT + 4 * n_slots


def _records(file: int, n_slots: int) -> range:
    """The offsets of the records that are whole: an appender may have been killed in the middle."""
    size = record_bytes(n_slots)
    return range(0, os.fstat(file).st_size - size + 1, size)


@contextmanager
def _locked(file: int, start: int, n_bytes: int) -> Iterator[None]:
    fcntl.lockf(file, fcntl.LOCK_EX, n_bytes, start)
    try:
        yield
    finally:
        fcntl.lockf(file, fcntl.LOCK_UN, n_bytes, start)
