"""What a task type is: a name, a version, typed settings, slots, the code, and its quality control.

A task type is one module in `eas_worker.tasks` (or in any installed distribution) whose ``TASK_TYPE`` is named by an
entry point of the group ``eas.task_types``, or a function in a file of the worker's folder of task types. Authors
outside of this repository import all of this from `eas`, which is stable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from eas.authoring.errors import InputError, OutputError
from eas.contracts.metadata import Metadata


class TaskSettings(BaseModel):
    """Base of every task type's settings: unknown keys are errors, values are not changed after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Slot:
    """A named input or output of a task type (its semantic type).

    Parameters
    ----------
    name
        The key in a job's ``inputs`` or ``outputs``.
    required
        Whether a job that leaves it out is refused at submission.
    mime_type
        Of what is written there; only for outputs.
    """

    name: str
    required: bool = True
    mime_type: str = "application/octet-stream"


@dataclass(frozen=True)
class InputFile:
    """A product version, copied into the task's working directory and verified."""

    path: Path
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True)
class OutputFile:
    """A file the task made, of semantic type `slot`; `filename` is set only for products not declared in the job."""

    slot: str
    path: Path
    metadata: Metadata = field(default_factory=dict)
    mime_type: str | None = None
    filename: str | None = None


@dataclass(frozen=True)
class Verdict:
    """Quality control's word on one output slot, or on the attempt as a whole where `slot` is None.

    `author` is the function that said so, where it is not the task type's own check.
    """

    passed: bool
    reason: str = ""
    slot: str | None = None
    author: str = ""


@dataclass
class TaskContext:
    """All that a running task may touch: its inputs, where to write, and what it was given.

    Parameters
    ----------
    directory
        The private working directory. It vanishes when the attempt ends.
    inputs
        Slot to file, for the inputs that the job declared.
    output_names
        Slot to product filename, for the outputs that the job declared.
    metadata
        What the task inherits: loop variables and their indices.
    input_directory
        Root below which tasks may read external files; None where the worker was given none.
    cpus
        How many threads the task may use.
    seed
        For random numbers; the same on every attempt of a task.
    commands
        File with the commands of external programs; None where the worker was given none.
    """

    directory: Path
    inputs: Mapping[str, InputFile]
    output_names: Mapping[str, str]
    metadata: Metadata = field(default_factory=dict)
    input_directory: Path | None = None
    cpus: int = 1
    seed: int = 0
    commands: Path | None = None
    outputs: list[OutputFile] = field(default_factory=list)

    def wants(self, slot: str) -> bool:
        """Tell whether the job declared this output slot."""
        return slot in self.output_names

    def input_path(self, slot: str) -> Path:
        """Where the file of an input slot is.

        Raises
        ------
        InputError
            The job declared no such input.
        """
        if slot not in self.inputs:
            raise InputError(f"the job declares no input {slot!r}")
        return self.inputs[slot].path

    def path_for(self, slot: str) -> Path:
        """Where to write the file of an output slot, keeping the extension that the job gave it.

        Raises
        ------
        OutputError
            The job declared no such output.
        """
        if slot not in self.output_names:
            raise OutputError(f"the job declares no output {slot!r}")
        suffix = "".join(Path(self.output_names[slot]).suffixes)[-16:]
        return self.directory / f"out_{slot}{suffix}"

    def add_output(
        self, slot: str, path: Path, *, metadata: Metadata | None = None, mime_type: str | None = None
    ) -> None:
        """Hand over the finished file of a declared output slot."""
        if slot not in self.output_names:
            raise OutputError(f"the job declares no output {slot!r}")
        self.outputs.append(OutputFile(slot=slot, path=path, metadata=metadata or {}, mime_type=mime_type))

    def add_product(
        self, slot: str, path: Path, *, filename: str, metadata: Metadata | None = None, mime_type: str | None = None
    ) -> None:
        """Hand over a file whose name only the task knows (external data it found). It becomes a product of its own."""
        self.outputs.append(OutputFile(slot, path, metadata or {}, mime_type, filename))


RunFunction = Callable[[TaskContext, Any], Metadata]
CheckFunction = Callable[[TaskContext, Metadata], Sequence[Verdict]]
#: Writes an input file of an example to the given path and returns the metadata that it would have in the store.
InputMaker = Callable[[Path], Metadata | None]


@dataclass(frozen=True)
class Example:
    """How a task type can be tried without a job; ``eas task-types check`` does.

    Parameters
    ----------
    settings
        As a job would write them.
    inputs
        Slot to a function that writes its file.
    outputs
        Slot to filename; all slots of the task type, named like themselves, where it is left out.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, InputMaker] = field(default_factory=dict)
    outputs: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Estimate:
    """What of a task can be told from its settings before it runs. `eas plan` and `eas submit` show it.

    Parameters
    ----------
    quantity
        Such as ``processor time``.
    expression
        An expression of the job language, in parentheses, that gives a number. Its ``metadata`` are the task's
        settings, defaults among them. One that fails for some settings says nothing of them.
    unit
        Of the value; times in ``s`` are shown in minutes, hours or days where these fit better.
    condition
        What it takes for granted, such as ``for a sample every 10 minutes``.
    advice
        What makes it less, such as ``use a larger period_min``.
    warn_above
        A task of a larger value is warned of; None never warns.
    """

    quantity: str
    expression: str
    unit: str = "s"
    condition: str = ""
    advice: str = ""
    warn_above: float | None = None


@dataclass(frozen=True)
class TaskType:
    """One kind of task that this worker can run.

    Parameters
    ----------
    name
        As jobs spell it.
    version
        Changes when the same settings and inputs would give other outputs.
    run
        Does the work and returns the attempt's output metadata.
    check
        Quality control, called after `run` in the same child process. Returns a verdict per output that it
        inspected; an output without a verdict has passed if it exists and is not empty.
    settings
        The task-specific keys of a job's task object.
    inputs, outputs
        The slots a job may name.
    open_outputs
        Whether the task may add products that the job did not declare.
    uses_seed
        Whether it draws random numbers. Where it does not, results are re-used whatever the seed.
    example
        How to try it.
    estimates
        What its settings tell beforehand.
    """

    name: str
    version: str
    run: RunFunction
    settings: type[TaskSettings] = TaskSettings
    inputs: tuple[Slot, ...] = ()
    outputs: tuple[Slot, ...] = ()
    check: CheckFunction | None = None
    open_outputs: bool = False
    uses_seed: bool = True
    example: Example | None = None
    estimates: tuple[Estimate, ...] = ()

    def output_slot(self, name: str) -> Slot | None:
        """Find an output slot by its name."""
        return next((slot for slot in self.outputs if slot.name == name), None)
