"""Triggers, one file a service. They run in the triggerer, which never sees dags/."""

from __future__ import annotations
