"""How ministack is started, and how the connector's plugin gets into its bucket."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sandbox.aws.artifacts import PluginMissingError, place
from sandbox.aws.part import PART
from sandbox.supervisor.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(base=tmp_path / "base", setup=tmp_path / "setup", preferred_ports=False)


class Bucket(ThreadingHTTPServer):
    """The two calls of S3 that placing a plugin makes."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.calls: list[str] = []
        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    server: Bucket

    def do_HEAD(self) -> None:
        found = self.server.objects.get(self.path)
        self.server.calls.append(f"HEAD {self.path}")
        self.send_response(200 if found is not None else 404)
        if found is not None:
            self.send_header("ETag", f'"{hashlib.md5(found).hexdigest()}"')
        self.end_headers()

    def do_PUT(self) -> None:
        self.server.calls.append(f"PUT {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        exists = self.path in self.server.objects and self.path.count("/") == 1
        self.server.objects[self.path] = body
        self.send_response(409 if exists else 200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        return


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    server = Bucket()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class TestPlace:
    def test_makes_the_bucket_and_uploads(self, bucket: Bucket, tmp_path: Path) -> None:
        (tmp_path / "p.zip").write_bytes(b"plugin")
        assert place(bucket.url, "artifacts", "a/p.zip", tmp_path / "p.zip")
        assert bucket.calls == ["HEAD /artifacts/a/p.zip", "PUT /artifacts", "PUT /artifacts/a/p.zip"]
        assert bucket.objects["/artifacts/a/p.zip"] == b"plugin"

    def test_leaves_the_same_alone(self, bucket: Bucket, tmp_path: Path) -> None:
        bucket.objects["/artifacts/a/p.zip"] = b"plugin"
        (tmp_path / "p.zip").write_bytes(b"plugin")
        assert not place(bucket.url, "artifacts", "a/p.zip", tmp_path / "p.zip")
        assert bucket.calls == ["HEAD /artifacts/a/p.zip"]

    def test_replaces_what_changed(self, bucket: Bucket, tmp_path: Path) -> None:
        bucket.objects |= {"/artifacts": b"", "/artifacts/a/p.zip": b"older"}
        (tmp_path / "p.zip").write_bytes(b"newer")
        assert place(bucket.url, "artifacts", "a/p.zip", tmp_path / "p.zip")
        assert bucket.objects["/artifacts/a/p.zip"] == b"newer"

    def test_says_what_to_do_without_a_plugin(self, bucket: Bucket, tmp_path: Path) -> None:
        with pytest.raises(PluginMissingError, match=r"\./pinflow up"):
            place(bucket.url, "artifacts", "a/p.zip", tmp_path / "p.zip")
        assert bucket.calls == []


class TestPart:
    def test_binds_loopback_and_keeps_state(self, home: Home) -> None:
        environment = PART.command(home).env
        folder = home.data("aws")
        assert environment["BIND_HOST"] == "127.0.0.1"
        assert environment["GATEWAY_PORT"] == str(home.port("aws"))
        assert (environment["PERSIST_STATE"], environment["S3_PERSIST"]) == ("1", "1")
        assert environment["STATE_DIR"] == str(folder / "state")
        assert environment["S3_DATA_DIR"] == str(folder / "s3")

    def test_stays_away_from_docker(self, home: Home) -> None:
        socket = PART.command(home).env["DOCKER_HOST"].removeprefix("unix://")
        assert not Path(socket).exists()

    def test_empty_buckets_outlive_a_kill(self, home: Home) -> None:
        buckets = home.data("aws") / "s3" / "000000000000"
        (buckets / "empty").mkdir(parents=True)
        (buckets / "full").mkdir()
        (buckets / "full" / "object").write_text("x")
        PART.prepare(home)
        PART.prepare(home)
        assert [path.name for path in (buckets / "empty").iterdir()] == [".bucket"]
        assert [path.name for path in (buckets / "full").iterdir()] == ["object"]

    def test_check_says_what_does_not_answer(self, home: Home) -> None:
        assert home.url("aws") in (PART.check(home) or "")
