"""What is known of jobs, tasks and products since they were last asked for; the same on both faces of the client."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from eas.contracts.states import AttemptState, JobState, TaskState

if TYPE_CHECKING:
    from eas.contracts.metadata import Metadata
    from eas.contracts.products import ProductView, VersionView
    from eas.contracts.scheduler import JobView, TaskCounts, TaskView


class JobFacts(ABC):
    """What is known of a job."""

    @property
    @abstractmethod
    def view(self) -> JobView:
        """All that the scheduler said last."""

    @property
    def job_id(self) -> int:
        """Its number."""
        return self.view.job_id

    @property
    def name(self) -> str | None:
        """Its name, if its document gives it one."""
        return self.view.name

    @property
    def state(self) -> JobState:
        """Where it stands: running until it has ended as done, failed or cancelled."""
        return self.view.state

    @property
    def counts(self) -> TaskCounts:
        """How many of its tasks are in each state."""
        return self.view.counts

    @property
    def has_ended(self) -> bool:
        """Whether it is done, failed or cancelled."""
        return self.state is not JobState.RUNNING

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<Job {self.job_id}{name}: {self.state.value}, {self.counts.done} of {self.counts.total} tasks done>"


class TaskFacts(ABC):
    """What is known of a task."""

    @property
    @abstractmethod
    def view(self) -> TaskView:
        """All that the scheduler said last."""

    @property
    def task_id(self) -> int:
        """Its number."""
        return self.view.task_id

    @property
    def job_id(self) -> int:
        """The number of its job."""
        return self.view.job_id

    @property
    def task_type(self) -> str:
        """What it runs."""
        return self.view.task_type

    @property
    def name(self) -> str | None:
        """Its name, if its job gives it one."""
        return self.view.name

    @property
    def state(self) -> TaskState:
        """Where it stands."""
        return self.view.state

    @property
    def metadata(self) -> Metadata:
        """What it found: the metadata of its accepted attempt; empty without one."""
        accepted = (attempt for attempt in reversed(self.view.attempts) if attempt.state is AttemptState.ACCEPTED)
        return next((attempt.metadata for attempt in accepted), {})

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<Task {self.task_id}{name} ({self.task_type}, job {self.job_id}): {self.state.value}>"


class ProductFacts(ABC):
    """What is known of a product."""

    @property
    @abstractmethod
    def view(self) -> ProductView:
        """All that the product store said last."""

    @property
    def product_id(self) -> int:
        """Its number."""
        return self.view.product_id

    @property
    def path(self) -> str:
        """Its name in the store: ``directory/filename``."""
        return f"{self.view.directory}/{self.view.filename}".lstrip("/")

    @property
    def latest(self) -> VersionView | None:
        """The newest accepted version, else the newest; None while it is only planned."""
        return self.view.latest

    @property
    def metadata(self) -> Metadata:
        """What is known of its latest version; empty while it is only planned."""
        return {} if self.latest is None else self.latest.metadata

    def __repr__(self) -> str:
        made = f"{self.latest.size} bytes" if self.latest else "planned"
        return f"<Product {self.path}: {made}>"
