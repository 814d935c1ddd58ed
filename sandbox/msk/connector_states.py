"""How MSK Connect's state of a connector follows from the worker's.

A connector that is being created is FAILED as soon as it or one of its tasks fails, as on AWS. One that has been
RUNNING stays so while only tasks fail: MSK Connect goes on too, and shows the failure in its log alone. Here the
trace of the first failed task is in ``stateDescription`` as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.msk.worker import Status

SETTLE_SECONDS = 2.0
TRACE_LENGTH = 8000
CHANGING = frozenset({"CREATING", "UPDATING", "PAUSING", "RESUMING", "RESTARTING"})


@dataclass(frozen=True)
class Description:
    """Why a connector is as it is."""

    code: str
    message: str

    def as_dict(self) -> dict[str, str]:
        """In the form of ``stateDescription``."""
        return {"code": self.code, "message": self.message[:TRACE_LENGTH]}


LOST = Description(
    "UnknownError.ConnectorLost",
    "The Connect worker does not know the connector any more. Delete the connector and create it again.",
)


def next_state(state: str, status: Status | None, seconds: float) -> str:
    """The state that follows.

    :param state: the state up to now, not DELETING.
    :param status: what the worker says, ``None`` when it does not know the connector.
    :param seconds: since the worker took the last change; it shows the tasks of before for a moment.
    """
    if status is None:
        return state if state in CHANGING else "FAILED"
    if state == "CREATING":
        return "FAILED" if status.failed else "RUNNING" if status.running else state
    if state == "PAUSING":
        return "PAUSED" if status.paused else state
    if state in CHANGING and (seconds < SETTLE_SECONDS or not (status.running or status.failed)):
        return state
    return _settled(state, status)


def _settled(state: str, status: Status) -> str:
    if status.connector == "FAILED":
        return "FAILED"
    if status.connector == "PAUSED":
        return "PAUSED"
    if state == "FAILED" and not status.running:
        return state
    return "RUNNING"


def describe(status: Status | None) -> Description | None:
    """What there is to say about a connector that was taken by the worker once; ``None`` when all is well."""
    if status is None:
        return LOST
    if status.connector == "FAILED":
        return Description("UnknownError.ConnectorFailed", status.trace)
    if status.failed:
        count, total = status.tasks.count("FAILED"), len(status.tasks)
        return Description("UnknownError.TaskFailed", f"{count} of {total} tasks failed.\n{status.trace}")
    return None
