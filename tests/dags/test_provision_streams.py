"""The streams of `pinflow_provision`: one task a table, as the settings say, before the platform is announced."""

from __future__ import annotations

from typing import Any

from include.config.settings import load as settings
from pinflow.operators.kinesis import KinesisCreateStreamOperator


class TestStreams:
    def test_a_task_a_table(self, bag: Any) -> None:
        task = bag.dags["pinflow_provision"].get_task("kinesis.streams")
        names = ["streaming-pinflow-pin", "streaming-pinflow-geo", "streaming-pinflow-user"]
        assert task.expand_input.value["stream_name"] == names
        assert task.operator_class is KinesisCreateStreamOperator

    def test_they_are_what_the_settings_say_and_wait_in_the_triggerer(self, bag: Any) -> None:
        given = bag.dags["pinflow_provision"].get_task("kinesis.streams").partial_kwargs
        streams = settings().streams
        assert (given["shard_count"], given["retention_hours"]) == (streams.shard_count, streams.retention_hours)
        assert given["deferrable"] is True
        assert given["retries"] >= 2

    def test_the_platform_is_announced_after_them(self, bag: Any) -> None:
        dag = bag.dags["pinflow_provision"]
        assert dag.get_task("kinesis.streams").downstream_task_ids == {"announce"}
        assert dag.get_task("kinesis.streams").upstream_task_ids == set()
