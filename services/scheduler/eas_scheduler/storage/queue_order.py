"""Where attempts come in the queues: start tags, as `eas_scheduler.domain.fair_order` gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, func, select, text, update

from eas.contracts.states import AttemptState
from eas.database.prepared import Prepared
from eas_scheduler.domain.fair_order import QueueEnds, find_first_tag
from eas_scheduler.storage.schema import attempt_table as _attempt

_TAG = (
    "(SELECT start_tag FROM attempt WHERE state = 'queued' AND NOT on_hold AND task_type = {type}"
    " AND priority = :priority ORDER BY start_tag{direction} LIMIT 1)"
)
#: The ends of a queue, how much the job has queued, and, where the queue is empty, how far the queues of other task
#: types have come: one seek in the index for each.
_QUEUE_ENDS = Prepared(
    text(
        "SELECT head, tail, queued, CASE WHEN head IS NULL THEN"  # noqa: S608 - no values, only places for them
        f" (SELECT MAX(tag) FROM (SELECT {_TAG.format(type='name', direction='')} AS tag FROM task_type) AS others)"
        f" END FROM (SELECT {_TAG.format(type=':type', direction='')} AS head,"
        f" {_TAG.format(type=':type', direction=' DESC')} AS tail,"
        " (SELECT queued FROM job WHERE id = :job) AS queued) AS own"
    )
)


class Queue(NamedTuple):
    """A job's part of a queue, which is of one task type and one priority."""

    job_id: int
    task_type: str
    priority: int


def find_first_tags(connection: Connection, queues: Sequence[Queue], *, behind_own: bool = True) -> dict[Queue, int]:
    """Find the start tag of the next attempt of each job in a queue; those after it have successive tags.

    Parameters
    ----------
    behind_own
        Whether it comes behind what the job has queued already.
    """
    asked = [
        (
            queue,
            _QUEUE_ENDS.ask(connection, {"job": queue.job_id, "type": queue.task_type, "priority": -queue.priority}),
        )
        for queue in queues
    ]
    tags = {}
    for queue, answer in asked:
        head, tail, queued, others = answer()[0]
        tags[queue] = find_first_tag(QueueEnds(head, tail, others), (queued or 0) if behind_own else 0)
    return tags


def bring_forward(connection: Connection, job_id: int) -> None:
    """Move a job's queued attempts, all of which are kept on hold, to where the queues are by now.

    A job that was paused so takes its turn with the others, instead of making up for the time before they get any.
    """
    own = (_attempt.c.job_id == job_id) & (_attempt.c.state == AttemptState.QUEUED.value)
    groups = connection.execute(
        select(_attempt.c.task_type, _attempt.c.priority, func.min(_attempt.c.start_tag))
        .where(own)
        .group_by(_attempt.c.task_type, _attempt.c.priority)
    ).all()
    for task_type, priority, first in groups:
        queue = Queue(job_id, task_type, -priority)
        later = find_first_tags(connection, [queue], behind_own=False)[queue] - first
        if later > 0:
            of_queue = own & (_attempt.c.task_type == task_type) & (_attempt.c.priority == priority)
            connection.execute(update(_attempt).where(of_queue).values(start_tag=_attempt.c.start_tag + later))
