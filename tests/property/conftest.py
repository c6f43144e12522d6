"""How long Hypothesis looks: a few seconds a test; ``EDGE_PROPERTY=thorough`` looks for minutes, at random.

The default is the same examples in every run, so a red test is red for everybody.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

calm = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
settings.register_profile("edge-quick", calm, max_examples=400, derandomize=True)
settings.register_profile("edge-thorough", calm, max_examples=5_000, print_blob=True)
settings.load_profile("edge-thorough" if os.environ.get("EDGE_PROPERTY") == "thorough" else "edge-quick")
