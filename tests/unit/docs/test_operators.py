"""Each example of docs/operators.md is run, and every operator, sensor and trigger has one."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pkgutil
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="pinflow-docs-"))

from airflow.sdk import DAG, BaseOperator
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.triggers.base import BaseTrigger

import pinflow

DOCUMENT = (Path(__file__).parents[3] / "docs" / "operators.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PARTS = {
    title.strip(): text
    for title, _, text in (part.partition("\n") for part in DOCUMENT.split("\n## ")[1:])
    if FENCE.search(text)
}
BASES = ("BaseOperator", "WaitingOperator", "WaitingSensor", "WaitingTrigger")
"""How the names of classes end that are only there to be inherited from."""


def public(kind: str) -> set[type]:
    """The classes that ``operators``, ``sensors`` or ``triggers`` offer."""
    folder = Path(pinflow.__file__).parent / kind
    base = BaseTrigger if kind == "triggers" else BaseOperator
    modules = [importlib.import_module(f"pinflow.{kind}.{entry.name}") for entry in pkgutil.iter_modules([str(folder)])]
    return {
        found
        for module in modules
        for name, found in inspect.getmembers(module, inspect.isclass)
        if found.__module__ == module.__name__
        and issubclass(found, base)
        and not name.startswith("_")
        and not name.endswith(BASES)
    }


def run(code: str) -> tuple[DAG, list[BaseTrigger]]:
    """Run an example inside a DAG."""
    names: dict[str, Any] = {}
    with DAG("example", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        exec(compile(code, "docs/operators.md", "exec"), names)
    return dag, [found for found in names.values() if isinstance(found, BaseTrigger)]


@pytest.fixture(scope="module")
def examples() -> dict[str, tuple[DAG, list[BaseTrigger]]]:
    return {title: run(code) for title, text in PARTS.items() for code in FENCE.findall(text)}


def kind_of(task: Any) -> type:
    return task.operator_class if isinstance(task, MappedOperator) else type(task)


@pytest.mark.parametrize("kind", ["operators", "sensors"])
def test_every_operator_and_sensor_has_an_example(examples: Any, kind: str) -> None:
    shown = {kind_of(task) for dag, _ in examples.values() for task in dag.tasks}
    assert {found.__name__ for found in public(kind) - shown} == set()


def test_every_trigger_has_an_example(examples: Any) -> None:
    shown = {type(trigger) for _, triggers in examples.values() for trigger in triggers}
    assert {found.__name__ for found in public("triggers") - shown} == set()


def test_what_is_public() -> None:
    counts = {kind: len(public(kind)) for kind in ("operators", "sensors", "triggers")}
    assert counts["operators"] > 30
    assert counts["sensors"] >= 7
    assert counts["triggers"] >= 9


@pytest.mark.parametrize("title", sorted(PARTS))
class TestExample:
    def test_its_tasks_are_in_a_line(self, examples: Any, title: str) -> None:
        dag, _ = examples[title]
        assert len(dag.roots) == len(dag.leaves) == 1
        dag.check_cycle()

    def test_its_tasks_survive_serialisation(self, examples: Any, title: str) -> None:
        from airflow.serialization.serialized_objects import DagSerialization

        dag, _ = examples[title]
        again = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))
        assert set(again.task_dict) == set(dag.task_dict)

    def test_template_fields_are_attributes(self, examples: Any, title: str) -> None:
        for task in examples[title][0].tasks:
            if not isinstance(task, MappedOperator):
                assert all(hasattr(task, name) for name in task.template_fields)

    def test_its_triggers_are_made_again_from_what_they_serialise(self, examples: Any, title: str) -> None:
        for trigger in examples[title][1]:
            path, arguments = trigger.serialize()
            module, _, name = path.rpartition(".")
            again = getattr(importlib.import_module(module), name)(**json.loads(json.dumps(arguments)))
            assert again.serialize() == (path, arguments)

    def test_its_deferrable_tasks_have_retries(self, examples: Any, title: str) -> None:
        careless = [
            task.task_id
            for task in examples[title][0].tasks
            if getattr(task, "deferrable", False) and task.retries < 2 and "Sensor" not in kind_of(task).__name__
        ]
        assert careless == []


def test_a_missing_example_would_be_seen() -> None:
    dag, triggers = run(
        "from pinflow.operators.kafka import KafkaDeleteConsumerGroupOperator as K\nK(task_id='t', group='g')"
    )
    assert [kind_of(task).__name__ for task in dag.tasks] == ["KafkaDeleteConsumerGroupOperator"]
    assert triggers == []
    with pytest.raises(TypeError, match="group"):
        run("from pinflow.operators.kafka import KafkaDeleteConsumerGroupOperator as K\nK(task_id='t')")
