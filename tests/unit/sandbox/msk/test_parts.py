from __future__ import annotations

import io
import zipfile
from base64 import b64encode
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from sandbox.msk.errors import ApiError
from sandbox.msk.names import cluster_arn, new_arn, new_version, page, topic_arn
from sandbox.msk.part import PART, kafka_version
from sandbox.msk.plugins import check_archive
from sandbox.msk.server import Options, create_app
from sandbox.msk.store import Store
from sandbox.msk.topics import read_configs, write_configs
from sandbox.msk.worker_configurations import read_properties
from sandbox.supervisor.home import Home


class TestNames:
    def test_a_cluster_keeps_its_arn_and_a_new_one_gets_another(self) -> None:
        assert cluster_arn("p", "id") == cluster_arn("p", "id")
        assert cluster_arn("p", "id") != cluster_arn("p", "other")
        assert topic_arn(cluster_arn("p", "id"), "t") == cluster_arn("p", "id").replace(":cluster/", ":topic/") + "/t"

    def test_arns_and_versions_are_new_each_time(self) -> None:
        assert new_arn("connector", "c") != new_arn("connector", "c")
        assert len({new_version() for _ in range(50)}) == 50

    def test_pages(self) -> None:
        token: str | None = None
        pages = []
        while True:
            items, token = page(list("abcde"), 2, token)
            pages.append(items)
            if token is None:
                break
        assert pages == [["a", "b"], ["c", "d"], ["e"]]
        assert page(list("abc"), None, None) == (["a", "b", "c"], None)

    @pytest.mark.parametrize("token", ["x", "!!", "eA=="])
    def test_a_foreign_token(self, token: str) -> None:
        with pytest.raises(ApiError, match="token"):
            page([1], 1, token)


class TestStore:
    def test_is_read_again(self, tmp_path: Path) -> None:
        with Store(tmp_path / "new" / "s.json").edit() as document:
            document["tags"]["arn"] = {"a": "ü"}
        with Store(tmp_path / "new" / "s.json").look() as document:
            assert document["tags"] == {"arn": {"a": "ü"}}

    def test_an_edit_that_fails_leaves_no_trace(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "s.json")

        def fail() -> None:
            with store.edit() as document:
                document["tags"]["arn"] = {}
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        assert not (tmp_path / "s.json").exists()
        with store.look() as document:
            assert document["tags"] == {}

    def test_a_broken_file_is_not_overwritten(self, tmp_path: Path) -> None:
        (tmp_path / "s.json").write_text("{")
        with pytest.raises(ValueError, match="is not JSON"):
            Store(tmp_path / "s.json")
        assert (tmp_path / "s.json").read_text() == "{"


def archive(entries: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return made.getvalue()


class TestArchives:
    SERVICE = "META-INF/services/org.apache.kafka.connect.source.SourceConnector"

    @pytest.mark.parametrize("entry", [SERVICE, "io/confluent/connect/s3/S3SinkConnector.class"])
    def test_good(self, entry: str) -> None:
        jar = archive({entry: b""})
        assert check_archive(jar, "JAR") is None
        assert check_archive(archive({"a/lib/b.jar": jar, "a/manifest.json": b"{}"}), "ZIP") is None

    @pytest.mark.parametrize(
        ("data", "kind", "code"),
        [
            (b"", "ZIP", "InvalidInput.Archive"),
            (archive({"a.jar": b"no jar"}), "ZIP", "InvalidInput.Archive"),
            (archive({"readme.txt": b""}), "ZIP", "InvalidInput.Plugin"),
            (archive({"a.jar": archive({"A.class": b""})}), "ZIP", "InvalidInput.Plugin"),
        ],
    )
    def test_bad(self, data: bytes, kind: str, code: str) -> None:
        found = check_archive(data, kind)
        assert found is not None
        assert found[0] == code


class TestTexts:
    def test_topic_configs(self) -> None:
        assert read_configs(write_configs({"b": "2", "a": "1=1"})) == {"a": "1=1", "b": "2"}
        assert read_configs(b64encode(b'{"retention.ms": 5}').decode()) == {"retention.ms": "5"}
        assert read_configs(b64encode(b"# note\n\n a = b \n").decode()) == {"a": "b"}
        assert read_configs(None) == {}

    @pytest.mark.parametrize(
        "text", ["?", b64encode(b"\xff").decode(), b64encode(b"novalue").decode(), b64encode(b"{").decode()]
    )
    def test_wrong_topic_configs(self, text: str) -> None:
        with pytest.raises(ApiError):
            read_configs(text)

    def test_properties(self) -> None:
        assert read_properties(b64encode(b"!x\na.b = c=d\n").decode()) == {"a.b": "c=d"}
        with pytest.raises(ApiError, match="Base64"):
            read_properties("?")


class TestServer:
    @pytest.fixture
    def client(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
        for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
            monkeypatch.setenv(name, value)
        options = Options("127.0.0.1:1", "http://127.0.0.1:1", "pinflow", "4.3.1", tmp_path)
        return TestClient(create_app(options))

    def test_errors_have_awss_form(self, client: TestClient) -> None:
        with client:
            response = client.post("/v1/custom-plugins", json={"name": "n"})
            assert (response.status_code, response.headers["x-amzn-errortype"]) == (400, "BadRequestException")
            assert "contentType" in response.json()["message"]
            response = client.get("/v1/connectors/arn%3Aaws%3Anone")
            assert (response.status_code, response.headers["x-amzn-errortype"]) == (404, "NotFoundException")
            assert response.json()["invalidParameter"] == "connectorArn"
            assert client.post("/v1/connectors", content="{").status_code == 400

    def test_no_worker(self, client: TestClient) -> None:
        with client:
            response = client.get("/_health")
            assert (response.status_code, response.json()["status"]) == (503, "no worker")

    def test_part(self, tmp_path: Path) -> None:
        home = Home(base=tmp_path)
        command = PART.command(home)
        assert (PART.name, PART.requires) == ("msk", ("kafka", "connect", "aws"))
        assert command.env["AWS_ENDPOINT_URL"] == home.url("aws")
        assert kafka_version(home) == "4.3.1"
        assert (PART.check(home) or "").startswith("no answer on port")
