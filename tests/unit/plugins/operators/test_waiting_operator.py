"""What became of a call: not sent, refused, or nobody knows. Worked out from what the socket and the service did."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pinflow.exceptions import NotFound, NotSent, OutcomeUnknown, Rejected, Unavailable
from pinflow.operators.kinesis import KinesisDeleteStreamOperator
from pinflow.operators.msk_connect import MskConnectDeleteConnectorOperator
from tests.unit.plugins.conftest import JsonServer

pytestmark = pytest.mark.usefixtures("aws")


def operator(port: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An operator whose service is at a port of this machine, and that looks at each call once."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    config = {"retries": {"total_max_attempts": 1}, "read_timeout": 0.3, "connect_timeout": 0.3}
    return MskConnectDeleteConnectorOperator(
        task_id="t", connector_name="sink", region_name="us-east-1", botocore_config=config
    )


@pytest.fixture
def silent() -> Iterator[int]:
    """A server that takes the request and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken: list[socket.socket] = []
        thread = threading.Thread(target=lambda: taken.append(listening.accept()[0]), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(5)
        for connection in taken:
            connection.close()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


def delete(made: Any) -> Any:
    return made._call("delete_connector", connectorArn="arn:aws:kafkaconnect:us-east-1:000000000000:connector/sink/1")


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotSent, match="MSK Connect gave no answer to delete_connector for the connector sink"):
        delete(operator(closed_port(), monkeypatch))


def test_no_answer(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutcomeUnknown, match=r"gave no answer.*Read timeout"):
        delete(operator(silent, monkeypatch))


def test_the_connection_is_closed_without_an_answer(server: JsonServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.handler = lambda *_: None
    with pytest.raises(OutcomeUnknown, match="Connection was closed"):
        delete(operator(server.port, monkeypatch))


def test_arguments_that_the_service_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Rejected, match="Parameter validation failed"):
        operator(closed_port(), monkeypatch)._call("delete_connector", connectorArn=7)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "ServiceUnavailableException", Unavailable),
        (429, "TooManyRequestsException", Unavailable),
        (409, "ConflictException", Unavailable),
        (500, "InternalServerErrorException", OutcomeUnknown),
        (502, "BadGateway", OutcomeUnknown),
        (404, "NotFoundException", NotFound),
        (403, "ForbiddenException", Rejected),
        (400, "BadRequestException", Rejected),
    ],
)
def test_answers(server: JsonServer, monkeypatch: pytest.MonkeyPatch, status: int, code: str, kind: type) -> None:
    server.handler = lambda *_: (status, {"__type": code, "code": code, "message": "because"})
    with pytest.raises(kind, match=rf"delete_connector for the connector sink\. It says: because \({code}\)") as told:
        delete(operator(server.port, monkeypatch))
    assert type(told.value) is kind
    assert told.value.data == {"code": code, "message": "because"}


def test_what_is_gone_by_itself_is_deleted(server: JsonServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the call somebody else deleted it."""
    server.handler = lambda *_: (400, {"__type": "ResourceNotFoundException", "message": "Stream s not found"})
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
    made = KinesisDeleteStreamOperator(task_id="t", stream_name="s", region_name="us-east-1")
    assert made._delete("delete_stream", StreamName="s") is False
    server.handler = lambda *_: (200, {})
    assert made._delete("delete_stream", StreamName="s") is True
