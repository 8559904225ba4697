"""Fingerprints: equal exactly where everything is equal that an outcome depends on."""

from __future__ import annotations

from typing import Any

import pytest

from eas.contracts.reuse import FingerprintPart
from eas_scheduler.domain.fingerprint import (
    Fingerprint,
    find_differing_keys,
    find_differing_parts,
    take_fingerprint,
)

VERSION = {"sha256": "a" * 64, "filename": "star.fits", "version_id": 1, "metadata": {"cadence": 25}}
WHOLE: dict[str, Any] = {
    "task_type": "search",
    "version": "1",
    "settings": {"period": 3, "specs": {"a": 1, "b": [1, 2]}},
    "metadata": {"radius": 0.1},
    "seed": 7,
    "requested": {"before": {"n": 1}},
    "inputs": {"lightcurve": VERSION},
    "outputs": {"report": "report_0.1.html"},
}


def take(**changes: Any) -> Fingerprint:
    return take_fingerprint(**WHOLE | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": {"specs": {"b": [1, 2], "a": 1}, "period": 3}},
        {"inputs": {"lightcurve": {**VERSION, "filename": "other_0.2.fits", "version_id": 9}}},
        {"outputs": {"report": "other_17.25.html"}},
        {"outputs": {"report": "folder.x/other.html"}},
    ],
)
def test_order_and_names_do_not_count(changes: dict[str, Any]) -> None:
    assert take(**changes) == take()


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"task_type": "other"}, FingerprintPart.VERSION),
        ({"version": "2"}, FingerprintPart.VERSION),
        ({"settings": {"period": 3.5, "specs": {"a": 1, "b": [1, 2]}}}, FingerprintPart.SETTINGS),
        ({"settings": {"period": 3, "specs": {"a": 1, "b": [2, 1]}}}, FingerprintPart.SETTINGS),
        ({"metadata": {"radius": 0.2}}, FingerprintPart.METADATA),
        ({"seed": 8}, FingerprintPart.SEED),
        ({"seed": None}, FingerprintPart.SEED),
        ({"requested": {"after": {"n": 1}}}, FingerprintPart.REQUESTED_METADATA),
        ({"inputs": {"lightcurve": {**VERSION, "sha256": "b" * 64}}}, FingerprintPart.INPUTS),
        ({"inputs": {"lightcurve": {**VERSION, "metadata": {}}}}, FingerprintPart.INPUTS),
        ({"inputs": {"lightcurve": {**VERSION, "filename": "star.npz"}}}, FingerprintPart.INPUTS),
        ({"inputs": {"other": VERSION}}, FingerprintPart.INPUTS),
        ({"outputs": {"debugging": "report_0.1.html"}}, FingerprintPart.OUTPUTS),
        ({"outputs": {"report": "report_0.1.pdf"}}, FingerprintPart.OUTPUTS),
    ],
)
def test_whatever_an_outcome_depends_on_counts(changes: dict[str, Any], part: FingerprintPart) -> None:
    one, other = take(), take(**changes)
    assert one.digest != other.digest
    assert find_differing_parts(one.parts, other.parts) == [part]


def test_keys_that_differ_are_named() -> None:
    assert find_differing_keys({"a": 1, "b": None, "c": [1]}, {"a": 2, "c": [1], "d": 0}) == ["a", "b", "d"]
