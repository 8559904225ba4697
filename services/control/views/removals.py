"""Findings of retention rules, and quotas, as tables."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from services.control.views.text import make_table, plain
from shared.contracts.retention import QuotaView, RetentionFinding


def tabulate_findings(findings: Iterable[RetentionFinding]) -> Table:
    """One line a rule."""
    right = ("versions", "bytes", "spared", "spared bytes")
    table = make_table("rule", *right, right=right)
    for found in findings:
        counts = (found.versions, found.bytes, found.spared_versions, found.spared_bytes)
        table.add_row(plain(found.rule), *map(str, counts))
    return table


def tabulate_quotas(quotas: Iterable[QuotaView]) -> Table:
    """One line a directory."""
    right = ("bytes", "at most", "used")
    table = make_table("directory", *right, right=right)
    for quota in quotas:
        share = f"{100 * quota.used_bytes / quota.max_bytes:.0f}%" if quota.max_bytes else "-"
        table.add_row(plain(quota.directory), str(quota.used_bytes), str(quota.max_bytes), share)
    return table
