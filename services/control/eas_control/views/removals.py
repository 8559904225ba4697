"""Findings of retention rules, for versions and for log records, and quotas, as tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from eas_control.views.tables import LEVEL_NAMES
from eas_control.views.text import make_table, plain

if TYPE_CHECKING:
    from rich.table import Table

    from eas.contracts.log_retention import RetentionPolicy, RetentionReport
    from eas.contracts.retention import QuotaView, RetentionFinding


def tabulate_findings(findings: Iterable[RetentionFinding]) -> Table:
    """One line a rule."""
    right = ("versions", "bytes", "spared", "spared bytes")
    table = make_table("rule", *right, right=right)
    for found in findings:
        counts = (found.versions, found.bytes, found.spared_versions, found.spared_bytes)
        table.add_row(plain(found.rule), *map(str, counts))
    return table


def tabulate_log_retention(policy: RetentionPolicy, report: RetentionReport) -> Table:
    """One line a level that a rule or a finding speaks of, and one for the size."""
    gone = "would go" if report.dry_run else "removed"
    table = make_table("records", "kept", gone, right=("kept", gone))
    for level in sorted({rule.max_level for rule in policy.rules} | report.expired.keys()):
        days = [rule.older_than_days for rule in policy.rules if level <= rule.max_level]
        kept = f"{min(days):g} days" if days else "-"
        table.add_row(LEVEL_NAMES.get(level, f"level {level}"), kept, str(report.expired.get(level, 0)))
    if policy.max_bytes is not None:
        table.add_row("the first of all", f"{policy.max_bytes} bytes", str(report.over_size))
    return table


def tabulate_quotas(quotas: Iterable[QuotaView]) -> Table:
    """One line a directory."""
    right = ("bytes", "at most", "used")
    table = make_table("directory", *right, right=right)
    for quota in quotas:
        share = f"{100 * quota.used_bytes / quota.max_bytes:.0f}%" if quota.max_bytes else "-"
        table.add_row(plain(quota.directory), str(quota.used_bytes), str(quota.max_bytes), share)
    return table
