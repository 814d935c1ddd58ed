"""The batch pipeline on Spark: landing to bronze, silver, quarantine and the audit.

Built-in functions only and nothing that Spark Connect lacks, so that the same modules run in Databricks' standard
access mode. The order of the modules: ``interval`` and ``landing`` (what to read), ``document``, ``values``,
``cleaning`` and ``contract`` (pure frames in, frames out), ``bronze``, ``silver``, ``quarantine`` and ``audit`` (Delta
tables), ``batch`` (one run). No Airflow import here.
"""

from __future__ import annotations
