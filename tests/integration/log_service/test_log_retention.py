"""Records go by age, level and size, with all that refers to them, and never by a dry run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from eas.client.log_service import LogClient
from eas.contracts.errors import ForbiddenError, InvalidInputError
from eas.contracts.log_retention import RetentionPolicy, RetentionRule
from eas.contracts.logs import Completeness, LogBatch, LogQuery, LogScope, StreamEnding
from eas.http.auth import AccessScope, Principal, write_tokens_file
from eas_logging.main import create_app
from eas_logging.settings import LoggingSettings
from tests.integration.log_service.conftest import MakeDatabase, MakeRecord

DAY = timedelta(days=1)
RULES = [RetentionRule(max_level=10, older_than_days=2), RetentionRule(max_level=30, older_than_days=10)]


@pytest.fixture
async def aged(logs: LogClient, make_record: MakeRecord) -> LogClient:
    """Records of three levels, one a day for twenty days, all of one attempt that has ended."""
    now = datetime.now(UTC)
    records = [
        make_record(
            3 * age + place, level=level, time=now - age * DAY - timedelta(hours=1), message=f"aged {level} {age}"
        )
        for age in range(20)
        for place, level in enumerate((10, 20, 40))
    ]
    await logs.ingest(
        LogBatch(records=records, endings=[StreamEnding(attempt_id=1, stream="worker-1:5:a", emitted=60)])
    )
    return logs


async def test_a_dry_run_says_what_a_run_then_does(aged: LogClient) -> None:
    policy = RetentionPolicy(rules=RULES)
    preview = await aged.preview_retention(policy)
    assert (preview.dry_run, preview.expired, preview.over_size) == (True, {10: 18, 20: 10}, 0)
    assert (await aged.preview_retention()).expired == {}
    assert (await aged.counts(LogScope())).total == 60
    assert await aged.set_retention(policy) == await aged.get_retention() == policy
    report = await aged.run_retention()
    assert (report.dry_run, report.expired) == (False, {10: 18, 20: 10})
    assert (await aged.counts(LogScope())).levels == {10: 2, 20: 10, 40: 20}
    assert (await aged.run_retention()).expired == {}


async def test_what_is_gone_is_not_found_by_words_and_what_stays_is(aged: LogClient) -> None:
    assert len((await aged.list_records(LogQuery(text="aged"))).items) == 60
    await aged.set_retention(RetentionPolicy(rules=RULES))
    await aged.run_retention()
    for query in (LogQuery(text="aged"), LogQuery(attempt_id=1), LogQuery(text="aged", attempt_id=1)):
        found = (await aged.list_records(query)).items
        assert len(found) == 32
        assert all(record.message == f"aged {record.level} {record.message.split()[-1]}" for record in found)


async def test_what_was_removed_had_arrived(aged: LogClient) -> None:
    await aged.set_retention(RetentionPolicy(rules=RULES))
    await aged.run_retention()
    found = await aged.completeness(1)
    assert (found.state, found.emitted, found.stored, found.removed) == (Completeness.COMPLETE, 60, 32, 28)


async def test_beyond_its_size_the_first_to_arrive_go_and_ids_are_not_used_again(
    logs: LogClient, make_record: MakeRecord
) -> None:
    for start in range(0, 20_000, 5_000):
        text = "x" * 200
        batch = [make_record(number, message=f"{text} {number}") for number in range(start, start + 5_000)]
        await logs.ingest(LogBatch(records=batch))
    await logs.list_records(LogQuery(text="1"))
    used = (await logs.preview_retention()).used_bytes
    policy = RetentionPolicy(max_bytes=used // 2)
    assert 5_000 < (await logs.preview_retention(policy)).over_size < 15_000
    await logs.set_retention(policy)
    report = await logs.run_retention()
    assert report.used_bytes <= used // 2
    assert 5_000 < report.over_size < 20_000
    (first,) = (await logs.list_records(LogQuery(limit=1))).items
    assert first.sequence == report.over_size
    await logs.set_retention(RetentionPolicy(max_bytes=0))
    await logs.run_retention()
    (last,) = (await logs.list_records(LogQuery())).items
    assert last.sequence == 19_999
    await logs.ingest(LogBatch(records=[make_record(20_000)]))
    assert [item.record_id for item in (await logs.list_records(LogQuery())).items] == [20_000, 20_001]


async def test_it_goes_by_itself(make_database: MakeDatabase, make_record: MakeRecord) -> None:
    settings = LoggingSettings(database_url=make_database("logging"), retention_every_seconds=0.05)
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        LogClient("http://logs", None, transport=httpx.ASGITransport(app)) as logs,
    ):
        await logs.set_retention(RetentionPolicy(rules=RULES))
        old = datetime.now(UTC) - 3 * DAY
        await logs.ingest(LogBatch(records=[make_record(number, level=10, time=old) for number in range(10)]))
        while (await logs.counts(LogScope())).total > 1:  # the newest stays
            pass


async def test_only_operators_may_and_only_dry_runs_take_a_policy(
    tmp_path: Path, make_database: MakeDatabase, logs: LogClient, http: httpx.AsyncClient
) -> None:
    answer = await http.post("retention/runs?dry_run=false", json={"rules": []})
    assert (answer.status_code, answer.json()["where"]) == (422, "body")
    with pytest.raises(InvalidInputError):
        await logs._call(RetentionPolicy, "PUT", "retention", body=RetentionRule(max_level=10, older_than_days=1))
    tokens = tmp_path / "tokens.json"
    write_tokens_file(tokens, {"r": Principal("ada", frozenset({AccessScope.READ, AccessScope.WORK}))})
    app = create_app(LoggingSettings(database_url=make_database("other"), tokens_file=tokens))
    async with app.router.lifespan_context(app), LogClient("http://l", "r", transport=httpx.ASGITransport(app)) as ada:
        for call in (ada.get_retention, ada.run_retention, ada.preview_retention):
            with pytest.raises(ForbiddenError, match="operate"):
                await call()
