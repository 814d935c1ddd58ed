"""What the notebook runner adds to a session, as far as it needs no server."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyspark.cloudpickle import dumps
from pyspark.sql.connect.proto import Command, WriteStreamOperationStart
from pyspark.sql.connect.streaming.readwriter import DataStreamWriter

from sandbox.databricks.kinesis.registration import mark, tell_the_trigger
from sandbox.databricks.notebook.streams import carried, carry_imports, import_path


def reading(command: Any, name: str, *, streaming: bool = True) -> Any:
    """Fill in one side of a union below a projection; the read."""
    side = command.write_stream_operation_start.input.project.input.set_op
    found = (side.left_input if name == "left" else side.right_input.filter.input).read
    found.is_streaming = streaming
    return found


class TestMark:
    def test_every_kinesis_source_is_told_wherever_it_is(self) -> None:
        command = Command()
        for name, form in (("left", "kinesis"), ("right", "KINESIS")):
            read = reading(command, name)
            read.data_source.format = form
            read.data_source.options["streamName"] = name
        mark(command)
        for name in ("left", "right"):
            options = dict(reading(command, name).data_source.options)
            assert options == {"streamName": name, "availableNow": "true"}

    def test_others_are_left_alone(self) -> None:
        command = Command()
        reading(command, "left").data_source.format = "kafka"
        reading(command, "right", streaming=False).data_source.format = "kinesis"
        before = command.SerializeToString(deterministic=True)
        mark(command)
        assert command.SerializeToString(deterministic=True) == before

    @pytest.mark.parametrize(("available_now", "told"), [(True, {"availableNow": "true"}), (False, {})])
    def test_only_for_that_trigger(self, available_now: bool, told: dict[str, str]) -> None:
        class Sent(Exception):
            pass

        class Client:
            def execute_command(self, command: Any) -> None:
                raise Sent(dict(command.write_stream_operation_start.input.read.data_source.options))

        class Session:
            client = Client()

        class Operation:
            def command(self, client: Any) -> Command:
                made = Command()
                made.write_stream_operation_start.input.read.is_streaming = True
                made.write_stream_operation_start.input.read.data_source.format = "kinesis"
                made.write_stream_operation_start.available_now = available_now
                return made

        tell_the_trigger()
        tell_the_trigger()
        writer = DataStreamWriter.__new__(DataStreamWriter)
        writer._session, writer._write_stream, writer._write_proto = Session(), Operation(), WriteStreamOperationStart()
        with pytest.raises(Sent) as caught:
            writer.start()
        assert caught.value.args == (told,)


class TestCarried:
    def test_imports_the_workspaces_module_before_any_other_of_its_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In a process that has a module of that name, and knows of the workspace only what it is sent."""
        for folder, word in (("workspace", "the workspace's"), ("elsewhere", "another")):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "sink_of_test.py").write_text(
                f"def write(frame, batch): print({word!r}, frame, batch)\n"
            )
        monkeypatch.syspath_prepend(str(tmp_path / "workspace"))
        monkeypatch.delitem(sys.modules, "sink_of_test", raising=False)
        import sink_of_test  # type: ignore[import-not-found]

        sent = tmp_path / "sent"
        sent.write_bytes(dumps(carried(sink_of_test.write, [str(tmp_path / "workspace")])))
        code = f"import pickle; f = pickle.load(open({str(sent)!r}, 'rb')); f('a frame', 1); f('a frame', 2)"
        environment = {"PYTHONPATH": str(tmp_path / "elsewhere")}
        ran = subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert ran.stdout.splitlines() == ["the workspace's a frame 1", "the workspace's a frame 2"]

    def test_functions_of_the_notebook_itself_go_whole(self) -> None:
        seen: list[tuple[Any, int]] = []
        factor = 3

        def write(frame: Any, batch: int) -> None:
            seen.append((frame, batch * factor))
            if frame == "last":
                raise ValueError(seen)

        function = pickle.loads(dumps(carried(write, [])))
        function("first", 1)
        with pytest.raises(ValueError, match=r"\('first', 3\), \('last', 6\)"):
            function("last", 2)

    def test_only_folders_of_the_workspace_are_carried(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        inside, outside = tmp_path / "workspace/Shared/pinflow", tmp_path / "other"
        for folder in (inside, outside):
            folder.mkdir(parents=True)
        monkeypatch.setattr(sys, "path", ["", str(outside), str(inside), *sys.path])
        assert import_path(tmp_path / "workspace") == [str(inside)]

    def test_a_second_session_replaces_the_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(DataStreamWriter, "foreachBatch", DataStreamWriter.foreachBatch)
        carry_imports(tmp_path / "one")
        once = DataStreamWriter.foreachBatch
        carry_imports(tmp_path / "two")
        assert DataStreamWriter.foreachBatch.__wrapped__ is once.__wrapped__
