"""An Airflow home of its own, a task's context, scripts of AWS calls, and small servers like the originals."""

from __future__ import annotations

import functools
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from botocore.stub import Stubber

from tests.unit.plugins.streaming_workspace import StreamingWorkspace

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="pinflow-airflow-"))
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(Path(__file__).parents[3] / "plugins")
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"


@pytest.fixture(scope="session", autouse=True)
def quick_clients() -> Iterator[None]:
    """boto3 clients in a tenth of the time: each of botocore's files is read once, the stack is not searched.

    The stack is searched for the name of the caller, for the user agent.
    """
    from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
    from botocore.loaders import JSONFileLoader

    read = functools.cache(JSONFileLoader().load_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: read(path))
        patch.setattr(AwsGenericHook, "_get_caller", lambda *_: "Unknown")
        yield


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for AWS itself: no endpoint of this machine is used."""
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws"}))


class StateStore(dict[str, Any]):
    """A task state store: what Airflow keeps for a task instance over its tries."""

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""
        self[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        """Forget a value."""
        self.pop(key, None)


class TaskInstance:
    """As much of a task instance as operators look at."""

    dag_id, run_id, task_id, map_index, try_number = "dag", "manual__1", "task", -1, 1

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep an XCom."""
        self.xcoms[key] = value


@pytest.fixture
def context() -> dict[str, Any]:
    """A task's context."""
    return {"ti": TaskInstance(), "task_state_store": StateStore(), "params": {}}


class Script:
    """The calls that a test expects of an operator or sensor, in order, with what the service answers.

    A test module derives ``Calls`` from it, with the calls of its service.
    """

    def __init__(self, operator: Any) -> None:
        self.stubber = Stubber(operator.hook.conn)
        self.stubber.activate()

    def call(self, action: str, answer: dict[str, Any] | None = None, /, **expected: Any) -> Self:
        """A call with these arguments."""
        self.stubber.add_response(action, answer or {}, expected)
        return self

    def refuse(self, action: str, code: str, status: int = 400) -> Self:
        """A call that is refused."""
        self.stubber.add_client_error(action, code, f"{code} it is", http_status_code=status)
        return self


@pytest.fixture
def script(request: pytest.FixtureRequest) -> Iterator[Callable[[Any], Script]]:
    """What makes the ``Calls`` of the test's module for an operator; the test fails when one of them is not made."""
    made: list[Script] = []

    def make(operator: Any) -> Script:
        made.append(request.module.Calls(operator))
        return made[-1]

    yield make
    for entry in made:
        entry.stubber.assert_no_pending_responses()


@pytest.fixture(params=["no_wait", "wait", "defer"])
def waiting(request: pytest.FixtureRequest) -> dict[str, bool]:
    """The arguments of each way to wait."""
    return {"wait_for_completion": request.param == "wait", "deferrable": request.param == "defer"}


class JsonServer:
    """A real HTTP server on loopback whose answers a test decides.

    ``requests`` has method, path, headers and body of each request. ``handler`` gets them and returns status and body
    (JSON-able, bytes, or ``None`` to hang up without an answer).
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.handler: Callable[[str, str, bytes], tuple[int, Any] | None] = lambda *_: (404, {})
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.requests.append((self.command, self.path, dict(self.headers), body))
                answer = outer.handler(self.command, self.path, body)
                if answer is None:
                    self.close_connection = True
                    return
                status, content = answer
                payload = content if isinstance(content, bytes) else json.dumps(content).encode()
                payload = b"" if status == 204 else payload
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _answer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def calls(self) -> list[str]:
        """Method and path of each request."""
        return [f"{method} {path}" for method, path, _, _ in self.requests]

    def close(self) -> None:
        """Stop listening; later connections are refused."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JsonServer]:
    """A server that the connections ``kafka_rest_default`` and ``databricks_default`` lead to."""
    made = JsonServer()
    common = {"host": "127.0.0.1", "schema": "http", "port": made.port}
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_REST_DEFAULT", json.dumps({"conn_type": "http", **common}))
    monkeypatch.setenv(
        "AIRFLOW_CONN_DATABRICKS_DEFAULT", json.dumps({"conn_type": "databricks", "password": "token", **common})
    )
    yield made
    made.close()


@pytest.fixture
def workspace(server: JsonServer) -> StreamingWorkspace:
    """The server as a workspace with runs and heartbeats."""
    made = StreamingWorkspace()
    server.handler = made
    return made


class Confluent:
    """Topics and records of a Kafka REST Proxy, with the shapes and codes of Confluent's documentation."""

    def __init__(self) -> None:
        self.topics: dict[str, dict[str, Any]] = {}
        self.log: list[tuple[str, Any]] = []
        self.fail: dict[str, tuple[int, Any] | None] = {}

    def add(self, name: str, partitions: int = 3, replication: int = 1, **configs: str) -> None:
        """A topic that exists."""
        self.topics[name] = {"partitions": partitions, "replication": replication, "configs": dict(configs)}

    def __call__(self, method: str, path: str, body: bytes) -> tuple[int, Any] | None:
        """Answer a request."""
        for start, answer in self.fail.items():
            if f"{method} {path}".startswith(start):
                return answer
        parts = path.strip("/").split("/")
        if parts == ["v3", "clusters"]:
            return 200, {"kind": "KafkaClusterList", "data": [{"kind": "KafkaCluster", "cluster_id": "c1"}]}
        if parts[:4] != ["v3", "clusters", "c1", "topics"]:
            return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}
        return self._topics(method, parts[4:], body)

    def _topics(self, method: str, parts: list[str], body: bytes) -> tuple[int, Any]:
        if not parts:
            if method == "GET":
                return 200, {"data": [self._described(name) for name in self.topics]}
            return self._create(json.loads(body))
        if parts[0] not in self.topics:
            return 404, {"error_code": 40403, "message": "This server does not host this topic-partition."}
        return self._topic(method, parts[0], parts[1:], body)

    def _create(self, asked: dict[str, Any]) -> tuple[int, Any]:
        name = asked["topic_name"]
        if name in self.topics:
            return 400, {"error_code": 40002, "message": f"Topic '{name}' already exists."}
        configs = {entry["name"]: entry["value"] for entry in asked["configs"]}
        self.add(name, asked["partitions_count"], asked["replication_factor"], **configs)
        return 201, self._described(name)

    def _topic(self, method: str, name: str, rest: list[str], body: bytes) -> tuple[int, Any]:
        topic = self.topics[name]
        if rest == ["configs"]:
            return 200, {"data": [{"name": key, "value": value} for key, value in topic["configs"].items()]}
        if rest == ["configs:alter"]:
            for entry in json.loads(body)["data"]:
                if entry.get("operation") == "DELETE":
                    topic["configs"].pop(entry["name"], None)
                else:
                    topic["configs"][entry["name"]] = entry["value"]
            return 204, None
        if method == "DELETE":
            del self.topics[name]
            return 204, None
        if method == "PATCH":
            asked = json.loads(body)["partitions_count"]
            if asked <= topic["partitions"]:
                return 400, {"error_code": 40002, "message": f"Topic already has {topic['partitions']} partitions."}
            topic["partitions"] = asked
        return 200, self._described(name)

    def _described(self, name: str) -> dict[str, Any]:
        topic = self.topics[name]
        return {
            "kind": "KafkaTopic",
            "topic_name": name,
            "is_internal": name.startswith("__"),
            "replication_factor": topic["replication"],
            "partitions_count": topic["partitions"],
        }


@pytest.fixture
def confluent(server: JsonServer) -> Confluent:
    """The server as a Kafka REST Proxy."""
    made = Confluent()
    server.handler = made
    return made
