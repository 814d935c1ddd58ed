"""A streaming notebook in the real workspace: the source is simply there, and foreachBatch imports the workspace."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import boto3
import pytest

from tests.conftest import Platform
from tests.integration.databricks.conftest import RealWorkspace

pytestmark = pytest.mark.integration
# The repository has a package `include` too, and nothing of this in it.
MODULE = '''
import include

ORIGIN = include.__path__[0]

def write(frame, batch_id):
    """Runs in a process of Spark's."""
    import json

    from include.second import TABLE

    rows = frame.selectExpr("stream", "CAST(data AS STRING) AS value", f"'{ORIGIN}' AS origin", f"{batch_id} AS batch")
    rows.write.mode("append").saveAsTable(TABLE)
'''
NOTEBOOK = """
import os, sys
sys.path.append(os.path.abspath(".."))
from include.sink import write
stream = dbutils.widgets.get("stream")
options = {"streamName": stream, "initialPosition": "earliest", "fetchBufferSize": "1kb", "maxRecordsPerFetch": "50"}
query = (
    spark.readStream.format("kinesis").options(**options).load()
    .writeStream.foreachBatch(write).option("checkpointLocation", f"dbfs:/checkpoints/{stream}")
    .trigger(availableNow=True).start()
)
query.awaitTermination()
import boto3
summary = boto3.client("kinesis").describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
dbutils.notebook.exit(summary["StreamName"])
"""


@pytest.fixture
def kinesis(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Any:
    platform.up("kinesis")
    for name, value in platform.context.client_environment().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    return boto3.client("kinesis")


def test_reads_all_and_imports_the_workspaces_copy(real: RealWorkspace, kinesis: Any) -> None:
    name = f"stream-{uuid.uuid4().hex[:8]}"
    table = f"default.rows_{name.replace('-', '_')}"
    kinesis.create_stream(StreamName=name, ShardCount=2)
    for path, text in {
        "/Shared/streaming/include/__init__.py": "",
        "/Shared/streaming/include/sink.py": MODULE,
        "/Shared/streaming/include/second.py": f"TABLE = {table!r}\n",
    }.items():
        real.call("POST", "2.0/workspace/mkdirs", path=path.rpartition("/")[0])
        content = base64.b64encode(text.encode()).decode()
        real.call("POST", "2.0/workspace/import", path=path, content=content, format="AUTO", overwrite=True)
    notebook = real.notebook(NOTEBOOK, path="/Shared/streaming/notebooks/read")
    sent: list[str] = []
    for values in (range(700), range(700, 750)):
        records = [{"Data": str(value).encode(), "PartitionKey": str(value)} for value in values]
        for first in range(0, len(records), 500):
            assert kinesis.put_records(StreamName=name, Records=records[first : first + 500])["FailedRecordCount"] == 0
        sent += map(str, values)
        run_id = real.submit(notebook, {"stream": name})
        assert real.wait(run_id, seconds=120)["state"]["result_state"] == "SUCCESS", real.output(run_id)
        assert real.output(run_id)["notebook_output"]["result"] == name
        rows = real.rows(f"SELECT value, origin, batch FROM {table}")
        assert sorted(value for value, _, _ in rows) == sorted(sent)
    assert {batch for _, _, batch in rows} == {"0", "1"}
    [origin] = {origin for _, origin, _ in rows}
    assert origin is not None
    assert origin.endswith("/Shared/streaming/include")
    assert "/workspace/" in origin, json.dumps(rows[0])
