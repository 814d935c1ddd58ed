"""``dbutils.fs`` on a real S3 API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.databricks.notebook.dbutils.files import FileSystem
from sandbox.databricks.notebook.dbutils.storage import S3Place
from sandbox.databricks.store import Store

BUCKET = "workspace-files"


@pytest.fixture
def client(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    import boto3

    for name, value in (("ACCESS_KEY_ID", "pinflow"), ("SECRET_ACCESS_KEY", "key"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_url)
    made = boto3.client("s3")
    made.create_bucket(Bucket=BUCKET)
    return made


@pytest.fixture
def files(client: Any) -> Iterator[S3Place]:
    place = S3Place(BUCKET, client=client)
    yield place
    place.delete("")


class TestPlace:
    def test_entries(self, files: S3Place) -> None:
        files.write("a/b/one.txt", b"12345")
        one = files.entry("a/b/one.txt")
        assert one is not None
        assert (one.name, one.folder, one.size) == ("one.txt", False, 5)
        assert one.modified > 1_600_000_000_000
        folder = files.entry("a")
        assert folder is not None
        assert folder.folder
        assert files.entry("none") is None
        root = files.entry("")
        assert root is not None
        assert root.folder

    def test_children_are_sorted_and_one_level_deep(self, files: S3Place) -> None:
        for key in ("a/z.txt", "a/b/one", "a/b/two", "a/c/x", "other"):
            files.write(key, b"x")
        assert [(entry.name, entry.folder) for entry in files.children("a")] == [
            ("b", True),
            ("c", True),
            ("z.txt", False),
        ]
        assert [entry.name for entry in files.children("")] == ["a", "other"]

    def test_more_than_one_page(self, files: S3Place) -> None:
        for number in range(1005):
            files.write(f"many/{number:04d}", b"")
        assert len(files.children("many")) == 1005
        assert list(files.walk("many"))[-1] == "1004"
        files.delete("many")
        assert files.entry("many") is None

    def test_a_folder_is_an_empty_object(self, files: S3Place, client: Any) -> None:
        files.make("a/b")
        assert [item["Key"] for item in client.list_objects_v2(Bucket=BUCKET)["Contents"]] == ["a/b/"]
        assert files.children("a/b") == []
        files.make("")
        assert len(client.list_objects_v2(Bucket=BUCKET)["Contents"]) == 1
        files.write("a/one.txt", b"1")
        assert list(files.walk("a")) == ["one.txt"]

    def test_reading_a_part(self, files: S3Place) -> None:
        files.write("f", b"0123456789")
        assert files.read("f", 4) == b"0123"
        assert files.read("f") == b"0123456789"

    def test_deleting_a_file_leaves_its_neighbours(self, files: S3Place) -> None:
        files.write("a", b"")
        files.write("ab", b"")
        files.delete("a")
        assert [entry.name for entry in files.children("")] == ["ab"]

    def test_a_prefix(self, files: S3Place, client: Any) -> None:
        files.write("topics/pin/one", b"x")
        below = S3Place(BUCKET, "topics", client)
        assert [entry.name for entry in below.children("")] == ["pin"]
        assert below.read("pin/one") == b"x"


class TestFileSystem:
    @pytest.fixture
    def fs(self, tmp_path: Path, files: S3Place) -> FileSystem:
        return FileSystem(tmp_path / "dbfs", tmp_path / "workspace", Store(tmp_path / "state"), lambda *_: None)

    def test_copies_between_places(self, fs: FileSystem) -> None:
        fs.put("/in/one.txt", "1")
        fs.put("/in/deep/two.txt", "2")
        fs.cp("/in", f"s3a://{BUCKET}/out", True)
        assert [info.path for info in fs.ls(f"s3a://{BUCKET}/out")] == [
            f"s3a://{BUCKET}/out/deep/",
            f"s3a://{BUCKET}/out/one.txt",
        ]
        fs.mv(f"s3a://{BUCKET}/out", "/back", True)
        assert fs.head("/back/deep/two.txt") == "2"
        with pytest.raises(FileNotFoundError):
            fs.ls(f"s3a://{BUCKET}/out")

    def test_a_mount_is_the_bucket(self, fs: FileSystem, client: Any) -> None:
        client.put_object(Bucket=BUCKET, Key="topics/pin/one", Body=b"x")
        fs.mount(f"s3a://{BUCKET}/topics", "/mnt/landing")
        assert [(info.path, info.size) for info in fs.ls("/mnt/landing/pin")] == [("dbfs:/mnt/landing/pin/one", 1)]
        fs.put("/mnt/landing/pin/two", "yy")
        assert client.get_object(Bucket=BUCKET, Key="topics/pin/two")["Body"].read() == b"yy"
        assert fs.rm("/mnt/landing/pin", True)
        assert "Contents" not in client.list_objects_v2(Bucket=BUCKET)

    def test_all_three_schemes(self, fs: FileSystem) -> None:
        fs.put(f"s3a://{BUCKET}/f", "x")
        assert [fs.head(f"{scheme}://{BUCKET}/f") for scheme in ("s3", "s3a", "s3n")] == ["x", "x", "x"]
