"""botocore waiters as data, one JSON file a client type."""

from __future__ import annotations
