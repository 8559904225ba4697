"""`transit_search_exotrans`: search for transits with EXOTRANS. EXOTRANS is not public: configure a command."""

from __future__ import annotations

from eas_worker.tasks.external_searches import make_task_type

TASK_TYPE = make_task_type("transit_search_exotrans")
