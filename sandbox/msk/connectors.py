"""MSK Connect's connectors, run by the real worker.

What is wanted is written down before the worker is told, and told again after a restart: PUT of a configuration
changes nothing when repeated, so that there is never a second connector of a name.
https://docs.aws.amazon.com/MSKC/latest/mskc/API_CreateConnector.html
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.msk import operations
from sandbox.msk.connector_states import CHANGING, Description, describe, next_state
from sandbox.msk.errors import ApiError, bad_request, conflict, not_found
from sandbox.msk.names import new_arn, new_version, page
from sandbox.msk.plugins import Plugins, Schedule
from sandbox.msk.store import Document, Store
from sandbox.msk.tags import put_tags
from sandbox.msk.worker import Status, Worker, WorkerError
from sandbox.msk.worker_configurations import WorkerConfigurations

log = logging.getLogger(__name__)
Input = dict[str, Any]
WORKER_SECONDS = 60.0
RETRY_PAUSE = 0.5
INVALID = "InvalidInput.InvalidConnectorConfiguration"
# Ours, not shown to clients.
PRIVATE = {"operation", "applied_at", "origin", "tags"}
NOT_IN_SUMMARY = {"connectorConfiguration", "stateDescription"}


@dataclass
class Connectors:
    """Operations on connectors.

    :param bootstrap_servers: of the only cluster there is.
    :param schedule: runs a function in the background.
    """

    store: Store
    worker: Worker
    plugins: Plugins
    worker_configurations: WorkerConfigurations
    bootstrap_servers: str
    schedule: Schedule

    def create(self, given: Input) -> Input:
        """CreateConnector: CREATING, then RUNNING or FAILED."""
        self._check_new(given)
        arn, name = new_arn("connector", given["connectorName"]), given["connectorName"]
        record = {
            **given,
            "connectorArn": arn,
            "connectorState": "CREATING",
            "creationTime": time.time(),
            "currentVersion": new_version(),
        }
        with self.store.edit() as document:
            if any(row["connectorName"] == name for row in document["connectors"].values()):
                raise conflict(f"A connector with the name {name} already exists.", "connectorName")
            document["connectors"][arn] = record
            put_tags(document, arn, given.get("tags"))
        self.schedule(lambda: self._apply(arn))
        return _brief(record)

    def describe(self, given: Input) -> Input:
        """DescribeConnector, as the worker is now."""
        return _public(self.observe(given["connectorArn"]))

    def list(self, given: Input) -> Input:
        """ListConnectors."""
        with self.store.look() as document:
            names = sorted((row["connectorName"], arn) for arn, row in document["connectors"].items())
        wanted = [arn for name, arn in names if name.startswith(given.get("connectorNamePrefix", ""))]
        arns, token = page(wanted, given.get("maxResults"), given.get("nextToken"))
        rows = [_public(self.observe(arn)) for arn in arns]
        summaries = [{key: value for key, value in row.items() if key not in NOT_IN_SUMMARY} for row in rows]
        return {"connectors": summaries, "nextToken": token}

    def update(self, given: Input) -> Input:
        """UpdateConnector: either the capacity or the configuration; a configuration whose tasks fail is taken back."""
        capacity, wanted = given.get("capacity"), given.get("connectorConfiguration")
        if (capacity is None) == (wanted is None):
            raise bad_request("Give either capacity or connectorConfiguration, not both and not neither.")
        if capacity is not None:
            _check_capacity(capacity)
        record = self._ready(given, "RUNNING")
        if wanted is not None:
            _check_class(wanted, record["connectorConfiguration"])
        with self.store.edit() as document:
            stored = self._stored(document, given["connectorArn"])
            if wanted is None:
                self._new_capacity(document, stored, capacity)
            else:
                self._new_configuration(document, stored, wanted)
            stored["currentVersion"] = new_version()
            answer = {**_brief(stored), "connectorOperationArn": stored["operation"]}
        self.schedule(lambda: self._apply(given["connectorArn"]))
        return answer

    def delete(self, given: Input) -> Input:
        """DeleteConnector: DELETING, then unknown."""
        arn = given["connectorArn"]
        with self.store.edit() as document:
            stored = self._stored(document, arn)
            _check_version(stored, given)
            stored["connectorState"] = "DELETING"
            answer = _brief(stored)
        self.schedule(lambda: self._remove(arn))
        return answer

    def restart(self, given: Input) -> Input:
        """RestartConnector: everything, or with ``onlyFailedTasks`` what has failed."""
        only_failed = given.get("onlyFailedTasks") is True
        return self._act(
            given, "RESTARTING", "RESTART_CONNECTOR", lambda name: self.worker.restart(name, only_failed=only_failed)
        )

    def pause(self, given: Input) -> Input:
        """PauseConnector."""
        return self._act(given, "PAUSING", "PAUSE_CONNECTOR", self.worker.pause)

    def resume_one(self, given: Input) -> Input:
        """ResumeConnector."""
        return self._act(given, "RESUMING", "RESUME_CONNECTOR", self.worker.resume)

    def resume(self) -> None:
        """Go on with what the last process of the server had begun."""
        with self.store.look() as document:
            states = {arn: row["connectorState"] for arn, row in document["connectors"].items()}
        for arn, state in states.items():
            if state == "DELETING":
                self.schedule(lambda arn=arn: self._remove(arn))  # type: ignore[misc]
            elif state in ("CREATING", "UPDATING"):
                self.schedule(lambda arn=arn: self._apply(arn))  # type: ignore[misc]

    def observe(self, arn: str) -> Input:
        """Ask the worker, keep what follows from it, and give the connector's record.

        :raises ApiError: NotFoundException.
        """
        with self.store.look() as document:
            record = dict(self._stored(document, arn))
        if record["connectorState"] == "DELETING" or "applied_at" not in record:
            return record
        try:
            status = self.worker.status(record["connectorName"])
        except WorkerError as error:
            unreachable = Description("UnknownError.WorkerUnreachable", str(error))
            return {**record, "stateDescription": unreachable.as_dict()}
        with self.store.edit() as document:
            stored = self._stored(document, arn)
            # Something else may have happened while the worker was asked.
            if stored["connectorState"] == record["connectorState"]:
                self._follow(document, stored, status)
            return dict(stored)

    def _follow(self, document: Document, stored: Input, status: Status | None) -> None:
        before = stored["connectorState"]
        after = next_state(before, status, time.time() - stored["applied_at"])
        said = describe(status) if before not in CHANGING or after not in CHANGING else None
        if before == "UPDATING" and after != "UPDATING" and said is not None and "origin" in stored:
            self._roll_back(document, stored, said)
            return
        stored["connectorState"] = after
        stored.pop("stateDescription", None)
        if said is not None:
            stored["stateDescription"] = said.as_dict()
        if before in CHANGING and after not in CHANGING:
            self._ended(document, stored, said)

    def _ended(self, document: Document, stored: Input, said: Description | None) -> None:
        arn = stored.pop("operation", None)
        rolled_back = document["operations"].get(arn, {}).get("connectorOperationState") == "ROLLBACK_IN_PROGRESS"
        verb = "ROLLBACK" if rolled_back else "UPDATE"
        if said is None or rolled_back:
            operations.advance(document, arn, f"{verb}_{'COMPLETE' if said is None else 'FAILED'}")
        else:
            operations.advance(document, arn, "UPDATE_FAILED", said.as_dict())
        stored.pop("origin", None)

    def _roll_back(self, document: Document, stored: Input, said: Description) -> None:
        operations.advance(document, stored.get("operation"), "ROLLBACK_IN_PROGRESS", said.as_dict())
        stored["connectorConfiguration"] = stored.pop("origin")
        stored["currentVersion"] = new_version()
        del stored["applied_at"]
        arn = stored["connectorArn"]
        self.schedule(lambda: self._apply(arn))

    def _apply(self, arn: str) -> None:
        """Give the worker the configuration that is wanted, until it has taken or refused it."""
        deadline = time.monotonic() + WORKER_SECONDS
        while (record := self._wanted(arn)) is not None:
            try:
                self.worker.put_config(record["connectorName"], self._configuration(record))
            except WorkerError as error:
                if error.status != 400 and time.monotonic() < deadline:
                    time.sleep(RETRY_PAUSE)
                    continue
                self._refused(arn, error)
            else:
                self._note(arn, applied_at=time.time())
            return

    def _wanted(self, arn: str) -> Input | None:
        with self.store.look() as document:
            record = document["connectors"].get(arn)
            return dict(record) if record and record["connectorState"] in ("CREATING", "UPDATING") else None

    def _configuration(self, record: Input) -> dict[str, str]:
        defaults = self.worker_configurations.defaults(record.get("workerConfiguration"))
        return {**defaults, **record["connectorConfiguration"], "name": record["connectorName"]}

    def _refused(self, arn: str, error: WorkerError) -> None:
        said = Description(INVALID if error.status == 400 else "UnknownError.WorkerUnreachable", error.message)
        with self.store.edit() as document:
            stored = document["connectors"].get(arn)
            if stored is None or stored["connectorState"] == "DELETING":
                return
            if stored["connectorState"] == "CREATING":
                stored.update(connectorState="FAILED", stateDescription=said.as_dict())
                return
            # The worker goes on with the configuration of before.
            stored["connectorConfiguration"] = stored.pop("origin", stored["connectorConfiguration"])
            stored.update(connectorState="RUNNING", applied_at=time.time(), currentVersion=new_version())
            operations.advance(document, stored.pop("operation", None), "UPDATE_FAILED", said.as_dict())

    def _remove(self, arn: str) -> None:
        with self.store.look() as document:
            name = document["connectors"][arn]["connectorName"]
        while True:
            try:
                self.worker.delete(name)
            except WorkerError as error:
                log.warning("%s is not deleted yet: %s", name, error)
                time.sleep(RETRY_PAUSE)
                continue
            break
        with self.store.edit() as document:
            document["connectors"].pop(arn, None)
            document["tags"].pop(arn, None)
            gone = [key for key, row in document["operations"].items() if row["connectorArn"] == arn]
            for key in gone:
                del document["operations"][key]

    def _act(self, given: Input, state: str, kind: str, action: Callable[[str], None]) -> Input:
        arn = given["connectorArn"]
        record = self._ready(given)
        try:
            action(record["connectorName"])
        except WorkerError as error:
            raise ApiError("ServiceUnavailableException", error.message) from error
        with self.store.edit() as document:
            stored = self._stored(document, arn)
            operation = operations.begin(document, stored, kind)
            stored.update(connectorState=state, applied_at=time.time())
        return {"connectorArn": arn, "connectorOperationArn": operation}

    def _ready(self, given: Input, *states: str) -> Input:
        record = self.observe(given["connectorArn"])
        _check_version(record, given)
        state = record["connectorState"]
        if state in CHANGING or state == "DELETING":
            raise conflict(f"The connector is {state}. Wait until it is done.", "connectorArn")
        if states and state not in states:
            raise bad_request(f"The connector is {state}; it must be {' or '.join(states)}.", "connectorArn")
        return record

    def _check_new(self, given: Input) -> None:
        _check_capacity(given["capacity"])
        if not given["connectorConfiguration"].get("connector.class"):
            raise bad_request("connectorConfiguration must have connector.class.", "connectorConfiguration")
        for entry in given["plugins"]:
            plugin = self.plugins.record(entry["customPlugin"]["customPluginArn"])
            if plugin["customPluginState"] != "ACTIVE":
                raise bad_request(f"The custom plugin {plugin['name']} is {plugin['customPluginState']}.", "plugins")
        if given.get("workerConfiguration"):
            self.worker_configurations.record(given["workerConfiguration"]["workerConfigurationArn"])
        servers = given["kafkaCluster"]["apacheKafkaCluster"]["bootstrapServers"]
        if set(servers.split(",")) != set(self.bootstrap_servers.split(",")):
            raise bad_request(
                f"The sandbox has one cluster, {self.bootstrap_servers}, not {servers}. GetBootstrapBrokers gives it.",
                "kafkaCluster",
            )

    def _stored(self, document: Document, arn: str) -> Input:
        found: Input | None = document["connectors"].get(arn)
        if found is None:
            raise not_found(f"The connector {arn} does not exist.", "connectorArn")
        return found

    def _note(self, arn: str, **fields: Any) -> None:
        with self.store.edit() as document:
            if arn in document["connectors"]:
                document["connectors"][arn].update(fields)

    def _new_capacity(self, document: Document, stored: Input, capacity: Input | None) -> None:
        change = {
            "originWorkerSetting": {"capacity": stored["capacity"]},
            "targetWorkerSetting": {"capacity": capacity},
        }
        operations.begin(document, stored, "UPDATE_WORKER_SETTING", **change)
        stored.update(connectorState="UPDATING", capacity=capacity)
        stored.pop("applied_at", None)

    def _new_configuration(self, document: Document, stored: Input, wanted: dict[str, str]) -> None:
        origin = stored["connectorConfiguration"]
        change = {"originConnectorConfiguration": origin, "targetConnectorConfiguration": wanted}
        operations.begin(document, stored, "UPDATE_CONNECTOR_CONFIGURATION", **change)
        stored.update(connectorState="UPDATING", connectorConfiguration=wanted, origin=origin)
        stored.pop("applied_at", None)


def _check_capacity(capacity: Input) -> None:
    if len({"autoScaling", "provisionedCapacity"} & set(capacity)) != 1:
        raise bad_request("Exactly one of autoScaling and provisionedCapacity must be given.", "capacity")


def _check_class(wanted: dict[str, str], known: dict[str, str]) -> None:
    if wanted.get("connector.class") != known.get("connector.class"):
        raise bad_request("connector.class cannot be changed. Create another connector.", "connectorConfiguration")


def _check_version(record: Input, given: Input) -> None:
    wanted = given.get("currentVersion")
    if wanted is not None and wanted != record["currentVersion"]:
        raise bad_request(
            f"The current version of the connector is {record['currentVersion']}, not {wanted}. Describe it again.",
            "currentVersion",
        )


def _brief(record: Input) -> Input:
    return {name: record[name] for name in ("connectorArn", "connectorName", "connectorState")}


def _public(record: Input) -> Input:
    return {name: value for name, value in record.items() if name not in PRIVATE}
