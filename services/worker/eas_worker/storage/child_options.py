"""What the supervisor tells the fork server, and through it the children, on its command line. No secrets."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from eas_worker.domain.limits import NO_LIMITS, AttemptLimits
from eas_worker.storage.child_state import NO_RECYCLING, RecyclePolicy


@dataclass(frozen=True)
class ChildOptions:
    """How children are to be raised.

    Parameters
    ----------
    worker_id
        The writer's name in log records.
    control, events
        Descriptors: a SEQPACKET socket with the supervisor's wishes, and a pipe for what happens.
    message_folder
        Where messages go that are too long for a socket.
    journal_folder
        The spool folder of log records.
    task_types, only, task_type_folder
        See `InstalledTaskTypes.discover`.
    preload
        Whether to import all task types before the first fork.
    preload_modules
        What to import besides.
    cpus
        Threads for each task.
    input_directory
        Root of external files; None where there are none.
    commands
        File with the commands of external programs; None where there is none.
    gpus
        The graphics processors that each slot sees; None: all that are there.
    processors
        Those that each slot's children run on; nothing for any: wherever there is room.
    limits
        Of attempts that have none of their own.
    recycling
        When a child is to be replaced.
    promised_room
        What has to be free on the disk before an attempt is taken [bytes]; 0: nobody looks.
    """

    worker_id: str
    control: int
    events: int
    message_folder: str
    journal_folder: str
    task_types: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    task_type_folder: str | None = None
    preload: bool = True
    preload_modules: tuple[str, ...] = ()
    cpus: int = 1
    input_directory: str | None = None
    commands: str | None = None
    gpus: list[list[str]] | None = None
    processors: list[list[int]] = field(default_factory=list)
    limits: AttemptLimits = NO_LIMITS
    recycling: RecyclePolicy = NO_RECYCLING
    promised_room: int = 0

    def to_argument(self) -> str:
        """Write as one command-line argument."""
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, text: str) -> ChildOptions:
        """Read what `to_argument` wrote."""
        fields = json.loads(text)
        for name in ("task_types", "only", "preload_modules"):
            fields[name] = tuple(fields[name])
        fields["limits"] = AttemptLimits(**fields["limits"])
        fields["recycling"] = RecyclePolicy(**fields["recycling"])
        return cls(**fields)
