"""States of runs and tasks, with the names of the Jobs API."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class LifeCycle(StrEnum):
    """``life_cycle_state``; the last three are final."""

    QUEUED = "QUEUED"
    PENDING = "PENDING"
    BLOCKED = "BLOCKED"
    RUNNING = "RUNNING"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"
    SKIPPED = "SKIPPED"
    INTERNAL_ERROR = "INTERNAL_ERROR"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen."""
        return self in (LifeCycle.TERMINATED, LifeCycle.SKIPPED, LifeCycle.INTERNAL_ERROR)


class Result(StrEnum):
    """``result_state`` of what has ended."""

    SUCCESS = "SUCCESS"
    SUCCESS_WITH_FAILURES = "SUCCESS_WITH_FAILURES"
    FAILED = "FAILED"
    TIMEDOUT = "TIMEDOUT"
    CANCELED = "CANCELED"
    UPSTREAM_FAILED = "UPSTREAM_FAILED"
    UPSTREAM_CANCELED = "UPSTREAM_CANCELED"
    EXCLUDED = "EXCLUDED"


FAILURES = frozenset({Result.FAILED, Result.TIMEDOUT, Result.UPSTREAM_FAILED})
CANCELLATIONS = frozenset({Result.CANCELED, Result.UPSTREAM_CANCELED})


@dataclass(frozen=True)
class State:
    """A state as the API shows it."""

    life_cycle: LifeCycle
    result: Result | None = None
    message: str = ""

    def as_dict(self) -> dict[str, object]:
        """The JSON object ``state`` of a run or task."""
        public: dict[str, object] = {"life_cycle_state": self.life_cycle.value, "state_message": self.message}
        if self.result is None:
            return public
        return public | {
            "result_state": self.result.value,
            "user_cancelled_or_timedout": self.result in (Result.CANCELED, Result.TIMEDOUT),
        }


class RunIf(StrEnum):
    """``run_if`` of a task: what must hold of the tasks that it depends on, once all have ended."""

    ALL_SUCCESS = "ALL_SUCCESS"
    AT_LEAST_ONE_SUCCESS = "AT_LEAST_ONE_SUCCESS"
    NONE_FAILED = "NONE_FAILED"
    ALL_DONE = "ALL_DONE"
    AT_LEAST_ONE_FAILED = "AT_LEAST_ONE_FAILED"
    ALL_FAILED = "ALL_FAILED"

    def holds(self, upstream: Collection[Result]) -> bool:
        """Whether a task may start.

        :param upstream: the results of all tasks that it depends on.
        """
        successes = sum(result is Result.SUCCESS for result in upstream)
        failures = sum(result in FAILURES for result in upstream)
        return {
            RunIf.ALL_SUCCESS: successes == len(upstream),
            RunIf.AT_LEAST_ONE_SUCCESS: successes > 0 or not upstream,
            RunIf.NONE_FAILED: failures == 0 and not CANCELLATIONS.intersection(upstream),
            RunIf.ALL_DONE: True,
            RunIf.AT_LEAST_ONE_FAILED: failures > 0,
            RunIf.ALL_FAILED: failures == len(upstream),
        }[self]


def overall(results: Collection[Result], leaves: Collection[Result]) -> Result:
    """The result of a run from those of its tasks.

    :param results: of all tasks.
    :param leaves: of the tasks on which no other depends; they decide.
    """
    if FAILURES.intersection(leaves):
        return Result.TIMEDOUT if Result.TIMEDOUT in leaves and Result.FAILED not in results else Result.FAILED
    if CANCELLATIONS.intersection(leaves):
        return Result.CANCELED
    if FAILURES.intersection(results) or CANCELLATIONS.intersection(results):
        return Result.SUCCESS_WITH_FAILURES
    return Result.SUCCESS
