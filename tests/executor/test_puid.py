"""Prediction ids are UUIDs, and no two are the same, in whatever thread or process they are made."""

from __future__ import annotations

import os
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from gaal.executor.puid import N_DRAWN, new_puid


def test_they_are_random_uuids() -> None:
    for _ in range(3 * N_DRAWN):
        made = uuid.UUID(new_puid())
        assert made.version == 4
        assert made.variant == uuid.RFC_4122


def test_no_two_are_the_same_across_threads() -> None:
    with ThreadPoolExecutor(8) as threads:
        batches = list(threads.map(lambda _: [new_puid() for _ in range(500)], range(16)))
    made = [puid for batch in batches for puid in batch]
    assert len(set(made)) == len(made)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_makes_ids_of_its_own() -> None:
    new_puid()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, new_puid().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 36).decode() not in {new_puid() for _ in range(N_DRAWN)}
    os.close(read)
    os.close(write)
