"""The tree of errors: its drawing, its texts and what is tried again."""

from __future__ import annotations

import inspect
from datetime import timedelta

import pytest
from airflow.sdk import RetryAction

from pinflow import exceptions
from pinflow.exceptions import ConnectorFailed, NotFound, PinflowError, shortened
from pinflow.retries import FAIL_FAST

CLASSES = {
    name: found
    for name, found in inspect.getmembers(exceptions, inspect.isclass)
    if found.__module__ == exceptions.__name__
}


def drawn() -> dict[str, str]:
    """Child and parent of each class in the docstring's drawing."""
    parents: dict[int, str] = {}
    found = {}
    for line in (exceptions.__doc__ or "").splitlines():
        bare = line.lstrip(" │├└─")
        name = bare.split(" ")[0]
        if name in CLASSES:
            depth = (len(line) - len(bare)) // 4
            parents[depth] = name
            if depth > 1:
                found[name] = parents[depth - 1]
    return found


def test_the_drawing_is_the_tree() -> None:
    real = {name: found.__mro__[1].__name__ for name, found in CLASSES.items() if found is not PinflowError}
    assert drawn() == real


def test_text_in_three_parts_and_data() -> None:
    error = PinflowError("It broke.", "The disk is full.", "Type df.", disk="/")
    assert str(error) == "It broke. The disk is full. Type df."
    assert error.data == {"disk": "/"}


def test_a_connector_without_a_reason_says_where_to_look() -> None:
    assert "worker log" in str(ConnectorFailed("sink", "", ""))


def test_shortened() -> None:
    assert shortened([1, 2, 3], 2) == "1, 2 and 1 more"
    assert shortened([1, 2], 2) == "1, 2"


FINAL = {
    "Rejected",
    "NotFound",
    "CheckpointRefused",
    "NotApproved",
    "CannotReconcile",
    "QualityFailed",
    "ReconciliationFailed",
    "StreamingJobFailed",
    "StackFailed",
    "ResourcesLeft",
}
"""What the same call would end in again."""

AGAIN = {"NotSent", "Unavailable", "OutcomeUnknown"}
"""What may pass by itself, soon; the rest is tried as often as the task says."""


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_what_is_tried_again(name: str) -> None:
    kind = CLASSES[name]
    error = ConnectorFailed("a", "b", "c") if kind is ConnectorFailed else kind("a.", "b.", "c.")
    decision = FAIL_FAST.evaluate(error, 1, 3)
    wanted = RetryAction.FAIL if name in FINAL else RetryAction.RETRY if name in AGAIN else RetryAction.DEFAULT
    assert decision.action is wanted
    assert decision.retry_delay == (timedelta(seconds=10) if name in AGAIN else None)


def test_absence_is_final_and_an_outage_is_not() -> None:
    assert FAIL_FAST.evaluate(NotFound("a", "b", "c"), 1, 3).action is RetryAction.FAIL
    assert FAIL_FAST.evaluate(exceptions.Unavailable("a", "b", "c"), 1, 3).action is RetryAction.RETRY
    assert FAIL_FAST.evaluate(ValueError(), 1, 3).action is RetryAction.DEFAULT
