"""Everything that this package raises on purpose.

    PinflowError
    ├── NotSent                 nothing was changed on the other side; the same call may be made again
    │   └── Unavailable         it answered that it cannot work now (429, or 5xx to a read)
    ├── Rejected                understood and refused; the same call gets the same answer
    │   ├── NotFound            the named thing does not exist
    │   ├── CheckpointRefused   a streaming job's checkpoint belongs to something else
    │   ├── NotApproved         a person said no, or said nothing in time
    │   └── CannotReconcile     what exists differs from what was asked for and cannot be changed in place
    ├── OutcomeUnknown          the call went out and no usable answer came back: it may have been done
    ├── RecordsNotAccepted      a produce call or an emulator run left rejected or unknown records
    ├── ConnectorFailed         MSK Connect reports FAILED, or that tasks failed
    ├── PluginFailed            MSK Connect could not make the custom plugin
    ├── WaitTimedOut            a service did not reach the state in time
    │   └── LandingLate         the connector has not committed what was in the topics
    ├── StackFailed             CloudFormation rolled a stack back, or left it failed
    ├── ResourcesLeft           something that is billed is there after a teardown
    ├── StatementFailed         a SQL statement ended other than SUCCEEDED, or its result was cut
    ├── NotebookFailed          a notebook run ended other than SUCCESS
    ├── StreamingJobFailed      a streaming job ended or stalled more often than it may
    ├── QualityFailed           a quality rule of severity error found rows
    └── ReconciliationFailed    posts are missing, foreign or doubled

The text has three parts: what went wrong, why, and what to do, ending in the next command. ``data`` carries the facts.
"""

# ruff: noqa: N818  a name says what happened, as httpx does it
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk.exceptions import AirflowException

SHOWN = 20


def shortened(items: Sequence[Any], limit: int = SHOWN) -> str:
    """The first ``limit`` items as text, and how many more there are."""
    text = ", ".join(str(item) for item in items[:limit])
    return f"{text} and {len(items) - limit} more" if len(items) > limit else text


class PinflowError(AirflowException):
    """The root of the tree.

    :param what: what went wrong, one sentence.
    :param why: the reason as far as it is known, one sentence.
    :param mend: what to do, ending in the next command.
    :param data: the facts, for callers and tests.
    """

    def __init__(self, what: str, why: str, mend: str, **data: Any) -> None:
        super().__init__(f"{what} {why} {mend}")
        self.what, self.why, self.mend = what, why, mend
        self.data: Mapping[str, Any] = data


class NotSent(PinflowError):
    """Nothing was changed on the other side; the same call may be made again."""


class Unavailable(NotSent):
    """The other side answered that it cannot work now."""


class Rejected(PinflowError):
    """The other side understood and refused; ``data`` holds ``status``, ``code`` and ``message`` as far as known."""


class NotFound(Rejected):
    """The named thing does not exist."""


class CannotReconcile(Rejected):
    """What exists differs from what was asked for, and the service cannot change it in place."""


class NotApproved(Rejected):
    """A person said no, or said nothing in time."""


class CheckpointRefused(Rejected):
    """A streaming job's checkpoint belongs to another stream, schema or query; ``data`` holds ``run_id``."""


class OutcomeUnknown(PinflowError):
    """The call went out and no usable answer came back: it may have been done."""


class RecordsNotAccepted(PinflowError):
    """Records were rejected, or it is unknown whether they were taken."""


class ConnectorFailed(PinflowError):
    """MSK Connect reports FAILED, or that tasks of a running connector failed.

    :param name: the connector.
    :param code: its state description's code.
    :param reason: its state description's message, with the trace of failed tasks where the service gives it.
    """

    def __init__(self, name: str, code: str, reason: str) -> None:
        super().__init__(
            f"The connector {name} has failed ({code or 'no code'}).",
            f"Kafka Connect says: {reason or 'nothing; its worker log holds the trace.'}",
            "Mend the cause, then run pinflow_provision with on_failed=restart; committed offsets are kept.",
            name=name,
            code=code,
            reason=reason,
        )


class PluginFailed(PinflowError):
    """MSK Connect could not make the custom plugin from its file."""


class WaitTimedOut(PinflowError):
    """A service did not reach the wanted state in time."""


class LandingLate(WaitTimedOut):
    """The connector has not committed all that was in the topics; ``data`` holds ``lag`` and ``connector_state``."""


class StackFailed(PinflowError):
    """CloudFormation rolled a stack back, or left it failed; ``data`` holds ``status`` and ``events``."""


class ResourcesLeft(PinflowError):
    """Something that is billed is there after a teardown; ``data["left"]`` maps each kind to its names."""


class StatementFailed(PinflowError):
    """A SQL statement ended other than SUCCEEDED, or its result was cut; ``data`` holds ``sql`` and ``code``."""


class NotebookFailed(PinflowError):
    """A notebook run ended other than SUCCESS; ``data`` holds ``run_id``, ``state`` and ``errors``."""


class StreamingJobFailed(PinflowError):
    """A streaming job ended or stalled more often than it may; ``data`` holds ``run_ids`` and ``ends``."""


class QualityFailed(PinflowError):
    """Quality rules of severity error found rows; ``data["rows"]`` maps each rule to its rows."""


class ReconciliationFailed(PinflowError):
    """Posts are missing, foreign or doubled; ``data`` holds all of them by table."""
