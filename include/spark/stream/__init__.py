"""The stream pipeline on Spark: from the streams to clean tables, quarantine, arrivals and live metrics.

Two queries in one process. ``posts`` reads every stream at once and writes what a micro-batch holds; ``live`` follows
what it wrote and counts windows. The order of the modules: ``parameters``, ``identity`` (whose checkpoint is it?),
``source`` (Kinesis or Kafka as one shape of frame), ``known`` (plain Python: which records change a table),
``posts``, ``live``, ``heartbeat``, ``job`` (one run). The rules for a record are those of the batch path.
"""

from __future__ import annotations
