"""Provenance in the words of W3C PROV (PROV-JSON, W3C Member Submission of 24 April 2013)."""

from __future__ import annotations

import json
from typing import Any

from eas.contracts.products import VersionView
from eas.contracts.provenance import ProvenanceAttempt, ProvenanceGraph

NAMESPACE = "urn:plato-eas:"


def make_prov_document(graph: ProvenanceGraph) -> dict[str, Any]:
    """Write a history as PROV-JSON.

    A version is an entity, an attempt an activity, a task type of one version a plan, and a worker a software agent.
    """
    document: dict[str, Any] = {
        "prefix": {"eas": NAMESPACE},
        "entity": {_version(view.version_id): _describe_version(view) for view in graph.versions}
        | {_version(version_id): {} for version_id in graph.missing},
        "activity": {_attempt(one.attempt_id): _describe_attempt(one) for one in graph.attempts},
        "agent": {},
        "used": {},
        "wasGeneratedBy": {},
        "wasAssociatedWith": {},
        "wasDerivedFrom": {},
    }
    known = {*(view.version_id for view in graph.versions), *graph.missing}
    for one in graph.attempts:
        _add_attempt(document, one, known)
    for view in graph.versions:
        if view.adopted_from in known:
            document["wasDerivedFrom"][f"_:adopted{view.version_id}"] = {
                "prov:generatedEntity": _version(view.version_id),
                "prov:usedEntity": f"eas:version/{view.adopted_from}",
                "prov:type": {"$": "prov:PrimarySource", "type": "prov:QUALIFIED_NAME"},
            }
    return {name: part for name, part in document.items() if part}


def _add_attempt(document: dict[str, Any], one: ProvenanceAttempt, known: set[int]) -> None:
    activity = _attempt(one.attempt_id)
    plan = f"eas:task-type/{one.task_type}/{one.task_type_version or 'unknown'}"
    document["entity"][plan] = {
        "prov:type": {"$": "prov:Plan", "type": "prov:QUALIFIED_NAME"},
        "eas:taskType": one.task_type,
        **({} if one.task_type_version is None else {"eas:version": one.task_type_version}),
    }
    agent = f"eas:worker/{one.worker_id or 'unknown'}"
    document["agent"][agent] = {"prov:type": {"$": "prov:SoftwareAgent", "type": "prov:QUALIFIED_NAME"}}
    document["wasAssociatedWith"][f"_:by{one.attempt_id}"] = {
        "prov:activity": activity,
        "prov:agent": agent,
        "prov:plan": plan,
    }
    for kind, uses in (("used", one.inputs), ("wasGeneratedBy", one.outputs)):
        for index, use in enumerate(uses):
            if use.version_id in known:
                document[kind][f"_:{kind}{one.attempt_id}_{index}"] = {
                    "prov:activity": activity,
                    "prov:entity": _version(use.version_id),
                    "prov:role": use.slot,
                }


def _describe_version(view: VersionView) -> dict[str, Any]:
    return {
        "prov:label": f"{view.directory}/{view.filename}",
        "prov:type": view.semantic_type,
        "eas:sha256": view.sha256,
        "eas:md5": view.md5,
        "eas:size": view.size,
        "eas:mimeType": view.mime_type,
        "eas:createdAt": {"$": view.created_at.isoformat(), "type": "xsd:dateTime"},
        **({} if view.passed_qc is None else {"eas:passedQc": view.passed_qc}),
    }


def _describe_attempt(one: ProvenanceAttempt) -> dict[str, Any]:
    described: dict[str, Any] = {"prov:type": one.task_type, "eas:task": one.task_id, "eas:job": one.job_id}
    described |= {"eas:number": one.number, "eas:state": one.state.value, "eas:seed": one.seed}
    if one.settings is not None:
        described["eas:settings"] = json.dumps(one.settings, sort_keys=True)
    if one.started_at is not None:
        described["prov:startTime"] = one.started_at.isoformat()
    if one.ended_at is not None:
        described["prov:endTime"] = one.ended_at.isoformat()
    if one.adopted_from is not None:
        described["eas:adoptedFrom"] = _attempt(one.adopted_from)
    return described


def _version(version_id: int) -> str:
    return f"eas:version/{version_id}"


def _attempt(attempt_id: int) -> str:
    return f"eas:attempt/{attempt_id}"
