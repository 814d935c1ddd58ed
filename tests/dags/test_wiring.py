"""What the DAGs are made of: stages, their order, forms, and what each task is told."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from include.config.settings import load as settings
from include.sql import gold


def order(dag: Any) -> dict[str, set[str]]:
    return {task.task_id: set(task.downstream_task_ids) for task in dag.tasks}


class TestProvision:
    def test_order(self, bag: Any) -> None:
        wanted = {
            "landing.bucket": {"connect.connector"},
            "kafka.topics": {"connect.connector"},
            "connect.plugin": {"connect.connector"},
            "connect.connector": {"announce"},
            "workspace.upload": {"announce"},
            "announce": set(),
        }
        assert order(bag.dags["pinflow_provision"]).items() >= wanted.items()

    def test_a_task_a_topic_with_the_dead_letters(self, bag: Any) -> None:
        topics = bag.dags["pinflow_provision"].get_task("kafka.topics").expand_input.value["topic"]
        assert topics == ["pinflow.pin", "pinflow.geo", "pinflow.user", "pinflow.dead-letter"]

    def test_the_connectors_configuration_is_filled_in(self, bag: Any) -> None:
        configuration = bag.dags["pinflow_provision"].get_task("connect.connector").configuration
        assert configuration["topics"] == "pinflow.pin,pinflow.geo,pinflow.user"
        assert configuration["s3.bucket.name"] == settings().landing.bucket
        assert "${" not in str(configuration)
        assert all(isinstance(value, str) for value in configuration.values())

    def test_it_announces_the_platform(self, bag: Any) -> None:
        outlets = bag.dags["pinflow_provision"].get_task("announce").outlets
        assert [asset.name for asset in outlets] == ["platform"]


class TestEmulate:
    def test_order(self, bag: Any) -> None:
        assert order(bag.dags["pinflow_emulate"]) == {"seed_source": {"emulate"}, "emulate": set()}

    @pytest.mark.parametrize(
        ("name", "good", "bad"),
        [
            ("posts", [1, 500, "all", "500"], [0, "many", "", -1, "0"]),
            ("target", ["batch", "console"], ["s3"]),
            ("rate", [None, 2.5, "human", "2.5", ""], [0, "fast", -1]),
            ("first_day", ["", None, "2022-03-01"], ["1.3.2022", "2022-3-1"]),
            ("source_posts", [1, 11000], [0, "all"]),
        ],
    )
    def test_the_form(self, bag: Any, name: str, good: list[Any], bad: list[Any]) -> None:
        check_parameter(bag.dags["pinflow_emulate"], name, good, bad)


class TestBatch:
    def test_order(self, bag: Any) -> None:
        found = order(bag.dags["pinflow_batch"])
        stages = ["interval", "wait_for_landing", "clean", "quality", "gold_statements", "gold", "reconcile", "report"]
        assert set(found) == set(stages)
        for stage, following in pairwise(stages):
            assert following in found[stage]

    def test_daily_intervals_of_a_whole_day(self, bag: Any) -> None:
        import pendulum
        from airflow.timetables.interval import CronDataIntervalTimetable

        dag = bag.dags["pinflow_batch"]
        timetable = CronDataIntervalTimetable("@daily", timezone="UTC")
        interval = timetable.infer_manual_data_interval(run_after=pendulum.datetime(2022, 3, 2, tz="UTC"))
        assert (interval.end - interval.start).total_seconds() == 86_400
        assert isinstance(dag.timetable, CronDataIntervalTimetable)
        assert dag.start_date == pendulum.datetime(2017, 10, 19, tz="UTC"), "the first post there can be"
        assert dag.max_active_runs == 1

    def test_clean_gets_every_parameter_of_its_notebook(self, bag: Any) -> None:
        batch = (__import__("include").__path__[0]) + "/spark/batch.py"
        with open(batch, encoding="utf-8") as file:  # noqa: PTH123  include/spark is not imported in this environment
            names = re.search(r"NAMES = \(([^)]*)\)", file.read().replace("\n", " "))
        assert names is not None
        wanted = set(re.findall(r'"(\w+)"', names[1]))
        given = bag.dags["pinflow_batch"].get_task("clean").expand_input.value["parameters"]
        assert [parameters["table"] for parameters in given] == ["pin", "geo", "user"]
        assert all(set(parameters) == wanted for parameters in given)

    def test_deferred_waits_and_named_map_indexes(self, bag: Any) -> None:
        dag = bag.dags["pinflow_batch"]
        assert dag.get_task("wait_for_landing").deferrable
        assert dag.get_task("clean").partial_kwargs["deferrable"]
        for task_id in ("clean", "gold"):
            assert dag.get_task(task_id).partial_kwargs["map_index_template"]

    def test_one_statement_a_query(self, bag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        from airflow.sdk.definitions._internal.contextmanager import _CURRENT_CONTEXT

        _CURRENT_CONTEXT.append({"params": {"as_of": "2022-10-19"}})  # type: ignore[arg-type]
        try:
            made = bag.dags["pinflow_batch"].get_task("gold_statements").python_callable()
        finally:
            _CURRENT_CONTEXT.pop()
        assert [entry["query_tags"]["query"] for entry in made] == [query.name for query in gold()]
        for entry in made:
            name = entry["query_tags"]["query"]
            assert entry["statement"].startswith(f"CREATE OR REPLACE TABLE spark_catalog.gold.{name}")
        this_year = next(entry for entry in made if entry["query_tags"]["query"].endswith("this_year"))
        assert "'2022-10-19T00:00:00Z'" in this_year["statement"]

    def test_it_announces_gold(self, bag: Any) -> None:
        assert [asset.name for asset in bag.dags["pinflow_batch"].get_task("report").outlets] == ["gold"]

    @pytest.mark.parametrize(
        ("name", "good", "bad"),
        [
            ("from", ["", None, "2022-03-01", "2022-03-01T00:00:00Z", "2022-03-01 00:00:00+02:00"], ["yesterday", 5]),
            ("as_of", ["", "2022-10-19T17:54:00Z"], ["now"]),
            ("foreign_records", ["fail", "report"], ["ignore"]),
        ],
    )
    def test_the_form(self, bag: Any, name: str, good: list[Any], bad: list[Any]) -> None:
        check_parameter(bag.dags["pinflow_batch"], name, good, bad)


def check_parameter(dag: Any, name: str, good: list[Any], bad: list[Any]) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    parameter = dag.params.get_param(name)
    for value in good:
        assert parameter.resolve(value) == value
    for value in bad:
        with pytest.raises(ParamValidationError):
            parameter.resolve(value)
