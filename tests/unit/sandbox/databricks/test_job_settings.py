"""Requests read: tasks, dependencies, tokens, run_if, results of runs."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from sandbox.databricks.errors import InvalidParameterError
from sandbox.databricks.jobs.settings import job_settings, task_list, token
from sandbox.databricks.jobs.states import LifeCycle, Result, RunIf, State, overall

NOTEBOOK = {"notebook_path": "/a"}


def task(key: str, *needs: str, **fields: Any) -> dict[str, Any]:
    return {"task_key": key, "notebook_task": NOTEBOOK, "depends_on": [{"task_key": name} for name in needs], **fields}


class TestTasks:
    def test_the_old_form_becomes_one_task(self) -> None:
        settings = {"notebook_task": NOTEBOOK, "existing_cluster_id": "1", "run_name": "x", "timeout_seconds": "60"}
        assert task_list(settings) == [
            {"task_key": "main", "notebook_task": NOTEBOOK, "existing_cluster_id": "1", "timeout_seconds": 60}
        ]

    def test_tasks_are_kept_in_their_order(self) -> None:
        assert [entry["task_key"] for entry in task_list({"tasks": [task("b"), task("a", "b")]})] == ["b", "a"]

    @pytest.mark.parametrize(
        ("tasks", "message"),
        [
            ([], "has no task"),
            ("x", "must be a list"),
            ([{"notebook_task": NOTEBOOK}], "task key None"),
            ([task("a b")], "task key 'a b'"),
            ([task("x" * 101)], "1 to 100"),
            ([{"task_key": "a"}], "0 kinds of task"),
            ([{"task_key": "a", "notebook_task": NOTEBOOK, "sql_task": {}}], "2 kinds of task"),
            ([{"task_key": "a", "notebook_task": "/a"}], "must be an object"),
            ([task("a"), task("a")], "same task_key"),
            ([task("a", "b")], "'b', which is not a task"),
            ([task("a", "b"), task("b", "a")], "in a circle"),
            ([task("a", "a")], "in a circle"),
            ([task("a", run_if="SOMETIMES")], "'SOMETIMES' is unknown"),
            ([task("a", timeout_seconds="soon")], "'timeout_seconds' must be a whole number"),
        ],
    )
    def test_what_cannot_run_is_refused(self, tasks: Any, message: str) -> None:
        with pytest.raises(InvalidParameterError, match=message):
            task_list({"tasks": tasks})

    def test_a_job_may_have_no_task_yet(self) -> None:
        assert "tasks" not in job_settings({"name": "later"})

    def test_access_lists_are_not_kept(self) -> None:
        assert "access_control_list" not in job_settings({"name": "n", "access_control_list": [{"user_name": "u"}]})


@pytest.mark.parametrize("value", [None, ""])
def test_no_token(value: Any) -> None:
    assert token(value) is None


def test_tokens_have_64_characters_at_most() -> None:
    assert token("x" * 64) == "x" * 64
    with pytest.raises(InvalidParameterError, match="64"):
        token("x" * 65)


S, F, C = Result.SUCCESS, Result.FAILED, Result.CANCELED


@pytest.mark.parametrize(
    ("rule", "results", "holds"),
    [
        (RunIf.ALL_SUCCESS, [], True),
        (RunIf.ALL_SUCCESS, [S, S], True),
        (RunIf.ALL_SUCCESS, [S, F], False),
        (RunIf.ALL_SUCCESS, [S, C], False),
        (RunIf.ALL_DONE, [F, C], True),
        (RunIf.AT_LEAST_ONE_SUCCESS, [F, S], True),
        (RunIf.AT_LEAST_ONE_SUCCESS, [F, C], False),
        (RunIf.NONE_FAILED, [S, Result.EXCLUDED], True),
        (RunIf.NONE_FAILED, [S, Result.UPSTREAM_FAILED], False),
        (RunIf.AT_LEAST_ONE_FAILED, [S, F], True),
        (RunIf.AT_LEAST_ONE_FAILED, [S, S], False),
        (RunIf.ALL_FAILED, [F, Result.TIMEDOUT], True),
        (RunIf.ALL_FAILED, [F, S], False),
    ],
)
def test_run_if(rule: RunIf, results: list[Result], holds: bool) -> None:
    assert rule.holds(results) is holds


@pytest.mark.parametrize(
    ("results", "leaves", "expected"),
    [
        ([S, S], [S], S),
        ([S, F], [F], F),
        ([F, S], [S], Result.SUCCESS_WITH_FAILURES),
        ([F, Result.UPSTREAM_FAILED], [Result.UPSTREAM_FAILED], F),
        ([Result.TIMEDOUT], [Result.TIMEDOUT], Result.TIMEDOUT),
        ([C, Result.UPSTREAM_CANCELED], [Result.UPSTREAM_CANCELED], C),
        ([S, Result.EXCLUDED], [Result.EXCLUDED], S),
        ([F, C], [F, C], F),
    ],
)
def test_the_leaves_decide(results: list[Result], leaves: list[Result], expected: Result) -> None:
    assert overall(results, leaves) is expected


def test_every_state_has_a_text_message_and_a_known_life_cycle() -> None:
    """The provider raises on any other life cycle and searches repair reasons in the message."""
    known = {
        "PENDING", "QUEUED", "BLOCKED", "RUNNING", "TERMINATING", "TERMINATED", "SKIPPED", "INTERNAL_ERROR",
    }  # fmt: skip
    for life_cycle, result in product(LifeCycle, [None, *Result]):
        public = State(life_cycle, result).as_dict()
        assert public["life_cycle_state"] in known
        assert isinstance(public["state_message"], str)


def test_only_three_life_cycles_are_final() -> None:
    assert {one for one in LifeCycle if one.final} == {"TERMINATED", "SKIPPED", "INTERNAL_ERROR"}
