"""A task as Airflow gives it to an operator, over its tries and deferrals."""

from __future__ import annotations

import json
from typing import Any


class Store(dict[str, Any]):
    """A task state store: it outlives a try."""

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""
        self[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        """Forget a value."""
        self.pop(key, None)


class TaskInstance:
    """As much of a task instance as operators look at."""

    dag_id, task_id, map_index, try_number = "dag", "supervise", -1, 1

    def __init__(self, run_id: str) -> None:
        self.run_id, self.xcoms = run_id, dict[str, Any]()

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep an XCom."""
        self.xcoms[key] = value


def dag_run(run_id: str = "first") -> dict[str, Any]:
    """The context of the task in a DAG run."""
    return {"ti": TaskInstance(run_id), "task_state_store": Store(), "params": {}}
