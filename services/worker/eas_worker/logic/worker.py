"""The supervisor: it holds attempts, moves them from the claim to the recorded report, and never does science."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from eas.background import cancel_and_wait
from eas.contracts.errors import EasError
from eas.contracts.scheduler import AttemptReport, ClaimResponse, OutputVersion, WorkerWelcome
from eas.contracts.states import FailureReason
from eas.isolation import describe_error
from eas_worker.domain.assignment import Answer, Assignment, Departure
from eas_worker.domain.clock_comparison import correct_times
from eas_worker.domain.prefetch import RunTimes
from eas_worker.domain.reports import (
    report_cancelled,
    report_death,
    report_evicted,
    report_overdue,
    report_undelivered,
    report_unstarted,
    report_what_can_be,
)
from eas_worker.domain.share import Share, share_out
from eas_worker.domain.terms import WorkerTerms
from eas_worker.domain.want_of_room import find_full_disk
from eas_worker.logic.active_attempt import ActiveAttempt, Instruction, Stage
from eas_worker.logic.claiming import Claimer
from eas_worker.logic.doorbells import Doorbells
from eas_worker.logic.heartbeat import Heartbeat
from eas_worker.logic.keeping import keep_going
from eas_worker.logic.ports import (
    ChildStarter,
    Disk,
    DoorbellSource,
    InputCache,
    ProductStore,
    WorkSource,
    Workspace,
)
from eas_worker.logic.registration import Registration
from eas_worker.logic.reporting import Reporter
from eas_worker.logic.room import Room
from eas_worker.logic.slot_pool import SlotPool
from eas_worker.logic.transfer import Transfer, TransferError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

#: How often to look for prefetched attempts behind one that takes long [s].
RELIEF_SECONDS = 0.5

#: If outputs take longer to store than this, more work is asked for meanwhile [s].
SLOW_DELIVERY = 0.05

#: How often to log where inputs came from [s].
COUNT_SECONDS = 600.0


class NoTaskTypesError(RuntimeError):
    """There is no task type that this worker could run."""


class Worker:
    """One worker.

    Parameters
    ----------
    terms
        Who it is.
    source
        Where work comes from.
    store
        Where files come from and go.
    child_starter
        Where children come from.
    workspace
        Where they work.
    cache
        Files that this host has already; None: nothing is kept.
    doorbells
        Where it hears that there is work; None: it only asks.
    on_ended
        Called when an attempt has ended in a child: its log records can be shipped.
    disk
        The disk that it works on; None: it always has room.
    on_correction
        Called with how far this host's clock is ahead of the scheduler's, whenever that is known better [s].
    """

    def __init__(
        self,
        terms: WorkerTerms,
        source: WorkSource,
        store: ProductStore,
        child_starter: ChildStarter,
        workspace: Workspace,
        *,
        cache: InputCache | None = None,
        doorbells: DoorbellSource | None = None,
        on_ended: Callable[[], None] = lambda: None,
        disk: Disk | None = None,
        on_correction: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._terms = terms
        self._source = source
        self._workspace = workspace
        self._doorbells = doorbells
        self._on_ended = on_ended
        self._registration = Registration(source, terms.announce(), on_correction)
        self._run_times = RunTimes(terms.horizon)
        self._transfer = Transfer(store, workspace, cache)
        self._slot_pool = SlotPool(
            child_starter,
            terms.slots,
            self._run_times,
            on_answer=self._take_answer,
            on_loss=self._take_loss,
            on_place=self._seek_work,
            on_due=self._ask_ahead,
            on_refused=self._take_refused,
            on_gone=self._clear_scratch,
        )
        self._room = Room(disk, cache, on_pause=self._pause, on_resume=self._resume)
        self._clearing: set[asyncio.Task[None]] = set()
        self._active_attempts: dict[int, ActiveAttempt] = {}
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._changed = asyncio.Event()
        self._evicting = False
        self._said = str(self._transfer.fetch_counts)
        self._claimer: Claimer | None = None

    def stop(self) -> None:
        """Stop in good order. Called a second time: at once."""
        if self._stop.is_set():
            logger.warning("worker %s stops at once", self._terms.worker_id)
            self._hurry.set()
        else:
            logger.info(
                "worker %s stops: it takes nothing more, and what runs has %g s to end",
                *(self._terms.worker_id, self._terms.grace_seconds),
            )
        self._stop.set()

    async def run(self) -> None:
        """Work until `stop` is called.

        Raises
        ------
        NoTaskTypesError
            There is nothing that it could run.
        InvalidInputError
            The scheduler refuses this worker.
        """
        try:
            await self._work()
        finally:
            await self._slot_pool.stop()
            await asyncio.gather(*self._clearing)
            self._log_fetches()
            await self._leave()

    async def _work(self) -> None:
        registration = self._registration
        if await self._unless_stopped(self._register()) is None:
            return
        claimer = self._claimer = Claimer(
            self._source,
            registration,
            self._slot_pool,
            self._run_times,
            active_attempts=self._active_attempts.values,
            task_types=registration.task_types,
            most=self._terms.most_claimed,
            on_claimed=self._take_claimed,
            paused=lambda: self._room.paused is not None,
        )
        self._reporter = Reporter(
            self._source,
            registration,
            wish=claimer.wish,
            on_settled=self._settle,
            on_claimed=self._take_claimed,
        )
        heartbeat = self._heartbeat = Heartbeat(
            self._source,
            registration,
            active_attempts=self._active_attempts.values,
            on_cancel=self._cancel,
            on_closed=self._forget,
            on_drain=self._drain,
            pause=lambda: self._room.paused,
        )
        await self._room.look()
        async with asyncio.TaskGroup() as group:
            claiming = group.create_task(
                keep_going("claiming", lambda: claimer.run(lambda: not self._reporter.is_idle))
            )
            loops: dict[str, Callable[[], Awaitable[None]]] = {
                "reporting": self._reporter.run,
                "heartbeat": heartbeat.run,
                "room": self._room.run,
                "relief": self._relieve,
                "fetch counts": self._count_fetches,
            }
            if self._doorbells is not None:
                answering = Doorbells(self._doorbells, claimer, claimer.count_room)
                loops["doorbells"] = lambda: answering.run(registration.task_types)
            rest = [group.create_task(keep_going(name, loop)) for name, loop in loops.items()]
            await self._stop.wait()
            claimer.stop()
            claiming.cancel()
            await self._wind_up()
            await cancel_and_wait(rest)

    async def _register(self) -> WorkerWelcome:
        types = await self._slot_pool.start(await self._find_share())
        if not types:
            raise NoTaskTypesError(
                "there is no task type that this worker could run; see its log for what was left out"
            )
        return await self._registration.offer(types)

    async def _find_share(self) -> Share:
        """Learn what each task may use. It has to be known before the science is imported, which is when it counts."""
        own = Share(
            self._terms.cpus_per_slot,
            slots=self._terms.slots,
            pinned=self._terms.pinned,
            memory_gb=self._terms.memory_gb,
        )
        if self._terms.container is None:
            return own
        assigned = (await self._registration.announce()).resources
        if assigned is None:
            return own
        share = share_out(assigned, own)
        logger.info(
            "container %s was given %g cores, %d GPUs and %g GB: %d slots with %d threads and %.3g GB each",
            *(self._terms.container, assigned.cpu, assigned.gpu, assigned.memory_gb),
            *(share.slots, share.threads, share.memory_gb or 0.0),
        )
        return share

    # --- from the claim to the report -----------------------------------------------------------------------------

    def _take_claimed(self, response: ClaimResponse) -> None:
        for claimed in response.attempts:
            if claimed.attempt_id in self._active_attempts:
                continue
            attempt = self._active_attempts[claimed.attempt_id] = ActiveAttempt(claimed)
            self._do(attempt, partial(self._begin, attempt))
        self._seek_work()

    def _begin(self, attempt: ActiveAttempt) -> None:
        if self._stop.is_set():
            self._end(attempt, report_evicted(attempt.claimed, "the worker is stopping"))
        elif self._room.paused is not None:
            self._end(attempt, report_evicted(attempt.claimed, f"the worker pauses: {self._room.paused}"))
        elif attempt.claimed.inputs:
            self._start(attempt, self._fetch(attempt))
        else:
            self._give(attempt, self._transfer.assign(attempt.claimed))

    def _do(self, attempt: ActiveAttempt, action: Callable[[], None]) -> None:
        """Do something with an attempt. Whatever is raised ends this attempt, and nothing else."""
        try:
            action()
        except Exception as error:
            self._fail(attempt, error)

    def _start(self, attempt: ActiveAttempt, action: Coroutine[Any, Any, None]) -> None:
        """Begin to move an attempt's files. Whatever is raised ends this attempt, and nothing else."""

        async def act() -> None:
            try:
                await action
            except Exception as error:
                self._fail(attempt, error)

        attempt.transfer = asyncio.create_task(act())

    def _fail(self, attempt: ActiveAttempt, error: Exception) -> None:
        words = f"the worker could not handle the attempt: {describe_error(error)}"
        logger.error("attempt %d: %s", attempt.attempt_id, words, exc_info=error)
        if attempt.stage is not Stage.ENDED:
            self._end(attempt, report_unstarted(attempt.claimed, FailureReason.INFRASTRUCTURE, words))

    async def _fetch(self, attempt: ActiveAttempt) -> None:
        begun = asyncio.get_running_loop().time()
        try:
            assignment = await self._transfer.fetch(attempt.claimed)
        except TransferError as error:
            if find_full_disk(error) is not None and (words := self._explain_shortage(attempt)) is not None:
                self._give_back(attempt, words)
                return
            await self._workspace.remove(attempt.attempt_id)
            self._end(attempt, report_unstarted(attempt.claimed, error.reason, error.message))
            return
        seconds = asyncio.get_running_loop().time() - begun
        self._run_times.observe_fetch(attempt.claimed.task_type, seconds)
        self._give(attempt, assignment)

    def _give(self, attempt: ActiveAttempt, assignment: Assignment) -> None:
        if ahead := self._registration.clock.correction:
            assignment = replace(assignment, clock_ahead=ahead)
        attempt.assignment = assignment
        self._slot_pool.give(attempt)

    def _take_answer(self, attempt: ActiveAttempt, answer: Answer) -> None:
        self._on_ended()
        self._do(attempt, partial(self._use_answer, attempt, answer))
        self._seek_work()

    def _use_answer(self, attempt: ActiveAttempt, answer: Answer) -> None:
        if answer.state == "accepted":
            self._room.note_success()
        if attempt.wish is Instruction.GO_ON and answer.reason is FailureReason.EVICTED:
            self._give_back(attempt, answer.message or "the worker's disk is full")
        elif attempt.wish is Instruction.GO_ON and not answer.outputs:
            self._end(attempt, report_what_can_be(attempt.claimed, answer, []))
        elif attempt.wish is Instruction.GO_ON:
            attempt.stage = Stage.STORING
            self._start(attempt, self._deliver(attempt, answer))
        else:
            self._clean_up(attempt, report_cancelled(attempt.claimed))

    async def _deliver(self, attempt: ActiveAttempt, answer: Answer) -> None:
        outputs: list[OutputVersion] = []
        # Reports ask for more work; this one may take its time.
        asking = asyncio.get_running_loop().call_later(SLOW_DELIVERY, self._ask_ahead)
        try:
            outputs = await self._transfer.deliver(attempt.claimed, answer)
            report = report_what_can_be(attempt.claimed, answer, outputs)
        except TransferError as error:
            report = report_undelivered(attempt.claimed, answer, error.reason, error.message)
        finally:
            asking.cancel()
        self._end(attempt, report)
        if outputs:
            await self._transfer.keep(answer, outputs)
        await self._workspace.remove(attempt.attempt_id)

    def _take_loss(self, attempt: ActiveAttempt, departure: Departure) -> None:
        self._on_ended()
        self._do(attempt, partial(self._use_loss, attempt, departure))
        self._seek_work()

    def _use_loss(self, attempt: ActiveAttempt, departure: Departure) -> None:
        if attempt.overdue:
            report = report_overdue(attempt.claimed)
        elif self._evicting:
            report = report_evicted(attempt.claimed, "the worker was stopped and could not wait")
        elif departure.may_be_for_want_of_room and (words := self._explain_shortage(attempt, full=True)) is not None:
            self._room.note_full(words)
            report = report_evicted(attempt.claimed, words)
        else:
            report = report_death(attempt.claimed, departure)
        self._clean_up(attempt, report)

    def _take_refused(self, attempt: ActiveAttempt, error: Exception) -> None:
        """A child cannot be given an attempt: there is no room for the message, say."""
        if find_full_disk(error) is not None and (words := self._explain_shortage(attempt)) is not None:
            self._give_back(attempt, words)
            return
        message = f"the attempt cannot be given to its process: {error}"
        self._clean_up(attempt, report_unstarted(attempt.claimed, FailureReason.INFRASTRUCTURE, message))

    # --- a disk that is full --------------------------------------------------------------------------------------

    def _pause(self) -> None:
        """Hand back what has not begun, so that others take it; what runs goes on."""
        for attempt in list(self._active_attempts.values()):
            if attempt.stage is Stage.FETCHING and attempt.transfer is not None:
                attempt.transfer.cancel()
                self._clean_up(attempt, report_evicted(attempt.claimed, f"the worker pauses: {self._room.paused}"))
        self._hand_back(self._slot_pool.recall_unstarted(), f"the worker pauses: {self._room.paused}")
        self._heartbeat.hurry()

    def _resume(self) -> None:
        self._heartbeat.hurry()
        self._seek_work()

    def _explain_shortage(self, attempt: ActiveAttempt, *, full: bool = False) -> str | None:
        folders = (self._workspace.folder(attempt.attempt_id), self._workspace.scratch(attempt.child_pid))
        return self._room.explain(*folders, full=full)

    def _give_back(self, attempt: ActiveAttempt, words: str) -> None:
        """Another worker, or this one later, has room for an attempt."""
        self._clean_up(attempt, report_evicted(attempt.claimed, words))
        self._room.note_full(words)

    def _clear_scratch(self, child_pid: int) -> None:
        task = asyncio.create_task(self._workspace.remove_scratch(child_pid))
        self._clearing.add(task)
        task.add_done_callback(self._clearing.discard)

    def _clean_up(self, attempt: ActiveAttempt, report: AttemptReport) -> None:
        """Remove the working directory, and report: what is given here unless the scheduler has said otherwise."""
        attempt.stage = Stage.STORING
        self._start(attempt, self._remove_and_report(attempt, report))

    async def _remove_and_report(self, attempt: ActiveAttempt, report: AttemptReport) -> None:
        await self._workspace.remove(attempt.attempt_id)
        match attempt.wish:
            case Instruction.GO_ON:
                self._end(attempt, report)
            case Instruction.CANCEL:
                self._end(attempt, report_cancelled(attempt.claimed))
            case Instruction.FORGET:
                self._settle(attempt.attempt_id)

    def _end(self, attempt: ActiveAttempt, report: AttemptReport) -> None:
        attempt.stage = Stage.ENDED
        attempt.transfer = None
        self._reporter.add(correct_times(report, self._registration.clock.correction))
        self._changed.set()

    def _settle(self, attempt_id: int) -> None:
        self._active_attempts.pop(attempt_id, None)
        self._changed.set()
        self._seek_work()

    def _seek_work(self) -> None:
        if self._claimer is not None:
            self._claimer.wake()

    def _ask_ahead(self) -> None:
        if self._claimer is not None:
            self._claimer.ask_ahead()

    # --- what the scheduler says meanwhile ------------------------------------------------------------------------

    def _cancel(self, attempt_id: int) -> None:
        self._break_off(attempt_id, Instruction.CANCEL)

    def _forget(self, attempt_id: int) -> None:
        self._break_off(attempt_id, Instruction.FORGET)

    def _drain(self) -> None:
        if not self._stop.is_set():
            logger.warning("the scheduler says that this worker is to stop")
            self.stop()

    def _break_off(self, attempt_id: int, wish: Instruction) -> None:
        attempt = self._active_attempts.get(attempt_id)
        if attempt is None or attempt.stage is Stage.ENDED or attempt.wish is not Instruction.GO_ON:
            return
        logger.warning("attempt %d: stopped, the scheduler says %s", attempt_id, wish.name.lower())
        attempt.wish = wish
        if attempt.stage in (Stage.FETCHING, Stage.STORING):
            if attempt.transfer is not None:
                attempt.transfer.cancel()
            self._clean_up(attempt, report_cancelled(attempt.claimed))
        elif self._slot_pool.stop_attempt(attempt):
            self._clean_up(attempt, report_cancelled(attempt.claimed))

    async def _relieve(self) -> None:
        while True:
            await asyncio.sleep(RELIEF_SECONDS)
            self._hand_back(self._slot_pool.relieve(), "its slot is busy with a longer task")

    async def _count_fetches(self) -> None:
        while True:
            await asyncio.sleep(COUNT_SECONDS)
            self._log_fetches()

    def _log_fetches(self) -> None:
        if (said := str(self._transfer.fetch_counts)) != self._said:
            self._said = said
            logger.info("so far %s", said)

    def _hand_back(self, unstarted: list[ActiveAttempt], message: str) -> None:
        for attempt in unstarted:
            report = report_evicted(attempt.claimed, message)
            if attempt.claimed.inputs:
                self._clean_up(attempt, report)
            else:
                self._end(attempt, report)

    # --- the end --------------------------------------------------------------------------------------------------

    async def _wind_up(self) -> None:
        """Hand back what has not begun, let the rest end within the grace period, and see the last report out."""
        for attempt in list(self._active_attempts.values()):
            if attempt.stage is Stage.FETCHING and attempt.transfer is not None:
                attempt.transfer.cancel()
                self._clean_up(attempt, report_evicted(attempt.claimed, "the worker is stopping"))
        self._hand_back(self._slot_pool.take_unstarted(), "the worker is stopping")
        await self._wait_for_the_running(self._terms.grace_seconds)
        self._evicting = True
        for attempt in list(self._active_attempts.values()):
            if attempt.stage is Stage.STORING and attempt.transfer is not None and not attempt.transfer.done():
                attempt.transfer.cancel()
                report = report_evicted(attempt.claimed, "the worker was stopped and could not store its outputs")
                self._clean_up(attempt, report)
            elif attempt.stage in (Stage.GIVEN, Stage.CHECKING):
                self._slot_pool.stop_attempt(attempt)
        await self._wait_for_the_running(self._terms.drain_seconds)
        try:
            async with asyncio.timeout(self._terms.drain_seconds):
                await self._reporter.drained()
        except TimeoutError:
            logger.warning(
                "stopping with %d attempts unreported; their leases will run out", len(self._active_attempts)
            )

    async def _wait_for_the_running(self, seconds: float) -> None:
        hurry = asyncio.create_task(self._hurry.wait())
        try:
            async with asyncio.timeout(seconds):
                while any(attempt.stage is not Stage.ENDED for attempt in self._active_attempts.values()):
                    self._changed.clear()
                    change = asyncio.create_task(self._changed.wait())
                    await asyncio.wait({change, hurry}, return_when=asyncio.FIRST_COMPLETED)
                    change.cancel()
                    if hurry.done() and not self._evicting:
                        return
        except TimeoutError:
            pass
        finally:
            hurry.cancel()

    async def _leave(self) -> None:
        if not self._registration.is_known:
            return
        try:
            async with asyncio.timeout(self._terms.drain_seconds):
                await self._source.dismiss(self._terms.worker_id, in_good_order=self._stop.is_set())
        except (EasError, TimeoutError) as error:
            logger.info("the scheduler was not told that this worker is gone: %s", error)

    async def _unless_stopped(self, action: Coroutine[Any, Any, Result]) -> Result | None:
        """Do something; None where the worker was told to stop before it was done."""
        task = asyncio.create_task(action)
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            return await task if task.done() else None
        finally:
            task.cancel()
            stop.cancel()
