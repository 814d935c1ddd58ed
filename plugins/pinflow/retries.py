"""When a failed task is worth another try."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

FINAL = ("Rejected", "QualityFailed", "ReconciliationFailed", "StreamingJobFailed", "StackFailed", "ResourcesLeft")
FAIL_FAST = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=[f"pinflow.exceptions.{name}" for name in FINAL],
            action=RetryAction.FAIL,
            reason="The same call would get the same answer",
        ),
        RetryRule(
            exception=["pinflow.exceptions.NotSent", "pinflow.exceptions.OutcomeUnknown"],
            action=RetryAction.RETRY,
            retry_delay=timedelta(seconds=10),
            reason="The other side was not there; every task adopts what it finds",
        ),
    ]
)
"""Retries what may pass by itself; fails at once on a refusal and on wrong data."""
