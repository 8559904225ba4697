"""A task type that is any executable: its declaration, what its exit status means, and the `result.json` it leaves."""

from __future__ import annotations

import json
import signal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eas.authoring.errors import OutputError, TaskError
from eas.contracts.states import FailureReason
from eas.contracts.texts import clean_message
from eas.contracts.values import MAX_LEVELS

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
Word = Annotated[str, Field(min_length=1)]

#: Exit statuses with a meaning of their own (those of BSD's sysexits.h); all others than 0 mean `science`.
EXIT_REASONS = {
    64: FailureReason.INPUT,  # EX_USAGE: called in a wrong way, settings among it
    65: FailureReason.INPUT,  # EX_DATAERR: the input is wrong
    66: FailureReason.INPUT,  # EX_NOINPUT: the input is not there, or cannot be read
    69: FailureReason.INFRASTRUCTURE,  # EX_UNAVAILABLE: something that it needs is not there
    71: FailureReason.INFRASTRUCTURE,  # EX_OSERR: no process, no pipe
    72: FailureReason.INFRASTRUCTURE,  # EX_OSFILE: a file of the system is missing
    74: FailureReason.INFRASTRUCTURE,  # EX_IOERR: reading or writing failed
    75: FailureReason.INFRASTRUCTURE,  # EX_TEMPFAIL: try again
    77: FailureReason.INFRASTRUCTURE,  # EX_NOPERM: not allowed to do something
    78: FailureReason.INFRASTRUCTURE,  # EX_CONFIG: this machine is not set up for it
    126: FailureReason.INFRASTRUCTURE,  # a shell's: the command cannot be executed
    127: FailureReason.INFRASTRUCTURE,  # a shell's: the command was not found
}

#: Signals with a meaning of their own; death by any other is `science`.
SIGNAL_REASONS = {
    signal.SIGKILL: FailureReason.OUT_OF_MEMORY,  # what the kernel sends when memory runs out
    signal.SIGXCPU: FailureReason.TIMEOUT,
}


class ProgramError(TaskError):
    """A program did not end well; the reason is an attribute of the instance."""

    def __init__(self, reason: FailureReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Declared(BaseModel):
    """Base of what is written in files: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SlotDeclaration(Declared):
    """An input or output slot."""

    required: bool = True
    mime_type: str = "application/octet-stream"


class ExampleDeclaration(Declared):
    """How to try an executable without a job."""

    settings: dict[str, Any] = {}
    inputs: dict[Name, Word] = Field(default={}, description="Slot to a file beside the declaration.")
    outputs: dict[Name, Word] | None = Field(default=None, description="Slot to filename; default: all slots.")


class ExecutableDeclaration(Declared):
    """An executable task type, as its TOML or JSON file declares it."""

    name: Name
    version: Word = Field(max_length=64)
    description: str = ""
    command: list[Word] = Field(min_length=1, description="Program and arguments; './x' is beside this file.")
    environment: dict[Word, str] = Field(default={}, description="Further variables of the program's environment.")
    pass_environment: list[Word] = Field(default=[], description="Variables to hand over from the worker's own.")
    settings: dict[str, Any] = Field(default={}, description="JSON Schema of each setting, or of all of them.")
    inputs: dict[Name, SlotDeclaration] = {}
    outputs: dict[Name, SlotDeclaration] = {}
    open_outputs: bool = Field(default=False, description="Whether it may make products that no job declared.")
    uses_seed: bool = Field(default=True, description="Whether it draws random numbers.")
    example: ExampleDeclaration | None = None

    def settings_schema(self) -> dict[str, Any]:
        """Make the JSON Schema of a task's settings. A table of settings stands for an object that has no others."""
        if isinstance(self.settings.get("properties"), dict) and self.settings.get("type") == "object":
            return {"additionalProperties": False, **self.settings}
        return {
            "type": "object",
            "properties": self.settings,
            "required": [name for name, schema in self.settings.items() if "default" not in schema],
            "additionalProperties": False,
        }


class ResultOutput(Declared):
    """What `result.json` says of one output."""

    path: str | None = Field(default=None, description="Where it lies; default: the path that task.json names.")
    filename: str | None = Field(default=None, description="Of a product that no job declared.")
    mime_type: str | None = None
    metadata: dict[str, Any] = {}
    passed: bool = True
    reason: str = ""


class Result(Declared):
    """`result.json`."""

    metadata: dict[str, Any] = {}
    outputs: dict[str, ResultOutput] = {}
    passed: bool = Field(default=True, description="Quality control's word on the attempt as a whole.")
    reason: str = Field(default="", description="Of that; or, where the program failed, why: science or input.")
    message: str = Field(default="", description="Where the program failed: what the user reads.")


def read_result(text: bytes) -> Result:
    """Read a `result.json`.

    Raises
    ------
    OutputError
        It is no JSON, or not of that form.
    """
    try:
        return Result.model_validate(json.loads(text))
    except ValidationError as error:
        raise OutputError(f"result.json: {describe_problems(error)}") from error
    except RecursionError as error:
        raise OutputError(f"result.json: nested too deep: a value has at most {MAX_LEVELS} levels") from error
    except json.JSONDecodeError as error:
        raise OutputError(f"result.json is not JSON: {error}") from error
    except UnicodeDecodeError as error:
        raise OutputError(f"result.json is not JSON in UTF-8: {error}") from error
    except ValueError as error:  # Python does not read a number of more than 4,300 digits
        raise OutputError("result.json: it has a whole number beyond 64 bits, of thousands of digits") from error


def describe_problems(error: ValidationError) -> str:
    """List what is wrong with a file, with the places in it."""
    found = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in found)


def explain_exit(status: int, result: Result, last_words: str) -> ProgramError | None:
    """Say why a program failed; None where it did not.

    Parameters
    ----------
    status
        Its exit status; minus the signal that killed it.
    result
        What it left; its reason and message, where there are any, go before what the status means.
    last_words
        The end of what it wrote to standard error, for want of a message.
    """
    if status == 0:
        return None
    if status < 0:
        reason, fact = _explain_signal(-status)
    else:
        reason, fact = EXIT_REASONS.get(status, FailureReason.SCIENCE), f"ended with exit status {status}"
    if result.reason in {"science", "input", "infrastructure"}:
        reason = FailureReason(result.reason)
    message = result.message or f"the program {fact}" + (f": {last_words}" if last_words else "")
    return ProgramError(reason, clean_message(message))


def _explain_signal(number: int) -> tuple[FailureReason, str]:
    try:
        found = signal.Signals(number)
    except ValueError:
        return FailureReason.SCIENCE, f"was killed by signal {number}"
    return SIGNAL_REASONS.get(found, FailureReason.SCIENCE), f"was killed by signal {number} ({found.name})"
