"""Examples that the documentation page shows."""

from __future__ import annotations

from typing import Any

JOB_DOCUMENT: dict[str, Any] = {
    "job_name": "injection_recovery",
    "working_directory": "injection_recovery",
    "task_list": [
        {
            "task": "execution_for_loop",
            "parameter": "radius",
            "values": [0.5, 1.0],
            "task_list": [
                {
                    "task": "synthesis_batman",
                    "outputs": {"lightcurve": "'planet_{radius_index}.npz'.format(**metadata)"},
                    "specs": {
                        "duration": 27,
                        "orbital_period": 4,
                        "semi_major_axis": 0.05,
                        "planet_radius": "(metadata['radius'])",
                        "sampling_cadence": 600,
                        "noise": "(constants.plato_noise)",
                    },
                },
                {
                    "task": "transit_search_tls",
                    "name": "search",
                    "lc_duration": 27,
                    "inputs": {"lightcurve": "'planet_{radius_index}.npz'.format(**metadata)"},
                },
            ],
        }
    ],
}

ANNOUNCEMENT: dict[str, Any] = {
    "worker_id": "node7-4711",
    "host": "node7",
    "process_id": 4711,
    "slots": 2,
    "container": "eas_worker_tls",
    "resources": {"cpu": 4, "gpu": 0, "memory_gb": 0},
    "task_types": [
        {
            "name": "null",
            "version": "1",
            "settings_schema": {"type": "object", "properties": {"duration": {"type": "number", "minimum": 0}}},
        }
    ],
}

REGISTRY = """<task_type_registry>
  <containers>
    <container>
      <name>eas_worker_tls</name>
      <resourceRequirements><cpu>20</cpu><gpu>0</gpu><memory_gb>16</memory_gb></resourceRequirements>
    </container>
  </containers>
  <tasks>
    <task><name>transit_search_tls</name><container>eas_worker_tls</container></task>
    <task><name>null</name><container>all</container></task>
  </tasks>
</task_type_registry>"""

CLAIM: dict[str, Any] = {"worker_id": "node7-4711", "per_type": {"null": 16}, "total": 16, "wait": 20}

REPORT: dict[str, Any] = {
    "worker_id": "node7-4711",
    "reports": [
        {
            "attempt_id": 17,
            "lease_token": "9f86d081884c7d65",
            "state": "accepted",
            "started_at": "2026-01-01T00:00:00Z",
            "ended_at": "2026-01-01T00:00:01Z",
            "wall_time": 1.0,
            "cpu_time": 0.9,
            "cpu_time_with_children": 0.9,
            "peak_memory": 250_000_000,
            "read_bytes": 1_200_000,
            "written_bytes": 4_000,
            "metadata": {"period": 4.0023, "outcome": "PASS"},
        }
    ],
    "claim": CLAIM | {"wait": 0},
}

RETRY: dict[str, Any] = {"reasons": ["timeout", "infrastructure"]}

RESCHEDULE: dict[str, Any] = {"failed": True}

TASK_RETRY: dict[str, Any] = {"settings": {"lc_duration": 13.5}}

RULES: dict[str, Any] = {"max_running": 4, "run_timeout": 3600.0, "max_attempts": 3}
EXCUSE: dict[str, Any] = {"excuse": "the star left the field in the second quarter"}

HEARTBEAT: dict[str, Any] = {
    "worker_id": "node7-4711",
    "attempts": [{"attempt_id": 17, "lease_token": "9f86d081884c7d65", "phase": "running"}],
}

VERSION_VERDICT: dict[str, Any] = {"passed": False, "reason": "the detrending removed the transits"}
