"""How AWS answers where the emulator answers otherwise; the texts are those of the API's reference."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from sandbox.mwaa.references import References
from sandbox.mwaa.secrets import State, Vault

NAME = "pinflow/airflow/connections/x"
DOCUMENT = {"connections": {"x": {"conn_type": "http"}}, "variables": {}}
TEXT = '{"conn_type": "http"}'


@pytest.fixture
def stub() -> Stubber:
    made = Stubber(boto3.client("secretsmanager", region_name="x", aws_access_key_id="x", aws_secret_access_key="x"))
    made.activate()
    return made


def state(stub: Stubber) -> State:
    def no_client(service: str) -> None:
        raise AssertionError(service)

    (found,) = Vault(stub.client, "pinflow").plan(DOCUMENT, References(no_client, "pinflow", "x", {}))
    stub.assert_no_pending_responses()
    return found.state


def test_a_secret_without_a_value(stub: Stubber) -> None:
    """AWS: ResourceNotFoundException, "can't find the specified secret value for staging label: AWSCURRENT"."""
    stub.add_response("describe_secret", {"Name": NAME}, {"SecretId": NAME})
    stub.add_client_error("get_secret_value", "ResourceNotFoundException", "for staging label: AWSCURRENT")
    assert state(stub) is State.EMPTY


def test_a_binary_one_is_replaced(stub: Stubber) -> None:
    stub.add_response("describe_secret", {"Name": NAME})
    stub.add_response("get_secret_value", {"SecretBinary": b"old"})
    assert state(stub) is State.CHANGED


@pytest.mark.parametrize(("text", "expected"), [(TEXT, State.SAME), ('{"conn_type": "mysql"}', State.CHANGED)])
def test_one_with_a_value(stub: Stubber, text: str, expected: State) -> None:
    stub.add_response("describe_secret", {"Name": NAME})
    stub.add_response("get_secret_value", {"SecretString": text})
    assert state(stub) is expected


@pytest.mark.parametrize("call", ["describe_secret", "get_secret_value"])
def test_no_permission_is_not_taken_for_absence(stub: Stubber, call: str) -> None:
    if call == "get_secret_value":
        stub.add_response("describe_secret", {"Name": NAME})
    stub.add_client_error(call, "AccessDeniedException", "not you")
    with pytest.raises(ClientError, match="AccessDenied"):
        state(stub)


def test_a_secret_does_not_show_its_text(stub: Stubber) -> None:
    stub.add_client_error("describe_secret", "ResourceNotFoundException", "no")
    document = {"connections": {"x": {"conn_type": "http", "password": "c4nary"}}, "variables": {}}
    references = References(lambda service: None, "pinflow", "x", {})
    (found,) = Vault(stub.client, "pinflow").plan(document, references)
    assert "c4nary" in found.text
    assert "c4nary" not in repr(found)
