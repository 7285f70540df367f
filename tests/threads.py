"""Lets threads of OpenMP sleep while they wait, in tests and in what they start.

pytest loads this as a plugin (``addopts`` in pyproject.toml), before OpenMP, which
reads its settings once. By default its threads spin for a while before they sleep.
Where tests run in several processes, there are more threads than processors, and half
of the processors' time would go into that.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
