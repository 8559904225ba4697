"""How long a test waits for the answer of another process."""

from __future__ import annotations

#: httpx gives up after 5 s, which a busy machine may need for an answer that takes milliseconds otherwise [s].
PATIENCE_S = 120.0
