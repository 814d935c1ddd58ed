"""``dbutils.jobs.taskValues``: small values that a task leaves for the tasks after it."""

from __future__ import annotations

import json
from typing import Any

from sandbox.databricks.store import Store

MAXIMUM_BYTES = 48 * 1024


class TaskValues:
    """``dbutils.jobs.taskValues``.

    :param store: the workspace's state.
    :param run_id: of the run, not of the task.
    :param task_key: the task that sets values.
    """

    def __init__(self, store: Store, run_id: int, task_key: str) -> None:
        self._store, self._run_id, self._task_key = store, run_id, task_key

    def set(self, key: str, value: Any) -> None:
        """Leave a value.

        :raises ValueError: it is not JSON, or larger than 48 KiB.
        """
        try:
            written = json.dumps(value)
        except TypeError as error:
            raise ValueError(
                f"The task value {key!r} cannot be written as JSON: {error}. Leave a plain value."
            ) from None
        if len(written) > MAXIMUM_BYTES:
            raise ValueError(
                f"The task value {key!r} has {len(written)} bytes; {MAXIMUM_BYTES} are allowed. Use a table."
            )
        self._store.execute(
            "INSERT OR REPLACE INTO task_values VALUES (?, ?, ?, ?)", (self._run_id, self._task_key, key, written)
        )

    def get(self, taskKey: str, key: str, default: Any = None, debugValue: Any = None) -> Any:  # noqa: N803
        """What another task left.

        :raises ValueError: it left nothing under that key and there is no default.
        """
        row = self._store.row(
            "SELECT value FROM task_values WHERE run_id = ? AND task_key = ? AND key = ?", (self._run_id, taskKey, key)
        )
        if row is not None:
            return json.loads(row["value"])
        if default is None:
            raise ValueError(f"Task {taskKey!r} left no value {key!r}, and there is no default. Set it there first.")
        return default


class JobsUtility:
    """``dbutils.jobs``."""

    def __init__(self, task_values: TaskValues) -> None:
        self.taskValues = task_values
