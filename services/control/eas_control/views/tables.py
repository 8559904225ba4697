"""Lists as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from eas.contracts.states import JobState
from eas.quantities import show_quantity
from eas_control.views.text import (
    OUTCOME_STYLES,
    make_table,
    metadata_text,
    number_text,
    plain,
    state_text,
    styled,
    time_text,
)

if TYPE_CHECKING:
    from eas.contracts.containers import ContainerView
    from eas.contracts.execution import TaskTypeRules
    from eas.contracts.logs import StoredRecord
    from eas.contracts.products import ProductView
    from eas.contracts.scheduler import JobPlan, JobView, ResultView, TaskCounts, TaskTypeView, TaskView, WorkerView

_LEVEL_STYLES = ((40, "red"), (30, "yellow"), (20, ""), (0, "dim"))
LEVEL_NAMES = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}


def describe_counts(counts: TaskCounts) -> str:
    """Write the counts of a job's tasks that are not zero."""
    found = [f"{number} {state}" for state, number in counts.model_dump().items() if number]
    return ", ".join(found) or "no tasks"


def describe_job(job: JobView) -> Text:
    """Write a job's state in one line."""
    name = f" {plain(job.name)}" if job.name else ""
    state = state_text(_state_word(job))
    return Text.assemble(f"job {job.job_id}{name}: ", state, f" ({describe_counts(job.counts)})")


def _state_word(job: JobView) -> str:
    return "paused" if job.paused and job.state is JobState.RUNNING else job.state.value


def tabulate_plan(plan: JobPlan) -> Table:
    """What a job would make: one line a task type, the sums, and where more will follow."""
    table = make_table("type", "tasks", right=("tasks",))
    for task_type, count in plan.task_types.items():
        table.add_row(plain(task_type), str(count))
    table.add_row("all tasks", str(plan.tasks))
    table.add_row("products", str(plan.products))
    if plan.new_versions:
        table.add_row("new versions", str(plan.new_versions))
    for found in plan.estimates:
        name = f"{found.quantity} of {found.task_type} {found.condition}".rstrip()
        largest, total = show_quantity(found.largest, found.unit), show_quantity(found.total, found.unit)
        table.add_row(plain(name), f"{total}, at most {largest} a task")
    for place in plan.deferred:
        table.add_row(f"more at {plain(place.where)} ({plain(place.task_type)})", f"{place.tasks} times")
    return table


def tabulate_jobs(jobs: Iterable[JobView]) -> Table:
    """One line a job."""
    table = make_table("job", "name", "state", "tasks", "submitted", "finished", right=("job",))
    for job in jobs:
        table.add_row(
            str(job.job_id),
            plain(job.name or "-"),
            state_text(_state_word(job)),
            describe_counts(job.counts),
            time_text(job.submitted_at),
            time_text(job.finished_at),
        )
    return table


def tabulate_results(results: Iterable[ResultView]) -> Table:
    """One line a finished task: what it inherited, and what was found against what was injected."""
    numbers = ("task", "period [d]", "target [d]", "depth [ppm]", "SDE or power")
    table = make_table("task", "type", "name", "with", *numbers[1:], "outcome", "state", right=numbers)
    for result in results:
        found = result.metadata
        depth = found.get("transit_depth")
        table.add_row(
            str(result.task_id),
            plain(result.task_type),
            plain(result.name or "-"),
            metadata_text(result.inherited) or "-",
            number_text(found.get("period")),
            number_text(found.get("target_period")),
            f"{depth * 1e6:.0f}" if isinstance(depth, float) else "-",
            number_text(found.get("sde", found.get("power")), 4),
            styled(result.outcome, OUTCOME_STYLES),
            state_text(result.state.value),
        )
    return table


def tabulate_products(products: Iterable[ProductView]) -> Table:
    """One line a product with its latest version."""
    right = ("product", "versions", "bytes")
    table = make_table("product", "name", "kind", "versions", "bytes", "QC", "MD5", "made", right=right)
    for product in products:
        latest = product.latest
        name = f"{product.directory}/{product.filename}" if product.directory else product.filename
        passed = None if latest is None else {None: "-", True: "PASS", False: "FAIL"}[latest.passed_qc]
        table.add_row(
            str(product.product_id),
            plain(name),
            plain(product.semantic_type),
            str(product.versions),
            str(latest.size) if latest else "-",
            styled(passed, OUTCOME_STYLES),
            latest.md5 if latest else "-",
            time_text(latest.created_at) if latest else "planned",
        )
    return table


def tabulate_workers(workers: Iterable[WorkerView]) -> Table:
    """One line a worker."""
    table = make_table(
        *("worker", "container", "host", "process", "slots", "running", "last heard", "clock", ""),
        right=("slots", "running", "clock"),
    )
    now = datetime.now(UTC)
    for worker in workers:
        silence = (now - worker.last_heard_at).total_seconds()
        table.add_row(
            plain(worker.worker_id),
            plain(worker.container or "-"),
            plain(worker.host),
            str(worker.process_id),
            str(worker.slots),
            str(worker.running),
            f"{max(silence, 0):.0f} s ago",
            "-" if worker.clock_offset is None else f"{round(worker.clock_offset, 1) + 0.0:+.1f} s",
            _presence_text(worker),
        )
    return table


def _presence_text(worker: WorkerView) -> Text:
    if worker.gone:
        return Text("gone", "dim")
    if worker.paused is not None:
        return Text(f"paused: {plain(worker.paused)}", "yellow")
    return Text("here", "green")


def tabulate_containers(containers: Iterable[ContainerView]) -> Table:
    """One line a kind of worker; what it was given, with what it asks for in brackets where that differs."""
    table = make_table(
        "container", "cores", "GPUs", "memory [GB]", "task types", right=("cores", "GPUs", "memory [GB]")
    )
    for found in containers:
        given, asked = found.assigned, found.requested
        table.add_row(
            plain(found.name),
            _given_text(given.cpu, asked.cpu),
            _given_text(given.gpu, asked.gpu),
            _given_text(given.memory_gb, asked.memory_gb),
            plain(" ".join(found.task_types) or "-"),
        )
    return table


def _given_text(given: float, asked: float) -> str:
    return number_text(given) if given == asked else f"{number_text(given)} ({number_text(asked)})"


def tabulate_task_types(task_types: Iterable[TaskTypeView]) -> Table:
    """One line a task type; optional slots in brackets."""
    table = make_table("type", "version", "inputs", "outputs", "settings")
    for found in task_types:
        inputs, outputs = (
            " ".join(slot.name if slot.required else f"[{slot.name}]" for slot in slots)
            for slots in (found.inputs, found.outputs)
        )
        settings = " ".join(found.settings_schema.get("properties", {}))
        table.add_row(
            plain(found.name),
            "built in" if found.built_in else plain(found.version) + ("" if found.announced else " (no worker yet)"),
            plain(inputs) or "-",
            plain(outputs) or "-",
            plain(settings) or "-",
        )
    return table


def describe_rules(task_type: str, rules: TaskTypeRules) -> str:
    """One line on what an operator has set for a task type."""
    said = ", ".join(f"{name} {_value(value)}" for name, value in rules.said().items())
    return plain(f"{task_type}: {said or 'no rules are set'}")


def _value(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def tabulate_task(task: TaskView) -> Table:
    """All about one task, with a line for each attempt."""
    table = Table.grid(padding=(0, 2))
    rows: list[tuple[str, str | Text]] = [
        ("task", str(task.task_id)),
        ("type", plain(task.task_type)),
        ("name", plain(task.name or "-")),
        ("job", f"{task.job_id} {plain(task.job_name or '')}"),
        ("state", state_text(task.state.value)),
        ("inherited", metadata_text(task.metadata) or "-"),
        ("inputs", _pairs(task.inputs)),
        ("outputs", _pairs(task.outputs)),
        ("metadata from", _pairs(task.requires_metadata_from)),
    ]
    if task.excuse is not None:
        rows.append(("excused", plain(task.excuse)))
    if changes := task.changed_settings | task.changed_execution.said():
        changed = ", ".join(f"{key} = {value!r}" for key, value in sorted(changes.items()))
        rows.append(("changed", plain(f"{changed} (by {task.changed_by})")))
    if task.blocked_by is not None:
        rows.append(("blocked by", f"task {task.blocked_by}"))
    for attempt in task.attempts:
        seconds = "" if attempt.wall_time is None else f", {attempt.wall_time:.3g} s"
        reason = "" if attempt.reason is None else f", {attempt.reason.value}"
        words = "" if attempt.message is None else f": {plain(attempt.message)}"
        line = f" on {plain(attempt.worker_id or '-')}{seconds}{reason}{words}"
        label = f"attempt {attempt.attempt_id}"
        rows.append((label, Text.assemble(state_text(attempt.state.value), line)))
        if attempt.adopted_from is not None:
            rows.append(("  adopted from", f"attempt {attempt.adopted_from}"))
        rows.extend((f"  {plain(key)}", number_text(value, 8)) for key, value in attempt.metadata.items())
    for label, value in rows:
        table.add_row(Text(label, "bold"), value)
    return table


def _pairs(found: dict[str, str] | dict[str, int]) -> str:
    return ", ".join(f"{plain(key)}: {plain(value)}" for key, value in found.items()) or "-"


def write_records(records: Sequence[StoredRecord]) -> Iterable[Text]:
    """One line a record, and its traceback below it."""
    for record in records:
        style = next(style for level, style in _LEVEL_STYLES if record.level >= level)
        level = LEVEL_NAMES.get(record.level, str(record.level))
        origin = f"task {record.task_id} attempt {record.attempt_id}" if record.attempt_id else plain(record.stream)
        yield Text.assemble(
            (record.time.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3], "dim"),
            f" {origin} ",
            (f"{level:8}", style),
            " " + "\n    ".join(plain(line) for line in record.message.splitlines()),
        )
        for line in (record.traceback or "").splitlines():
            yield Text("    " + plain(line), "dim")
