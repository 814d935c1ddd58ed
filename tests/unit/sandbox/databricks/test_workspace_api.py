"""Workspace objects over HTTP, and the files behind them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from sandbox.databricks.errors import InvalidParameterError
from sandbox.databricks.workspace.paths import normalise, on_disk
from tests.unit.sandbox.databricks.harness import HEADER, Workspace


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def status(workspace: Workspace, path: str) -> Any:
    return workspace.call("GET", "2.0/workspace/get-status", path=path)


def names(workspace: Workspace, path: str) -> list[tuple[str, str]]:
    listed = workspace.call("GET", "2.0/workspace/list", path=path).get("objects", [])
    return [(entry["path"], entry["object_type"]) for entry in listed]


class TestPaths:
    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("/a/b", "/a/b"),
            ("/a//b/", "/a/b"),
            ("/Workspace/Users/ann@x.org/N", "/Users/ann@x.org/N"),
            ("/Workspace", "/"),
            ("/", "/"),
            ("/WorkspaceX/a", "/WorkspaceX/a"),
            (
                "/Shared/Batch Processing: Databricks 2023-07-17 20:42:08",
                "/Shared/Batch Processing: Databricks 2023-07-17 20:42:08",
            ),
            ("/a/./b", "/a/b"),
        ],
    )
    def test_one_spelling(self, path: str, expected: str) -> None:
        assert normalise(path) == expected

    @pytest.mark.parametrize("path", ["a/b", "", "../a", "/a/../b", "/..", "/Workspace/../x", "/a\0b"])
    def test_what_leaves_the_workspace_is_refused(self, path: str) -> None:
        with pytest.raises(InvalidParameterError):
            normalise(path)

    def test_a_link_out_of_the_workspace_is_refused(self, tmp_path: Any) -> None:
        root = tmp_path / "root"
        root.mkdir()
        (root / "out").symlink_to(tmp_path)
        with pytest.raises(InvalidParameterError, match="through a link"):
            on_disk(root, "/out/secret")


class TestImport:
    def test_source_is_a_notebook_of_its_language(self, workspace: Workspace) -> None:
        workspace.put("/Shared/n", HEADER + "x = 1")
        found = status(workspace, "/Shared/n")
        assert (found["object_type"], found["language"], found["path"]) == ("NOTEBOOK", "PYTHON", "/Shared/n")
        assert isinstance(found["object_id"], int)

    def test_source_needs_a_language(self, workspace: Workspace) -> None:
        answer = workspace.raw("POST", "2.0/workspace/import", path="/n", content=encoded("x"))
        assert answer.status_code == 400
        assert "language" in answer.json()["message"]

    @pytest.mark.parametrize(
        ("name", "text", "path", "kind"),
        [
            ("/m.py", "x = 1", "/m.py", "FILE"),
            ("/n.py", HEADER + "x = 1", "/n", "NOTEBOOK"),
            ("/q.sql", "-- Databricks notebook source\nSELECT 1", "/q", "NOTEBOOK"),
            ("/q.sql", "SELECT 1", "/q.sql", "FILE"),
            ("/j.ipynb", '{"cells": [], "metadata": {}}', "/j", "NOTEBOOK"),
            ("/NAME.ipynb.ipynb", '{"cells": [], "metadata": {}}', "/NAME.ipynb", "NOTEBOOK"),
            ("/data.json", "{}", "/data.json", "FILE"),
            ("/empty.py", "", "/empty.py", "FILE"),
        ],
    )
    def test_auto_looks_at_name_and_header(
        self, workspace: Workspace, name: str, text: str, path: str, kind: str
    ) -> None:
        workspace.call("POST", "2.0/workspace/import", path=name, content=encoded(text), format="AUTO")
        assert names(workspace, "/") == [(path, kind)]

    def test_raw_is_always_a_file(self, workspace: Workspace) -> None:
        workspace.call("POST", "2.0/workspace/import", path="/n.py", content=encoded(HEADER), format="RAW")
        assert status(workspace, "/n.py")["object_type"] == "FILE"

    def test_jupyter_keeps_the_path_and_knows_its_language(self, workspace: Workspace) -> None:
        document = {"cells": [], "metadata": {"application/vnd.databricks.v1+notebook": {"language": "sql"}}}
        workspace.call(
            "POST", "2.0/workspace/import", path="/j", content=encoded(json.dumps(document)), format="JUPYTER"
        )
        assert status(workspace, "/j")["language"] == "SQL"

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"format": "JUPYTER", "content": encoded("x = 1")}, "not a Jupyter notebook"),
            ({"format": "DBC", "content": ""}, "'DBC' is not read here"),
            ({"format": "AUTO", "content": "###"}, "not base64"),
            ({"format": "SOURCE", "language": "COBOL", "content": ""}, "'COBOL'"),
        ],
    )
    def test_what_cannot_be_read_is_refused(self, workspace: Workspace, fields: dict[str, str], message: str) -> None:
        answer = workspace.raw("POST", "2.0/workspace/import", path="/n", **fields)
        assert answer.status_code == 400
        assert message in answer.json()["message"]
        assert names(workspace, "/") == []

    def test_an_object_is_replaced_only_when_wanted(self, workspace: Workspace) -> None:
        body = {"path": "/f.txt", "format": "AUTO"}
        workspace.call("POST", "2.0/workspace/import", content=encoded("one"), **body)
        before = status(workspace, "/f.txt")
        answer = workspace.raw("POST", "2.0/workspace/import", content=encoded("two"), **body)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "RESOURCE_ALREADY_EXISTS")
        workspace.call("POST", "2.0/workspace/import", content=encoded("three"), overwrite="true", **body)
        assert base64.b64decode(workspace.call("GET", "2.0/workspace/export", path="/f.txt")["content"]) == b"three"
        after = status(workspace, "/f.txt")
        assert after["object_id"] == before["object_id"]
        assert after["created_at"] == before["created_at"]
        assert after["size"] == 5

    def test_a_file_does_not_replace_a_notebook(self, workspace: Workspace) -> None:
        workspace.put("/n", HEADER)
        answer = workspace.raw("POST", "2.0/workspace/import", path="/n", content="", format="RAW", overwrite=True)
        assert answer.status_code == 400
        assert "Delete it first" in answer.json()["message"]

    def test_the_parent_must_exist(self, workspace: Workspace) -> None:
        answer = workspace.raw("POST", "2.0/workspace/import", path="/no/f", content="", format="AUTO")
        assert answer.status_code == 404
        assert "The parent folder (/no) does not exist" in answer.json()["message"]

    def test_more_than_ten_megabytes_are_refused(self, workspace: Workspace) -> None:
        content = base64.b64encode(b"x" * (10 * 1024 * 1024 + 1)).decode()
        answer = workspace.raw("POST", "2.0/workspace/import", path="/big", content=content, format="AUTO")
        assert answer.json()["error_code"] == "MAX_NOTEBOOK_SIZE_EXCEEDED"

    def test_nothing_is_written_outside(self, workspace: Workspace) -> None:
        answer = workspace.raw("POST", "2.0/workspace/import", path="/../../evil", content="", format="AUTO")
        assert answer.status_code == 400
        assert not (workspace.data / "evil").exists()


class TestFolders:
    def test_mkdirs_makes_all_and_is_repeatable(self, workspace: Workspace) -> None:
        for _ in range(2):
            workspace.call("POST", "2.0/workspace/mkdirs", path="/Shared/a b/c")
        assert names(workspace, "/Shared/a b") == [("/Shared/a b/c", "DIRECTORY")]

    def test_a_file_in_the_way_is_refused(self, workspace: Workspace) -> None:
        workspace.put("/f", HEADER)
        for path in ("/f", "/f/g"):
            answer = workspace.raw("POST", "2.0/workspace/mkdirs", path=path)
            assert answer.json()["error_code"] == "RESOURCE_ALREADY_EXISTS"

    def test_listing_a_notebook_gives_itself(self, workspace: Workspace) -> None:
        workspace.put("/n", HEADER)
        assert names(workspace, "/n") == [("/n", "NOTEBOOK")]

    def test_files_that_a_notebook_wrote_are_listed(self, workspace: Workspace) -> None:
        workspace.run("open('written.csv', 'w').write('a')")
        assert ("/Shared/test/written.csv", "FILE") in names(workspace, "/Shared/test")

    def test_what_is_not_there_is_404(self, workspace: Workspace) -> None:
        for path in ("get-status", "list", "export"):
            answer = workspace.raw("GET", f"2.0/workspace/{path}", path="/none")
            assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")

    def test_a_folder_is_not_exported(self, workspace: Workspace) -> None:
        workspace.call("POST", "2.0/workspace/mkdirs", path="/a")
        assert workspace.raw("GET", "2.0/workspace/export", path="/a").status_code == 400


class TestDelete:
    def test_a_file(self, workspace: Workspace) -> None:
        workspace.put("/n", HEADER)
        workspace.call("POST", "2.0/workspace/delete", path="/n")
        assert workspace.raw("GET", "2.0/workspace/get-status", path="/n").status_code == 404

    def test_a_folder_with_content_needs_recursive(self, workspace: Workspace) -> None:
        workspace.put("/a_b/c/n", HEADER)
        workspace.put("/axb/n", HEADER)
        answer = workspace.raw("POST", "2.0/workspace/delete", path="/a_b")
        assert answer.json()["error_code"] == "DIRECTORY_NOT_EMPTY"
        workspace.call("POST", "2.0/workspace/delete", path="/a_b", recursive=True)
        assert names(workspace, "/") == [("/axb", "DIRECTORY")]
        assert status(workspace, "/axb/n")["object_type"] == "NOTEBOOK"

    def test_a_path_that_was_deleted_may_become_another_kind(self, workspace: Workspace) -> None:
        workspace.put("/x", HEADER)
        workspace.call("POST", "2.0/workspace/delete", path="/x")
        workspace.call("POST", "2.0/workspace/import", path="/x", content="", format="RAW")
        assert status(workspace, "/x")["object_type"] == "FILE"

    def test_the_root_stays(self, workspace: Workspace) -> None:
        assert workspace.raw("POST", "2.0/workspace/delete", path="/", recursive=True).status_code == 400
