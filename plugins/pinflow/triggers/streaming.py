"""Watch a streaming job in the triggerer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import cached_property
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from pinflow.hooks.streaming import OUTAGES, StreamingJobHook, Tables, Watch, Watcher


class StreamingJobTrigger(BaseTrigger):
    """Fire when a streaming job needs its operator: it ended or stalled, or its window is over.

    It only looks: what to do is the operator's. A restart of the triggerer changes nothing for the job; when a user
    clears or marks the waiting task, the job is cancelled if the operator is to stop it at the end, and otherwise left.

    :param watch: the fields of :class:`~pinflow.hooks.streaming.Watch`.
    :param databricks_conn_id: the connection.
    """

    def __init__(self, watch: dict[str, Any], databricks_conn_id: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.watch = watch
        self.databricks_conn_id = databricks_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class path and the arguments."""
        return (
            "pinflow.triggers.streaming.StreamingJobTrigger",
            {"watch": self.watch, "databricks_conn_id": self.databricks_conn_id},
        )

    @cached_property
    def hook(self) -> StreamingJobHook:
        """The client, made on first use; one try a call, the patience is the watcher's."""
        return StreamingJobHook(self.databricks_conn_id, outage_seconds=0)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look every ``poll_seconds``; the first look comes after a pause, as the operator has just looked itself."""
        watch = Watch(**self.watch)
        watcher = Watcher(self.hook, watch)
        while True:
            await asyncio.sleep(watch.pause)
            if (verdict := await asyncio.to_thread(watcher.look)) is not None:
                yield TriggerEvent({"status": str(verdict), "run_id": watch.run_id})
                return

    async def on_kill(self) -> None:
        """A user acted on the waiting task: cancel the run if the operator is to stop it at the end."""
        watch = Watch(**self.watch)
        if watch.stops:
            await asyncio.to_thread(self.hook.cancel_run, watch.run_id)


class StreamingHeartbeatTrigger(BaseTrigger):
    """Fire when a streaming job lives and is not too far behind, or when the time is over.

    :param job_id: the job.
    :param tables: the fields of :class:`~pinflow.hooks.streaming.Tables`.
    :param maximum_age: seconds since the newest heartbeat.
    :param maximum_lag_ms: how far behind it may be.
    :param databricks_conn_id: the connection.
    :param poll_interval: seconds between two looks.
    :param timeout: seconds until it gives up.
    """

    def __init__(
        self,
        job_id: str,
        tables: dict[str, Any],
        maximum_age: float,
        maximum_lag_ms: int,
        databricks_conn_id: str,
        poll_interval: float,
        timeout: float,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.arguments: dict[str, Any] = {
            "job_id": job_id,
            "tables": tables,
            "maximum_age": maximum_age,
            "maximum_lag_ms": maximum_lag_ms,
            "databricks_conn_id": databricks_conn_id,
            "poll_interval": poll_interval,
            "timeout": timeout,
        }

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class path and the arguments."""
        return "pinflow.triggers.streaming.StreamingHeartbeatTrigger", self.arguments

    @cached_property
    def hook(self) -> StreamingJobHook:
        """The client, made on first use."""
        return StreamingJobHook(self.arguments["databricks_conn_id"], outage_seconds=0)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until all is well; a workspace that does not answer is waited for as well."""
        deadline = time.monotonic() + self.arguments["timeout"]
        message = "no look yet"
        while time.monotonic() < deadline:
            try:
                ready, message = await asyncio.to_thread(self._look)
            except OUTAGES as error:
                ready, message = False, str(error)
            self.log.info("%s: %s", self.arguments["job_id"], message)
            if ready:
                yield TriggerEvent({"status": "success"})
                return
            await asyncio.sleep(self.arguments["poll_interval"])
        yield TriggerEvent({"status": "timeout", "message": message})

    def _look(self) -> tuple[bool, str]:
        given = self.arguments
        since = time.time() - given["maximum_age"]
        vitals = self.hook.vitals(given["job_id"], None, Tables(**given["tables"]), since)
        return vitals.well(given["maximum_age"], given["maximum_lag_ms"]), str(vitals)
