"""What the pipeline gives to AWS: documents and configurations, no code of services."""

from __future__ import annotations
