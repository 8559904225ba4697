"""How a task went that ran by itself, and what an inspection of task types found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from eas_control.views.text import make_table, number_text, plain, state_text

if TYPE_CHECKING:
    from rich.console import Console

    from eas.contracts.authoring import Inspection, SingleTaskRun

_SEVERITY_STYLES = {"error": "red", "advice": "yellow"}


def print_run(console: Console, run: SingleTaskRun) -> None:
    """Print the metadata by name, the outputs, and at last the verdict."""
    if run.metadata:
        table = make_table("metadata", "value")
        for key in sorted(run.metadata):
            table.add_row(plain(key), number_text(run.metadata[key], 10))
        console.print(table, end="\n\n")
    if run.outputs:
        table = make_table("output", "file", "bytes", "QC", "reason", right=("bytes",))
        for output in run.outputs:
            verdict = "PASS" if output.passed_qc else "FAIL"
            table.add_row(plain(output.slot), plain(output.path), str(output.size), verdict, plain(output.qc_reason))
        console.print(table, end="\n\n")
    times = f" ({run.wall_time:.3g} s, processor {run.cpu_time:.3g} s)"
    console.print(Text.assemble(f"{plain(run.task_type)} {plain(run.version)}: ", state_text(run.state), times))
    if run.message:
        lines = run.message.splitlines()
        words = lines if run.state == "rejected" else lines[-1:]  # of a failure, the log has all of it
        console.print(Text("\n".join(plain(line) for line in [f"{run.reason}: {words[0]}", *words[1:]])))


def print_inspections(console: Console, inspections: Sequence[Inspection]) -> None:
    """Print one line for each, with its findings below."""
    for inspection in inspections:
        word = Text("ok", "green") if inspection.passed else Text("wrong", "bold red")
        tried = f", example {plain(inspection.tried)}" if inspection.tried else ""
        console.print(Text.assemble(word, f"  {plain(inspection.source)}: {plain(inspection.subject)}{tried}"))
        for finding in inspection.findings:
            severity = Text(f"    {finding.severity}: ", _SEVERITY_STYLES[finding.severity])
            lines = [plain(line) for line in finding.message.splitlines()]
            console.print(severity + Text("\n      ".join(lines)))
