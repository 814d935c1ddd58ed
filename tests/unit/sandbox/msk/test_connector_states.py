from __future__ import annotations

import pytest

from sandbox.msk.connector_states import describe, next_state
from sandbox.msk.worker import Status

RUNNING = Status("RUNNING", ("RUNNING", "RUNNING"), "")
NO_TASKS = Status("RUNNING", (), "")
STARTING = Status("RUNNING", ("RUNNING", "UNASSIGNED"), "")
TASK_FAILED = Status("RUNNING", ("RUNNING", "FAILED"), "trace of the task")
FAILED = Status("FAILED", (), "trace of the connector")
PAUSED = Status("PAUSED", ("PAUSED", "PAUSED"), "")
PAUSING = Status("PAUSED", ("RUNNING", "PAUSED"), "")


class TestNextState:
    @pytest.mark.parametrize(
        ("state", "status", "seconds", "following"),
        [
            ("CREATING", None, 0, "CREATING"),
            ("CREATING", NO_TASKS, 9, "CREATING"),
            ("CREATING", STARTING, 9, "CREATING"),
            ("CREATING", RUNNING, 0, "RUNNING"),
            ("CREATING", TASK_FAILED, 0, "FAILED"),
            ("CREATING", FAILED, 0, "FAILED"),
            ("RUNNING", RUNNING, 9, "RUNNING"),
            ("RUNNING", STARTING, 9, "RUNNING"),
            ("RUNNING", TASK_FAILED, 9, "RUNNING"),
            ("RUNNING", FAILED, 9, "FAILED"),
            ("RUNNING", None, 9, "FAILED"),
            ("RUNNING", PAUSED, 9, "PAUSED"),
            ("PAUSED", RUNNING, 9, "RUNNING"),
            ("FAILED", FAILED, 9, "FAILED"),
            ("FAILED", TASK_FAILED, 9, "FAILED"),
            ("FAILED", RUNNING, 9, "RUNNING"),
            ("UPDATING", RUNNING, 1, "UPDATING"),
            ("UPDATING", RUNNING, 3, "RUNNING"),
            ("UPDATING", STARTING, 3, "UPDATING"),
            ("UPDATING", TASK_FAILED, 3, "RUNNING"),
            ("UPDATING", FAILED, 3, "FAILED"),
            ("RESTARTING", TASK_FAILED, 1, "RESTARTING"),
            ("RESTARTING", RUNNING, 3, "RUNNING"),
            ("PAUSING", PAUSING, 9, "PAUSING"),
            ("PAUSING", PAUSED, 0, "PAUSED"),
            ("RESUMING", PAUSED, 9, "RESUMING"),
            ("RESUMING", RUNNING, 9, "RUNNING"),
        ],
    )
    def test_follows(self, state: str, status: Status | None, seconds: float, following: str) -> None:
        assert next_state(state, status, seconds) == following


class TestDescribe:
    @pytest.mark.parametrize("status", [RUNNING, PAUSED, STARTING, NO_TASKS])
    def test_nothing_to_say(self, status: Status) -> None:
        assert describe(status) is None

    @pytest.mark.parametrize(
        ("status", "code", "words"),
        [
            (TASK_FAILED, "UnknownError.TaskFailed", "1 of 2 tasks failed.\ntrace of the task"),
            (FAILED, "UnknownError.ConnectorFailed", "trace of the connector"),
            (None, "UnknownError.ConnectorLost", "does not know the connector any more"),
        ],
    )
    def test_the_reason(self, status: Status | None, code: str, words: str) -> None:
        found = describe(status)
        assert found is not None
        assert found.code == code
        assert words in found.message

    def test_a_trace_has_an_end(self) -> None:
        found = describe(Status("FAILED", (), "x" * 100_000))
        assert found is not None
        assert len(found.as_dict()["message"]) == 8000
