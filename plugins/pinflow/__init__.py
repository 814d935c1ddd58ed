"""Hooks, operators, sensors and triggers of the Pinflow pipelines, laid out as an Airflow provider."""

from __future__ import annotations
