"""Wait for a streaming job to live and keep up."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator
from airflow.sdk.configuration import conf

from pinflow.exceptions import WaitTimedOut
from pinflow.hooks.streaming import StreamingJobHook, Tables, Vitals
from pinflow.triggers.streaming import StreamingHeartbeatTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class StreamingHeartbeatSensor(BaseSensorOperator):
    """Wait until a streaming job has written a heartbeat lately and is not too far behind.

    It looks at heartbeats only, not at the job's run.

    :param job_id: the job. (templated)
    :param warehouse_id: the SQL warehouse. (templated)
    :param catalog: the catalog of the heartbeats. (templated)
    :param maximum_age_seconds: since the newest heartbeat.
    :param maximum_lag_ms: how far behind the stream's end it may be; an unknown lag is too far.
    :param heartbeat_table: the heartbeats. (templated)
    :param query: the streaming query whose heartbeats count.
    :param deferrable: wait in the triggerer.
    :param databricks_conn_id: the connection. (templated)
    :raises WaitTimedOut: deferred, and not so within ``timeout`` seconds.
    """

    ui_color = "#f7e3da"
    template_fields: Sequence[str] = ("job_id", "warehouse_id", "catalog", "heartbeat_table", "databricks_conn_id")

    def __init__(
        self,
        *,
        job_id: str,
        warehouse_id: str,
        catalog: str | None = None,
        maximum_age_seconds: float = 60,
        maximum_lag_ms: int = 60_000,
        heartbeat_table: str = "ops.stream_heartbeat",
        query: str = "posts",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        databricks_conn_id: str = "databricks_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.warehouse_id = warehouse_id
        self.catalog = catalog
        self.maximum_age_seconds = maximum_age_seconds
        self.maximum_lag_ms = maximum_lag_ms
        self.heartbeat_table = heartbeat_table
        self.query = query
        self.deferrable = deferrable
        self.databricks_conn_id = databricks_conn_id

    @cached_property
    def hook(self) -> StreamingJobHook:
        """The client, made on first use."""
        return StreamingJobHook(self.databricks_conn_id)

    @property
    def tables(self) -> Tables:
        """Where the heartbeats are."""
        return Tables(self.warehouse_id, self.catalog, self.heartbeat_table, "", self.query)

    def poke(self, context: Context) -> bool:
        """Look once."""
        vitals = self._vitals()
        self.log.info("%s: %s", self.job_id, vitals)
        return vitals.well(self.maximum_age_seconds, self.maximum_lag_ms)

    def execute(self, context: Context) -> None:
        """Wait, here or in the triggerer."""
        if not self.deferrable:
            super().execute(context)
        elif not self.poke(context):
            self.defer(trigger=self._trigger(), method_name="execute_complete")

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> None:
        """End; after a timeout look once more, as the event may be old."""
        if event["status"] != "success" and not self.poke(context):
            raise WaitTimedOut(
                f"The streaming job {self.job_id} does not keep up after {self.timeout:.0f} s.",
                f"At the last look: {event.get('message')}.",
                "Look at the task supervise of pinflow_streaming and at the job's run page, then clear the task.",
                vitals=asdict(self._vitals()),
            )

    def _vitals(self) -> Vitals:
        return self.hook.vitals(self.job_id, None, self.tables, time.time() - self.maximum_age_seconds)

    def _trigger(self) -> StreamingHeartbeatTrigger:
        return StreamingHeartbeatTrigger(
            job_id=self.job_id,
            tables=asdict(self.tables),
            maximum_age=self.maximum_age_seconds,
            maximum_lag_ms=self.maximum_lag_ms,
            databricks_conn_id=self.databricks_conn_id,
            poll_interval=self.poke_interval,
            timeout=self.timeout,
        )
