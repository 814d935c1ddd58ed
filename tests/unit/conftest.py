"""Property tests: no example is timed, and CI tries the same ones each time."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("pinflow", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("pinflow")
