"""Secret scopes over HTTP, and secrets in notebooks."""

from __future__ import annotations

import base64
import stat
from typing import Any

import pytest

from tests.unit.sandbox.databricks.harness import Workspace


@pytest.fixture
def scoped(workspace: Workspace) -> Workspace:
    workspace.call("POST", "2.0/secrets/scopes/create", scope="aws")
    workspace.call("POST", "2.0/secrets/put", scope="aws", key="secret-key", string_value="s3cr3t-välue")
    return workspace


class TestApi:
    def test_scopes(self, scoped: Workspace) -> None:
        scoped.call("POST", "2.0/secrets/scopes/create", scope="another", initial_manage_principal="users")
        assert [scope["name"] for scope in scoped.call("GET", "2.0/secrets/scopes/list")["scopes"]] == [
            "another",
            "aws",
        ]
        scoped.call("POST", "2.0/secrets/scopes/delete", scope="another")
        assert len(scoped.call("GET", "2.0/secrets/scopes/list")["scopes"]) == 1

    def test_a_value_comes_back_as_base64(self, scoped: Workspace) -> None:
        found = scoped.call("GET", "2.0/secrets/get", scope="aws", key="secret-key")
        assert base64.b64decode(found["value"]).decode() == "s3cr3t-välue"

    def test_bytes(self, scoped: Workspace) -> None:
        scoped.call("POST", "2.0/secrets/put", scope="aws", key="b", bytes_value=base64.b64encode(b"\x00\xff").decode())
        assert base64.b64decode(scoped.call("GET", "2.0/secrets/get", scope="aws", key="b")["value"]) == b"\x00\xff"

    def test_put_replaces(self, scoped: Workspace) -> None:
        scoped.call("POST", "2.0/secrets/put", scope="aws", key="secret-key", string_value="new")
        assert [entry["key"] for entry in scoped.call("GET", "2.0/secrets/list", scope="aws")["secrets"]] == [
            "secret-key"
        ]
        assert base64.b64decode(scoped.call("GET", "2.0/secrets/get", scope="aws", key="secret-key")["value"]) == b"new"

    def test_listing_shows_no_value(self, scoped: Workspace) -> None:
        assert "s3cr3t" not in str(scoped.call("GET", "2.0/secrets/list", scope="aws"))

    def test_deleting_a_scope_deletes_its_secrets(self, scoped: Workspace) -> None:
        scoped.call("POST", "2.0/secrets/scopes/delete", scope="aws")
        scoped.call("POST", "2.0/secrets/scopes/create", scope="aws")
        assert scoped.call("GET", "2.0/secrets/list", scope="aws")["secrets"] == []

    @pytest.mark.parametrize(
        ("method", "path", "fields", "status"),
        [
            ("POST", "scopes/create", {"scope": "aws"}, 400),
            ("POST", "scopes/create", {"scope": "a b"}, 400),
            ("POST", "scopes/delete", {"scope": "none"}, 404),
            ("POST", "put", {"scope": "none", "key": "k", "string_value": "v"}, 404),
            ("POST", "put", {"scope": "aws", "key": "a/b", "string_value": "v"}, 400),
            ("POST", "put", {"scope": "aws", "key": "k"}, 400),
            ("POST", "put", {"scope": "aws", "key": "k", "string_value": "v", "bytes_value": "dg=="}, 400),
            ("POST", "put", {"scope": "aws", "key": "k", "bytes_value": "#"}, 400),
            ("POST", "put", {"scope": "aws", "key": "k", "string_value": "x" * (128 * 1024 + 1)}, 400),
            ("GET", "get", {"scope": "aws", "key": "none"}, 404),
            ("GET", "list", {"scope": "none"}, 404),
            ("POST", "delete", {"scope": "aws", "key": "none"}, 404),
        ],
    )
    def test_errors(self, scoped: Workspace, method: str, path: str, fields: dict[str, Any], status: int) -> None:
        assert scoped.raw(method, f"2.0/secrets/{path}", **fields).status_code == status

    def test_the_file_is_for_its_owner_only(self, scoped: Workspace) -> None:
        assert stat.S_IMODE((scoped.data / "workspace.sqlite").stat().st_mode) == 0o600


class TestInNotebooks:
    def test_a_value_can_be_used_and_never_shows(self, scoped: Workspace) -> None:
        code = "v = dbutils.secrets.get('aws', 'secret-key')\nprint('value:', v)\ndisplay([{'v': v}])\nv"
        run, output = scoped.run(code, "assert len(v) == 12\ndbutils.notebook.exit('exit ' + v)")
        assert output["notebook_output"]["result"] == "exit [REDACTED]"
        page = scoped.page(run["run_id"])
        assert "value: [REDACTED]" in page
        assert "s3cr3t" not in page
        assert "s3cr3t" not in (scoped.folder(run["run_id"]) / "output.log").read_text()

    def test_not_in_an_error_either(self, scoped: Workspace) -> None:
        output = scoped.failure("raise ValueError(dbutils.secrets.get('aws', 'secret-key'))")
        assert output["error"] == "ValueError: [REDACTED]"
        assert "s3cr3t" not in output["error_trace"]

    def test_a_value_printed_in_two_halves_does_not_show(self, scoped: Workspace) -> None:
        code = "v = dbutils.secrets.get('aws', 'secret-key')\nprint(v[:5], end='')\nprint(v[5:])"
        run, _ = scoped.run(code)
        assert "s3cr3t" not in scoped.page(run["run_id"])

    def test_lists(self, scoped: Workspace) -> None:
        code = "dbutils.notebook.exit(f\"{dbutils.secrets.listScopes()[0].name} {dbutils.secrets.list('aws')[0].key}\")"
        assert scoped.result(code) == "aws secret-key"

    def test_a_missing_one_raises(self, scoped: Workspace) -> None:
        error = scoped.failure("dbutils.secrets.get('aws', 'none')")["error"]
        assert error.startswith("SecretDoesNotExist: Secret does not exist with scope: aws and key: none")
