"""The DAG `pinflow_streaming`: what its notebook is told, its form, and how long it may take."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import include
from include.config.settings import load as settings
from pinflow.operators.streaming import StreamingJobOperator
from tests.dags.test_wiring import check_parameter, order


@pytest.fixture
def dag(bag: Any) -> Any:
    return bag.dags["pinflow_streaming"]


@pytest.fixture
def supervise(dag: Any) -> Any:
    return dag.get_task("supervise")


def constants(path: str) -> dict[str, Any]:
    """The plain values that a module of the Spark side assigns; it cannot be imported in this environment."""
    module = ast.parse((Path(include.__file__).parent / path).read_text(encoding="utf-8"))
    found: dict[str, Any] = {}
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                found[node.targets[0].id] = [
                    entry.value for entry in ast.walk(node.value) if isinstance(entry, ast.Constant)
                ]
    return found


def rendered(task: Any, context: dict[str, Any]) -> Any:
    """The task with its templates filled in."""
    copy = task.prepare_for_execution()
    copy.render_template_fields(context)
    return copy


class TestWiring:
    def test_order(self, dag: Any) -> None:
        assert order(dag) == {"supervise": {"report"}, "report": set()}

    def test_it_waits_in_the_triggerer_with_tries_to_spare(self, supervise: Any) -> None:
        assert isinstance(supervise, StreamingJobOperator)
        assert supervise.deferrable
        assert supervise.retries >= 2

    def test_the_longest_window_fits(self, dag: Any, supervise: Any) -> None:
        longest = dag.params.get_param("window_minutes").schema["maximum"] * 60
        assert supervise.execution_timeout.total_seconds() > longest
        assert dag.dagrun_timeout.total_seconds() > longest

    def test_what_the_settings_say(self, supervise: Any) -> None:
        streaming = settings().streaming
        assert supervise.job_id == streaming.job_id
        assert supervise.stall_seconds == streaming.stall_seconds
        assert supervise.maximum_restarts == streaming.maximum_restarts
        assert supervise.notebook_path.endswith("/include/spark/notebooks/stream")

    def test_the_notebook_gets_its_parameters_and_no_other(self, supervise: Any) -> None:
        told = constants("spark/stream/parameters.py")
        optional = set(told["DEFAULTS"])
        required = set(told["NAMES"])
        given = {"job_id", "run_key", *supervise.parameters}
        assert required
        assert required <= given
        assert given <= required | optional

    def test_the_notebook_writes_what_is_read(self, supervise: Any) -> None:
        """The tables and columns of the heartbeats, as the Spark side names them."""
        from pinflow.hooks.streaming import BATCHES, DELAYS, VITALS

        source = (Path(include.__file__).parent / "spark/stream/schemas.py").read_text(encoding="utf-8")
        for table in (supervise.heartbeat_table, supervise.arrivals_table):
            assert table in source
        read = {"run_key", "job_id", "query", "query_id", "batch_id", "rows", "quarantined", "late", "committed_at",
                "delay_max_ms", "lag_ms", "lag_records", "written_at", "arrived_at"}  # fmt: skip
        assert all(name in BATCHES + DELAYS + VITALS for name in read)
        assert [name for name in sorted(read) if f'"{name}"' not in source] == []

    @pytest.mark.parametrize(
        ("source", "bootstrap"), [("kinesis", ""), ("kafka", "broker:9092")], ids=["kinesis", "kafka"]
    )
    def test_templates(self, supervise: Any, source: str, bootstrap: str) -> None:
        class Connection:
            extra_dejson = {"bootstrap.servers": "broker:9092"}  # noqa: RUF012

        class Connections:
            @property
            def kafka_default(self) -> Connection:
                assert source == "kafka", "a connection that is not needed need not be there"
                return Connection()

        params = {"window_minutes": 2.5, "until_idle_seconds": None, "at_end": "stop", "trigger": "availableNow",
                  "initial_position": "latest", "source": source}  # fmt: skip
        made = rendered(supervise, {"params": params, "conn": Connections()})
        assert float(made.window_seconds) == 150
        assert made.idle_seconds is None
        assert made.stops is True
        assert made.parameters["kafka_bootstrap"] == bootstrap
        assert (made.parameters["source"], made.parameters["trigger"]) == (source, "availableNow")
        assert (
            rendered(supervise, {"params": {**params, "until_idle_seconds": 6}, "conn": Connections()}).idle_seconds
            == 6
        )

    @pytest.mark.parametrize(
        ("source", "options"), [("kinesis", '{"serviceCredential": "pinflow-streams"}'), ("kafka", "{}")]
    )
    def test_on_aws_kinesis_is_read_with_the_service_credential(
        self, source: str, options: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PINFLOW_SETTINGS", "aws")
        made = runpy.run_path(str(Path(include.__file__).parents[1] / "dags/pinflow_streaming.py"))["supervise"]
        assert made.cluster["data_security_mode"] == "USER_ISOLATION"
        params = {"window_minutes": 60, "until_idle_seconds": None, "at_end": "leave", "trigger": "1 second",
                  "initial_position": "latest", "source": source}  # fmt: skip
        connections = SimpleNamespace(kafka_default=SimpleNamespace(extra_dejson={"bootstrap.servers": "b:9098"}))
        copy = rendered(made, {"params": params, "conn": connections})
        assert copy.parameters["source_options"] == options


class TestForm:
    @pytest.mark.parametrize(
        ("name", "good", "bad"),
        [
            ("window_minutes", [0.5, 60, 1440], [0, 1441, "an hour"]),
            ("until_idle_seconds", [None, 1, 0.5], [0, -1, "now"]),
            ("at_end", ["leave", "stop"], ["kill"]),
            ("trigger", ["availableNow", "1 second", "500 milliseconds", "0.5 seconds"], ["now", "", "1s"]),
            ("initial_position", ["earliest", "latest"], ["middle"]),
            ("source", ["kinesis", "kafka"], ["files"]),
        ],
    )
    def test_parameters(self, dag: Any, name: str, good: list[Any], bad: list[Any]) -> None:
        check_parameter(dag, name, good, bad)


def test_the_report_hands_the_numbers_on(dag: Any) -> None:
    window = {"rows": 3, "left_running": True}
    assert dag.get_task("report").python_callable(window) == window
