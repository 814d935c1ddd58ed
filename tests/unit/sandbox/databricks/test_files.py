"""``dbutils.fs`` on folders of this machine; S3 is tested against a real server in tests/spark/workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.databricks.notebook.dbutils.files import FileSystem, MountInfo
from sandbox.databricks.store import Store


@pytest.fixture
def told() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def fs(tmp_path: Path, told: list[tuple[str, str]]) -> FileSystem:
    (tmp_path / "workspace" / "Shared").mkdir(parents=True)
    store = Store(tmp_path / "state")
    return FileSystem(
        tmp_path / "dbfs", tmp_path / "workspace", store, lambda point, source: told.append((point, source))
    )


def shown(fs: FileSystem, path: str) -> list[tuple[str, str, int]]:
    return [(info.path, info.name, info.size) for info in fs.ls(path)]


class TestFiles:
    def test_put_ls_head(self, fs: FileSystem, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert fs.put("/FileStore/tables/a.csv", "a,b\n1,ü\n")
        assert capsys.readouterr().out == "Wrote 9 bytes.\n"
        assert (tmp_path / "dbfs/FileStore/tables/a.csv").read_text() == "a,b\n1,ü\n"
        assert shown(fs, "dbfs:/FileStore") == [("dbfs:/FileStore/tables/", "tables/", 0)]
        assert shown(fs, "/FileStore/tables") == [("dbfs:/FileStore/tables/a.csv", "a.csv", 9)]
        assert shown(fs, "/FileStore/tables/a.csv") == [("dbfs:/FileStore/tables/a.csv", "a.csv", 9)]
        assert fs.head("dbfs:///FileStore/tables/a.csv") == "a,b\n1,ü\n"
        assert fs.head("/FileStore/tables/a.csv", 3) == "a,b"

    def test_entries_know_what_they_are_and_when_they_changed(self, fs: FileSystem) -> None:
        fs.put("/d/f", "x")
        (folder,) = fs.ls("/")
        (file,) = fs.ls("/d")
        assert folder.isDir()
        assert not folder.isFile()
        assert file.isFile()
        assert file.modificationTime > 1_600_000_000_000

    def test_put_replaces_only_when_told(self, fs: FileSystem) -> None:
        fs.put("/f", "one")
        with pytest.raises(FileExistsError, match="overwrite=True"):
            fs.put("/f", "two")
        fs.put("/f", "three", True)
        assert fs.head("/f") == "three"

    def test_checksums_of_hadoop_are_hidden_and_never_stale(self, fs: FileSystem, tmp_path: Path) -> None:
        fs.put("/f", "one")
        (tmp_path / "dbfs/.f.crc").write_bytes(b"crc")
        assert [info.name for info in fs.ls("/")] == ["f"]
        fs.put("/f", "two", True)
        assert not (tmp_path / "dbfs/.f.crc").exists()

    def test_mkdirs(self, fs: FileSystem) -> None:
        assert fs.mkdirs("/a/b")
        assert fs.mkdirs("/a/b")
        assert fs.ls("/a/b") == []

    def test_cp_file(self, fs: FileSystem) -> None:
        fs.put("/a", "x")
        fs.mkdirs("/folder")
        fs.cp("/a", "/b")
        fs.cp("/a", "/folder")
        assert fs.head("/b") == fs.head("/folder/a") == "x"

    def test_cp_folder(self, fs: FileSystem) -> None:
        fs.put("/a/one", "1")
        fs.put("/a/deep/two", "2")
        with pytest.raises(IsADirectoryError, match="recurse=True"):
            fs.cp("/a", "/b")
        fs.cp("/a", "/b", True)
        assert (fs.head("/b/one"), fs.head("/b/deep/two"), fs.head("/a/one")) == ("1", "2", "1")

    def test_mv(self, fs: FileSystem) -> None:
        fs.put("/a/one", "1")
        fs.mv("/a", "/b", recurse=True)
        assert fs.head("/b/one") == "1"
        with pytest.raises(FileNotFoundError):
            fs.ls("/a")

    def test_rm(self, fs: FileSystem) -> None:
        fs.put("/a/one", "1")
        with pytest.raises(IsADirectoryError, match="recurse=True"):
            fs.rm("/a")
        assert fs.rm("/a", True) is True
        assert fs.rm("/a", True) is False

    @pytest.mark.parametrize("action", ["ls", "head"])
    def test_what_is_not_there(self, fs: FileSystem, action: str) -> None:
        with pytest.raises(FileNotFoundError, match="No such file or directory: /none"):
            getattr(fs, action)("/none")

    def test_the_root_is_not_deleted(self, fs: FileSystem) -> None:
        with pytest.raises(PermissionError):
            fs.rm("/", True)


class TestConfinement:
    def test_nothing_above_the_root_is_reached(self, fs: FileSystem, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("x")
        with pytest.raises(FileNotFoundError):
            fs.head("/../secret")
        fs.put("/../../made", "y")
        assert not (tmp_path / "made").exists()
        assert fs.head("/made") == "y"

    def test_nor_through_a_link(self, fs: FileSystem, tmp_path: Path) -> None:
        (tmp_path / "dbfs/out").symlink_to(tmp_path)
        with pytest.raises(PermissionError, match="leads out"):
            fs.ls("/out")

    @pytest.mark.parametrize("path", ["file:/etc/passwd", "file:/WorkspaceX/a", "http://x/y", "abfss://c@a/x"])
    def test_other_places_are_refused(self, fs: FileSystem, path: str) -> None:
        with pytest.raises(ValueError, match="cannot be reached"):
            fs.ls(path)

    def test_workspace_files_are_reached(self, fs: FileSystem, tmp_path: Path) -> None:
        (tmp_path / "workspace/Shared/f.txt").write_text("in the workspace")
        assert fs.head("file:/Workspace/Shared/f.txt") == "in the workspace"
        assert shown(fs, "file:/Workspace/Shared") == [("file:/Workspace/Shared/f.txt", "f.txt", 16)]


class TestMounts:
    def test_a_mount_is_kept_and_spark_is_told(
        self, fs: FileSystem, told: list[tuple[str, str]], tmp_path: Path
    ) -> None:
        fs.mount("s3a://bucket/topics/", "/mnt/landing")
        assert fs.mounts() == [MountInfo("/", "DatabricksRoot"), MountInfo("/mnt/landing", "s3a://bucket/topics")]
        assert told == [("/mnt/landing", "s3a://bucket/topics")]
        later: list[tuple[str, str]] = []
        again = FileSystem(
            tmp_path / "dbfs", tmp_path / "workspace", Store(tmp_path / "state"), lambda *pair: later.append(pair)
        )
        assert later == [("/mnt/landing", "s3a://bucket/topics")]
        assert again.mounts() == fs.mounts()

    def test_keys_in_the_address_are_not_kept(self, fs: FileSystem, tmp_path: Path) -> None:
        fs.mount("s3n://AKIAKEY:c2VjcmV0@bucket", "/mnt/landing", extraConfigs={"fs.s3a.secret.key": "c2VjcmV0"})
        assert fs.mounts()[1].source == "s3a://bucket"
        assert b"c2VjcmV0" not in b"".join(file.read_bytes() for file in (tmp_path / "state").iterdir())

    def test_mounting_again_raises_as_on_databricks(self, fs: FileSystem) -> None:
        fs.mount("s3a://bucket", "/mnt/landing")
        with pytest.raises(ValueError, match="Directory already mounted: /mnt/landing"):
            fs.mount("s3a://other", "dbfs:/mnt/landing")
        fs.updateMount("s3a://other", "/mnt/landing")
        assert fs.mounts()[1].source == "s3a://other"

    def test_unmount(self, fs: FileSystem, capsys: pytest.CaptureFixture[str]) -> None:
        fs.mount("s3a://bucket", "/mnt/landing")
        assert fs.unmount("/mnt/landing")
        assert capsys.readouterr().out == "/mnt/landing has been unmounted.\n"
        with pytest.raises(ValueError, match="Directory not mounted: /mnt/landing"):
            fs.unmount("/mnt/landing")
        assert fs.refreshMounts()

    @pytest.mark.parametrize("point", ["/landing", "/mnt/../x", "/mnt"])
    def test_only_below_mnt(self, fs: FileSystem, point: str) -> None:
        with pytest.raises(ValueError, match="not below /mnt"):
            fs.mount("s3a://bucket", point)

    def test_only_buckets(self, fs: FileSystem) -> None:
        with pytest.raises(ValueError, match="not a bucket"):
            fs.mount("wasbs://c@a.blob.core.windows.net", "/mnt/x")
