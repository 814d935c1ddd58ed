"""What we ask of a DAG; each finding says how to mend it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

LONGEST_PARSE = 1.0
NAME = re.compile(r"pinflow_[a-z_]+")


def findings(dag: Any) -> list[str]:
    """What is wrong with a DAG, with the mend."""
    return [*_of_the_dag(dag), *_of_its_parameters(dag), *(text for task in dag.tasks for text in _of_a_task(task))]


def _of_the_dag(dag: Any) -> Iterator[str]:
    at = f"{dag.dag_id}:"
    if not NAME.fullmatch(dag.dag_id):
        yield f"{at} name it pinflow_<what it does>, lower case"
    if "pinflow" not in dag.tags:
        yield f"{at} add tags=['pinflow', ...]; people find our DAGs by it"
    if not (dag.doc_md or "").strip():
        yield f"{at} add doc_md=__doc__ and say in one line why it is there"
    if dag.catchup:
        yield f"{at} set catchup=False; the past is done by backfill"
    if dag.max_active_runs > 1:
        yield f"{at} set max_active_runs=1; two runs would write the same tables"
    if dag.dagrun_timeout is None:
        yield f"{at} set dagrun_timeout; a run that hangs must end"
    if type(dag.timetable).__name__ == "CronTriggerTimetable":
        yield f"{at} use CronDataIntervalTimetable; '@daily' has intervals of no length"


def _of_its_parameters(dag: Any) -> Iterator[str]:
    for name in dag.params:
        schema = dag.params.get_param(name).schema
        if not schema.get("title"):
            yield f"{dag.dag_id}: give the parameter {name} a title; it is the form's label"
        if not (schema.get("description_md") or dag.params.get_param(name).description):
            yield f"{dag.dag_id}: give the parameter {name} a description_md"
        kinds = schema.get("type")
        texts = "string" in (kinds if isinstance(kinds, list) else [kinds])
        if texts and not (schema.get("enum") or schema.get("pattern") or schema.get("format")):
            yield f"{dag.dag_id}: give the parameter {name} an enum or a pattern, so that the form refuses nonsense"


def _of_a_task(task: Any) -> Iterator[str]:
    at = f"{task.dag_id}.{task.task_id}:"
    given = getattr(task, "partial_kwargs", None) or vars(task)
    if task.owner in ("airflow", None, ""):
        yield f"{at} set an owner in default_args; someone must be asked when it fails"
    if not task.execution_timeout:
        yield f"{at} set execution_timeout"
    if task.retries < 1:
        yield f"{at} set retries; everything outside fails now and then"
    if given.get("deferrable") and task.retries < 2:
        yield f"{at} set retries=2 or more; a deferred task may be failed by Airflow itself (apache/airflow#71580)"
    if not task.has_retry_policy:
        yield f"{at} set retry_policy=FAIL_FAST; a refusal is not worth a second try"
