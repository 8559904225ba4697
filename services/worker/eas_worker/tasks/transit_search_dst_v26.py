"""`transit_search_dst_v26`: search for transits with DST, version 26. DST is not public: configure a command."""

from __future__ import annotations

from eas_worker.tasks.external_searches import make_task_type

TASK_TYPE = make_task_type("transit_search_dst_v26")
