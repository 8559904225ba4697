"""Lets attempts adopt what equal attempts made, instead of being run.

Attempts of jobs with re-use are kept on hold until they were looked at here; whether a worker is there does not matter.
What adopts nothing goes to its queue. What adopts something ends here, and what depends on it is looked at next: in the
same transaction, so that a job that has been run before moves on quickly, but never more than so many attempts at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from secrets import token_hex

from eas.contracts.errors import UnavailableError
from eas.contracts.products import Adoption, AdoptionAnswer
from eas.contracts.reuse import ReuseDecision, ReuseView
from eas.contracts.scheduler import AttemptReport, OutputVersion
from eas.isolation import describe_error, handle_each, is_passing
from eas_scheduler.domain.attempt import QueuedAttempt
from eas_scheduler.domain.policies import RetryLimits
from eas_scheduler.domain.prepared import PreparedAttempt
from eas_scheduler.domain.reuse import AcceptedAttempt, compare, describe_adopted, plan_adoptions
from eas_scheduler.logic.polls import Delivery, Polls
from eas_scheduler.logic.ports import Transactor, UnitOfWork, VersionAdopter
from eas_scheduler.logic.preparation import prepare_attempts
from eas_scheduler.logic.progress import SCHEDULER, settle, take_attempts
from eas_scheduler.logic.wakeups import Wakeups

logger = logging.getLogger(__name__)

_AT_ONCE = 200
#: The most attempts that one transaction decides on, so that workers are heard in between.
_MOST_DECIDED = 400
_LONGEST_PAUSE_S = 10.0
_LEASE = timedelta(minutes=1)


@dataclass(frozen=True)
class _Match:
    """An attempt, and the equal one that was accepted."""

    prepared: PreparedAttempt
    source: AcceptedAttempt
    adoptions: Sequence[Adoption] = ()

    @property
    def attempt_id(self) -> int:
        return self.prepared.attempt.attempt_id


@dataclass
class _Findings:
    """What one look found: matches for which the product store must act first, and where to go on."""

    matches: list[_Match] = field(default_factory=list)
    after: int = 0
    more: bool = False


class Reuse:
    """Decides on undecided attempts.

    Parameters
    ----------
    transactor, wakeups, polls
        Of the scheduler.
    adopter
        The product store.
    limits
        Of retries.
    """

    def __init__(
        self,
        transactor: Transactor,
        wakeups: Wakeups,
        polls: Polls,
        adopter: VersionAdopter,
        limits: RetryLimits,
    ) -> None:
        self._transactor = transactor
        self._wakeups = wakeups
        self._polls = polls
        self._adopter = adopter
        self._limits = limits

    async def run(self) -> None:
        """Decide for ever: once after the start, and then on each wake-up.

        While the product store cannot be reached, what would adopt files waits: it would have to be stored there, too.
        """
        pause = 0.1
        while True:
            self._wakeups.reuse.clear()
            try:
                await self.decide()
            except UnavailableError as error:
                logger.warning("nothing can be adopted: %s; next try in %.1f s", error, pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                continue
            pause = 0.1
            await self._wakeups.reuse.wait()

    async def decide(self) -> None:
        """Decide on all attempts that are undecided now, and on those that this makes ready.

        Raises
        ------
        UnavailableError
            The product store cannot be reached. What does not need it was decided on.
        """
        after = 0
        unavailable: UnavailableError | None = None
        while True:
            found = await self._look(after)
            after = found.after
            if found.matches and unavailable is None:
                try:
                    await self._adopt_files(found.matches)
                except UnavailableError as error:
                    unavailable = error
            if not found.more and not (found.matches and unavailable is None):
                break
        if unavailable is not None:
            raise unavailable

    async def _look(self, after: int) -> _Findings:
        """Look at undecided attempts; decide at once on those that need nothing of the product store.

        An attempt on which nothing can be decided, whatever is raised, is released: it runs.
        """
        try:
            return await self._polls.serve_during(lambda delivery: self._look_together(after, delivery))
        except Exception as error:
            if is_passing(error):
                raise
            logger.exception("attempts that might adopt something cannot be decided on together")
        attempts = await self._transactor.run(lambda unit: unit.reuse.find_undecided(after, _AT_ONCE))
        found = _Findings(after=attempts[-1].attempt_id if attempts else after, more=bool(attempts))

        async def decide(part: Sequence[QueuedAttempt]) -> None:
            found.matches.extend(await self._decide_on(part))

        await handle_each(attempts, decide, self._release)
        return found

    async def _decide_on(self, attempts: Sequence[QueuedAttempt]) -> list[_Match]:
        def command(unit: UnitOfWork) -> list[_Match]:
            undecided = unit.reuse.keep_undecided([attempt.attempt_id for attempt in attempts])
            still = [attempt for attempt in attempts if attempt.attempt_id in undecided]
            return _Decision(unit, self._limits).decide(prepare_attempts(unit, still))

        return await self._transactor.run(command)

    async def _release(self, attempt: QueuedAttempt, error: Exception) -> None:
        """Let an attempt run, since it cannot be found out what it could adopt."""
        words = f"the scheduler could not look for something to adopt: {describe_error(error)}"
        logger.error("attempt %d: %s", attempt.attempt_id, words, exc_info=error)

        def command(unit: UnitOfWork) -> None:
            if unit.reuse.keep_undecided([attempt.attempt_id]):
                view = ReuseView(decision=ReuseDecision.UNUSABLE, message=words)
                unit.reuse.mark_decided({attempt.attempt_id: view})
                unit.changes.note_room(attempt.task_type)

        await self._transactor.run(command)

    async def _look_together(self, after: int, delivery: Delivery) -> _Findings:
        def command(unit: UnitOfWork) -> _Findings:
            found = _Findings(after=after)
            decided = 0
            while decided < _MOST_DECIDED:
                attempts = unit.reuse.find_undecided(found.after, _AT_ONCE)
                if not attempts:
                    break
                found.after = attempts[-1].attempt_id
                decided += len(attempts)
                matches = _Decision(unit, self._limits).decide(prepare_attempts(unit, attempts))
                found.matches.extend(matches)
            else:
                found.more = True
            delivery.serve(unit)
            return found

        return await self._transactor.run(command)

    async def _adopt_files(self, matches: Sequence[_Match]) -> None:
        """Let the product store adopt first, and record it then: a version that is recorded is there.

        The other order could show readers a version that the store does not have yet. If the scheduler stops in
        between, the same question gets the same answer.
        """
        answered = await self._ask(matches)
        try:
            await self._polls.serve_during(lambda delivery: self._record(matches, answered, delivery))
        except Exception as error:
            if is_passing(error):
                raise
            logger.exception("what was adopted cannot be recorded together")
            await handle_each(
                matches,
                lambda part: self._record(part, answered, Delivery(None)),
                lambda match, fault: self._release(match.prepared.attempt, fault),
            )

    async def _record(
        self, matches: Sequence[_Match], answered: Mapping[int, Sequence[AdoptionAnswer]], delivery: Delivery
    ) -> None:
        def command(unit: UnitOfWork) -> None:
            open_ids = unit.reuse.keep_undecided([match.attempt_id for match in matches])
            still = [match for match in matches if match.attempt_id in open_ids]
            _Decision(unit, self._limits).finish(still, answered)
            delivery.serve(unit)

        await self._transactor.run(command)

    async def _ask(self, matches: Sequence[_Match]) -> dict[int, list[AdoptionAnswer]]:
        """Ask the product store, by attempt. What it refuses cannot be adopted; the other attempts' versions can."""
        answered: dict[int, list[AdoptionAnswer]] = {}

        async def ask(part: Sequence[_Match]) -> None:
            answers = await self._adopter.adopt([adoption for match in part for adoption in match.adoptions])
            if len(answers) != sum(len(match.adoptions) for match in part):
                raise ValueError(f"the product store gave {len(answers)} answers for another number of questions")
            following = iter(answers)
            answered.update({match.attempt_id: [next(following) for _ in match.adoptions] for match in part})

        async def refuse(match: _Match, error: Exception) -> None:
            logger.error("attempt %d: the product store refuses an adoption", match.attempt_id, exc_info=error)
            answered[match.attempt_id] = [AdoptionAnswer(message=describe_error(error))] * len(match.adoptions)

        await handle_each(matches, ask, refuse)
        return answered


class _Decision:
    """Decides on prepared attempts in one transaction."""

    def __init__(self, unit: UnitOfWork, limits: RetryLimits) -> None:
        self._unit = unit
        self._limits = limits

    def decide(self, prepared: Sequence[PreparedAttempt]) -> list[_Match]:
        """Adopt what has no files, release what matches nothing, and return what the product store must see."""
        task_types = self._unit.registry.find_task_types()
        adoptable = []
        released: dict[int, ReuseView] = {}
        for one in prepared:
            specification = task_types.get(one.task.task_type)
            if specification is not None and specification.open_outputs:
                words = "its task type reads files that only it knows"
                released[one.attempt.attempt_id] = ReuseView(decision=ReuseDecision.NOT_REUSABLE, message=words)
            elif one.fingerprint is None:
                released[one.attempt.attempt_id] = compare(one, None)
            else:
                adoptable.append((one, one.fingerprint.digest))
        accepted = self._unit.reuse.find_accepted({digest for _, digest in adoptable})
        matches: list[_Match] = []
        for one, digest in adoptable:
            source = accepted.get(digest)
            if source is None:
                released[one.attempt.attempt_id] = compare(one, self._unit.reuse.find_nearest(one))
            else:
                matches.append(_Match(one, source, plan_adoptions(one, source)))
        self._release(prepared, released)
        self._adopt([(match, []) for match in matches if not match.adoptions])
        return [match for match in matches if match.adoptions]

    def finish(self, matches: Sequence[_Match], answered: Mapping[int, Sequence[AdoptionAnswer]]) -> None:
        """Record what the product store adopted; what it refused goes to its queue."""
        adopted: list[tuple[_Match, list[OutputVersion]]] = []
        released: dict[int, ReuseView] = {}
        for match in matches:
            outputs = [
                describe_adopted(adoption, answer.version)
                for adoption, answer in zip(match.adoptions, answered[match.attempt_id], strict=True)
                if answer.version is not None
            ]
            if len(outputs) == len(match.adoptions):
                adopted.append((match, outputs))
                continue
            words = "; ".join(answer.message for answer in answered[match.attempt_id] if answer.message)
            released[match.attempt_id] = ReuseView(
                decision=ReuseDecision.UNUSABLE, source=match.source.source, message=words
            )
        self._release([match.prepared for match in matches], released)
        self._adopt(adopted)

    def _release(self, prepared: Sequence[PreparedAttempt], records: Mapping[int, ReuseView]) -> None:
        """Let attempts be claimed."""
        if not records:
            return
        self._unit.reuse.mark_decided(records)
        for one in prepared:
            if one.attempt.attempt_id in records:
                self._unit.changes.note_room(one.attempt.task_type)

    def _adopt(self, adopted: Sequence[tuple[_Match, Sequence[OutputVersion]]]) -> None:
        """Run attempts from queued to accepted, with the outcome of those that they are equal to."""
        if not adopted:
            return
        unit, changes = self._unit, self._unit.changes
        token = token_hex(8)
        attempts = [match.prepared.attempt for match, _ in adopted]
        take_attempts(unit, attempts, SCHEDULER, token, _LEASE)
        for attempt in attempts:
            changes.note_room(attempt.task_type)  # it was not counted as queued
        unit.attempts.record_preparation([match.prepared for match, _ in adopted])
        unit.reuse.mark_adopted(
            {
                match.attempt_id: ReuseView(decision=ReuseDecision.ADOPTED, source=match.source.source)
                for match, _ in adopted
            }
        )
        known = unit.attempts.find_known([match.attempt_id for match, _ in adopted])
        ended = [
            (
                known[match.attempt_id],
                AttemptReport(
                    attempt_id=match.attempt_id,
                    lease_token=token,
                    state="accepted",
                    started_at=changes.at,
                    metadata=match.source.metadata,
                    outputs=list(outputs),
                ),
            )
            for match, outputs in adopted
        ]
        settle(unit, ended, self._limits)
