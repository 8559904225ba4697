"""Parsed job documents that a scheduler keeps: a bounded amount, the last asked for."""

from __future__ import annotations

from eas_scheduler.storage.jobs import DocumentCache

DOCUMENT = {"task_list": [{"task": "null", "name": "x" * 10_000}]}


def test_as_much_is_kept_as_a_scheduler_can_bear() -> None:
    cache = DocumentCache()
    for job_id in range(2000):
        cache.remember()
        cache.put(job_id, DOCUMENT)
    kept = [job_id for job_id in range(2000) if cache.get(job_id) is not None]
    assert kept[-1] == 1999
    assert len(kept) * 10_000 <= 8 * 2**20


def test_what_was_not_asked_for_longest_goes_and_a_large_one_stays_for_itself() -> None:
    cache = DocumentCache(max_bytes=25_000)
    cache.put(1, DOCUMENT)
    cache.put(2, DOCUMENT)
    assert cache.get(1) is not None
    cache.put(3, DOCUMENT)
    assert [cache.get(job_id) is not None for job_id in (1, 2, 3)] == [True, False, True]
    cache.put(4, {"task_list": [{"name": "x" * 100_000}]})
    assert [cache.get(job_id) is not None for job_id in (1, 3, 4)] == [False, False, True]
