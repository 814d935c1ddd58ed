"""Connectors against a worker that does what each test needs; the real one is in tests/integration/msk."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from sandbox.msk.connectors import Connectors
from sandbox.msk.errors import ApiError
from sandbox.msk.operations import Operations
from sandbox.msk.plugins import Plugins
from sandbox.msk.store import Store
from sandbox.msk.worker import Worker, WorkerError
from sandbox.msk.worker_configurations import WorkerConfigurations

PLUGIN = "arn:aws:kafkaconnect:us-east-1:000000000000:custom-plugin/p/0-1"
CONFIG = {"connector.class": "a.B", "topics": "t"}


class Fleet:
    """A worker's REST interface: remembers configurations; ``states`` and ``refusal`` are the test's."""

    def __init__(self) -> None:
        self.configs: dict[str, dict[str, str]] = {}
        self.puts: list[str] = []
        self.task_state: Callable[[dict[str, str]], str] = lambda config: "RUNNING"
        self.refusal: httpx.Response | None = None
        self.away = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("refused")
        name = unquote(request.url.raw_path.decode().split("/")[2])
        if request.method == "PUT" and request.url.path.endswith("/config"):
            if self.refusal is not None:
                return self.refusal
            self.puts.append(name)
            self.configs[name] = json.loads(request.content)
            return httpx.Response(200, json={})
        if name not in self.configs:
            return httpx.Response(404, json={"message": "no such connector"})
        if request.method == "DELETE":
            del self.configs[name]
            return httpx.Response(204)
        state = self.task_state(self.configs[name])
        task = {"id": 0, "state": state, **({"trace": "java.lang.Oops"} if state == "FAILED" else {})}
        return httpx.Response(200, json={"connector": {"state": "RUNNING"}, "tasks": [task]})


class Plane:
    """The connectors' part of the control plane, with jobs run when the test says so."""

    def __init__(self, folder: Path, fleet: Fleet) -> None:
        self.fleet, self.jobs = fleet, list[Callable[[], None]]()
        self.store = Store(folder / "state.json")
        with self.store.edit() as document:
            document["plugins"][PLUGIN] = {"name": "p", "customPluginState": "ACTIVE"}
        self.configurations = WorkerConfigurations(self.store)
        self.operations = Operations(self.store)
        worker = Worker("http://worker", httpx.MockTransport(fleet))
        plugins = Plugins(self.store, None, self.jobs.append)
        self.connectors = Connectors(self.store, worker, plugins, self.configurations, "h:1", self.jobs.append)

    def run(self) -> None:
        while self.jobs:
            self.jobs.pop(0)()

    def create(self, name: str = "c", **changes: Any) -> str:
        wanted = {
            "connectorName": name,
            "connectorConfiguration": CONFIG,
            "capacity": {"provisionedCapacity": {"mcuCount": 1, "workerCount": 1}},
            "kafkaCluster": {"apacheKafkaCluster": {"bootstrapServers": "h:1", "vpc": {"subnets": []}}},
            "plugins": [{"customPlugin": {"customPluginArn": PLUGIN, "revision": 1}}],
        }
        return str(self.connectors.create({**wanted, **changes})["connectorArn"])

    def describe(self, arn: str) -> dict[str, Any]:
        return self.connectors.describe({"connectorArn": arn})

    def settled(self, arn: str) -> dict[str, Any]:
        """Described as if the settling time had passed."""
        with self.store.edit() as document:
            record = document["connectors"][arn]
            if "applied_at" in record:
                record["applied_at"] = time.time() - 60
        return self.describe(arn)

    def update(self, arn: str, config: dict[str, str]) -> str:
        version = self.describe(arn)["currentVersion"]
        given = {"connectorArn": arn, "currentVersion": version, "connectorConfiguration": config}
        return str(self.connectors.update(given)["connectorOperationArn"])


@pytest.fixture
def plane(tmp_path: Path) -> Plane:
    return Plane(tmp_path, Fleet())


class TestCreate:
    def test_creating_until_the_worker_has_it(self, plane: Plane) -> None:
        arn = plane.create()
        assert plane.describe(arn)["connectorState"] == "CREATING"
        plane.run()
        assert plane.describe(arn)["connectorState"] == "RUNNING"
        assert plane.fleet.configs["c"] == {**CONFIG, "name": "c"}

    def test_a_task_that_fails_at_the_start(self, plane: Plane) -> None:
        plane.fleet.task_state = lambda config: "FAILED"
        arn = plane.create()
        plane.run()
        found = plane.describe(arn)
        assert found["connectorState"] == "FAILED"
        assert found["stateDescription"]["message"] == "1 of 1 tasks failed.\njava.lang.Oops"

    def test_a_configuration_that_the_worker_refuses(self, plane: Plane) -> None:
        plane.fleet.refusal = httpx.Response(400, json={"message": "no class a.B"})
        arn = plane.create()
        plane.run()
        found = plane.describe(arn)
        assert (found["connectorState"], found["stateDescription"]["message"]) == ("FAILED", "no class a.B")

    def test_a_name_is_taken_until_the_delete_is_done(self, plane: Plane) -> None:
        arn = plane.create()
        plane.run()
        plane.connectors.delete({"connectorArn": arn})
        assert plane.describe(arn)["connectorState"] == "DELETING"
        with pytest.raises(ApiError, match="already exists"):
            plane.create()
        plane.run()
        with pytest.raises(ApiError, match="does not exist"):
            plane.describe(arn)
        assert plane.create() != arn

    def test_another_cluster_is_refused(self, plane: Plane) -> None:
        other = {"apacheKafkaCluster": {"bootstrapServers": "other:9", "vpc": {"subnets": []}}}
        with pytest.raises(ApiError, match="one cluster, h:1, not other:9"):
            plane.create(kafkaCluster=other)

    def test_a_plugin_that_is_not_active(self, plane: Plane) -> None:
        with plane.store.edit() as document:
            document["plugins"][PLUGIN]["customPluginState"] = "CREATE_FAILED"
        with pytest.raises(ApiError, match="p is CREATE_FAILED"):
            plane.create()

    def test_converters_come_from_the_worker_configuration(self, plane: Plane) -> None:
        from base64 import b64encode

        content = b64encode(
            b"key.converter=k\nvalue.converter=v\nvalue.converter.schemas.enable=false\nother=1"
        ).decode()
        made = plane.configurations.create({"name": "w", "propertiesFileContent": content})
        used = {"workerConfigurationArn": made["workerConfigurationArn"], "revision": 1}
        plane.create(connectorConfiguration={**CONFIG, "key.converter": "own"}, workerConfiguration=used)
        plane.run()
        assert plane.fleet.configs["c"] == {
            **CONFIG,
            "name": "c",
            "key.converter": "own",
            "value.converter": "v",
            "value.converter.schemas.enable": "false",
        }
        with pytest.raises(ApiError, match="in use by the connector c"):
            plane.configurations.delete({"workerConfigurationArn": made["workerConfigurationArn"]})


class TestRestartOfTheServer:
    def test_what_was_begun_is_done_once(self, plane: Plane, tmp_path: Path) -> None:
        created, deleted = plane.create("begun"), plane.create("gone")
        plane.jobs.clear()
        plane.fleet.configs["gone"] = {}
        plane.connectors.delete({"connectorArn": deleted})
        after = Plane(tmp_path, plane.fleet)
        after.connectors.resume()
        after.run()
        assert after.describe(created)["connectorState"] == "RUNNING"
        assert (plane.fleet.puts, set(plane.fleet.configs)) == (["begun"], {"begun"})

    def test_nothing_is_begun_again_that_runs(self, plane: Plane, tmp_path: Path) -> None:
        arn = plane.create()
        plane.run()
        plane.describe(arn)
        after = Plane(tmp_path, plane.fleet)
        after.connectors.resume()
        after.run()
        assert plane.fleet.puts == ["c"]


class TestUpdate:
    def test_complete(self, plane: Plane) -> None:
        arn = plane.create()
        plane.run()
        operation = plane.update(arn, {**CONFIG, "topics": "u"})
        plane.run()
        assert plane.describe(arn)["connectorState"] == "UPDATING"
        assert plane.settled(arn)["connectorState"] == "RUNNING"
        found = plane.operations.describe({"connectorOperationArn": operation})
        assert found["connectorOperationState"] == "UPDATE_COMPLETE"
        assert plane.fleet.configs["c"]["topics"] == "u"

    def test_a_configuration_whose_tasks_fail_is_taken_back(self, plane: Plane) -> None:
        plane.fleet.task_state = lambda config: "FAILED" if config["topics"] == "bad" else "RUNNING"
        arn = plane.create()
        plane.run()
        operation = plane.update(arn, {**CONFIG, "topics": "bad"})
        plane.run()
        assert plane.settled(arn)["connectorState"] == "UPDATING"
        state = plane.operations.describe({"connectorOperationArn": operation})
        assert state["connectorOperationState"] == "ROLLBACK_IN_PROGRESS"
        plane.run()
        found = plane.settled(arn)
        assert (found["connectorState"], found["connectorConfiguration"]) == ("RUNNING", CONFIG)
        assert plane.fleet.configs["c"]["topics"] == "t"
        state = plane.operations.describe({"connectorOperationArn": operation})
        assert state["connectorOperationState"] == "ROLLBACK_COMPLETE"
        assert "java.lang.Oops" in state["errorInfo"]["message"]

    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            ({}, "either capacity or connectorConfiguration"),
            ({"capacity": {"provisionedCapacity": {}}, "connectorConfiguration": CONFIG}, "either capacity"),
            ({"connectorConfiguration": {"connector.class": "other"}}, "connector.class cannot be changed"),
            ({"connectorConfiguration": CONFIG, "currentVersion": "K0"}, "current version"),
        ],
    )
    def test_refused(self, plane: Plane, given: dict[str, Any], reason: str) -> None:
        arn = plane.create()
        plane.run()
        version = plane.describe(arn)["currentVersion"]
        with pytest.raises(ApiError, match=reason):
            plane.connectors.update({"connectorArn": arn, "currentVersion": version, **given})

    def test_not_while_another_goes_on(self, plane: Plane) -> None:
        arn = plane.create()
        with pytest.raises(ApiError, match="CREATING") as caught:
            plane.update(arn, CONFIG)
        assert caught.value.name == "ConflictException"


class TestWorkerAway:
    def test_the_last_state_is_shown_with_the_reason(self, plane: Plane) -> None:
        arn = plane.create()
        plane.run()
        plane.describe(arn)
        plane.fleet.away = True
        found = plane.describe(arn)
        assert (found["connectorState"], found["stateDescription"]["code"]) == (
            "RUNNING",
            "UnknownError.WorkerUnreachable",
        )
        plane.fleet.away = False
        assert "stateDescription" not in plane.describe(arn)

    def test_a_restart_says_so(self, plane: Plane) -> None:
        arn = plane.create()
        plane.run()
        plane.describe(arn)
        plane.fleet.away = True
        with pytest.raises(ApiError) as caught:
            plane.connectors.restart({"connectorArn": arn})
        assert caught.value.name == "ServiceUnavailableException"

    def test_worker_errors_have_a_status(self) -> None:
        worker = Worker("http://w", httpx.MockTransport(lambda request: httpx.Response(500, text="broken")))
        with pytest.raises(WorkerError, match="broken") as caught:
            worker.status("c")
        assert caught.value.status == 500
