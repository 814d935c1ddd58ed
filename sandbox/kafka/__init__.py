"""Apache Kafka in one process: what MSK is on AWS."""

from __future__ import annotations
