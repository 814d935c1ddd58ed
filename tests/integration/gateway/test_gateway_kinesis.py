"""The gateway's stream routes with the real Kinesis part behind them; boto3 reads back what was stored."""

from __future__ import annotations

import json
import os
import signal
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import requests

from sandbox.gateway import aws_integration
from tests.conftest import Platform

pytestmark = pytest.mark.integration

ROW: dict[str, Any] = {
    "ind": 7528,
    "title": 'it\'s "quoted" \\ ${input} #set($x = 1)',
    "description": "two\nlines\u2026\u00a0",
    "emoji": "\U0001f600",
    "none": None,
    "deep": {"list": [1, 2.5, True, {}], "a=b, c": "{x=y}"},
}


@pytest.fixture(scope="module")
def base(platform: Platform) -> str:
    platform.up("gateway")
    return f"{platform.url('gateway')}/dev"


@pytest.fixture(scope="module")
def kinesis(base: str, platform: Platform) -> Any:
    secret = platform.context.client_environment()["AWS_SECRET_ACCESS_KEY"]
    return boto3.client(
        "kinesis",
        region_name="us-east-1",
        endpoint_url=platform.url("kinesis"),
        aws_access_key_id="pinflow",
        aws_secret_access_key=secret,
    )


@pytest.fixture
def stream(kinesis: Any) -> str:
    name = f"streaming-{uuid.uuid4().hex[:8]}-pin"
    kinesis.create_stream(StreamName=name, ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    return name


@pytest.fixture
def limits(platform: Platform) -> Iterator[None]:
    """Shards that throttle, as those of AWS always do."""
    url = f"{platform.url('kinesis')}/_limits"
    assert requests.put(url, json={"enabled": True}, timeout=10).json() == {"enabled": True}
    yield
    requests.put(url, json={"enabled": False}, timeout=10)


def stored(kinesis: Any, name: str) -> list[dict[str, Any]]:
    """All records of a stream, shard by shard."""
    found: list[dict[str, Any]] = []
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        start = kinesis.get_shard_iterator(StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
        iterator = start["ShardIterator"]
        while True:
            answer = kinesis.get_records(ShardIterator=iterator)
            found += [{**record, "ShardId": shard["ShardId"]} for record in answer["Records"]]
            if not answer["MillisBehindLatest"]:
                break
            iterator = answer["NextShardIterator"]
    return found


def put(base: str, stream: str, rows: list[Any], keys: list[str] | None = None) -> requests.Response:
    entries = [
        {"data": row, "partition-key": keys[number] if keys else f"k{number}"} for number, row in enumerate(rows)
    ]
    body = {"StreamName": stream, "records": entries}
    return requests.put(f"{base}/streams/{stream}/records", json=body, timeout=60)


class TestStreams:
    def test_made_described_listed_and_deleted(self, base: str, kinesis: Any) -> None:
        name = f"streaming-{uuid.uuid4().hex[:8]}-geo"
        assert requests.post(f"{base}/streams/{name}", json={"ShardCount": 3}, timeout=30).status_code == 200
        described = requests.get(f"{base}/streams/{name}", timeout=30).json()["StreamDescription"]
        assert (described["StreamName"], len(described["Shards"])) == (name, 3)
        assert name in requests.get(f"{base}/streams", timeout=30).json()["StreamNames"]
        assert requests.delete(f"{base}/streams/{name}", timeout=30).status_code == 200
        assert name not in kinesis.list_streams()["StreamNames"]

    @pytest.mark.parametrize("body", [None, {}, {"ShardCount": ""}], ids=["no body", "absent", "empty"])
    def test_five_shards_unless_told(self, base: str, kinesis: Any, body: Any) -> None:
        name = f"streaming-{uuid.uuid4().hex[:8]}-user"
        assert requests.post(f"{base}/streams/{name}", json=body, timeout=30).status_code == 200
        assert len(kinesis.list_shards(StreamName=name)["Shards"]) == 5

    def test_the_list_is_paged(self, base: str, kinesis: Any) -> None:
        mark = uuid.uuid4().hex[:8]
        names = [f"zz-{mark}-{number}" for number in range(3)]
        for name in names:
            kinesis.create_stream(StreamName=name, ShardCount=1)
        query = {"ExclusiveStartStreamName": names[0], "Limit": "1"}
        answer = requests.get(f"{base}/streams", params=query, timeout=30).json()
        assert (answer["StreamNames"], answer["HasMoreStreams"]) == ([names[1]], True)

    def test_one_that_exists_is_no_success(self, base: str, stream: str) -> None:
        answer = requests.post(f"{base}/streams/{stream}", json={"ShardCount": 1}, timeout=30)
        assert (answer.status_code, answer.json()["__type"]) == (400, "ResourceInUseException")


class TestPut:
    @pytest.mark.parametrize("given", [ROW, json.dumps(ROW, ensure_ascii=False)], ids=["object", "text"])
    @pytest.mark.parametrize("route", ["record", "records"])
    def test_data_is_the_rows_json(self, base: str, kinesis: Any, stream: str, route: str, given: Any) -> None:
        if route == "record":
            body = {"StreamName": stream, "Data": given, "PartitionKey": "k\u00e9y-1"}
            answer = requests.put(f"{base}/streams/{stream}/record", json=body, timeout=30)
            sequence = answer.json()["SequenceNumber"]
        else:
            answer = put(base, stream, [given], ["k\u00e9y-1"])
            assert answer.json()["FailedRecordCount"] == 0
            sequence = answer.json()["Records"][0]["SequenceNumber"]
        assert answer.status_code == 200
        [record] = stored(kinesis, stream)
        assert json.loads(record["Data"]) == ROW
        assert (record["PartitionKey"], record["SequenceNumber"]) == ("k\u00e9y-1", sequence)

    def test_an_object_is_compact_utf8_on_both_routes(self, base: str, kinesis: Any, stream: str) -> None:
        row = {"a": "\u00e9", "b": [1, None]}
        requests.put(f"{base}/streams/{stream}/record", json={"Data": row, "PartitionKey": "k"}, timeout=30)
        put(base, stream, [row], ["k"])
        assert [record["Data"] for record in stored(kinesis, stream)] == ['{"a":"\u00e9","b":[1,null]}'.encode()] * 2

    def test_five_hundred_records_in_one_call(self, base: str, kinesis: Any, stream: str) -> None:
        rows = [{"ind": number, "description": f"{number} \u00e9" * 50} for number in range(500)]
        answer = put(base, stream, rows)
        assert (answer.status_code, answer.json()["FailedRecordCount"]) == (200, 0)
        told = {entry["SequenceNumber"]: entry["ShardId"] for entry in answer.json()["Records"]}
        found = stored(kinesis, stream)
        assert {record["SequenceNumber"]: record["ShardId"] for record in found} == told
        assert sorted((json.loads(record["Data"]) for record in found), key=lambda row: row["ind"]) == rows
        assert {record["PartitionKey"] for record in found} == {f"k{number}" for number in range(500)}

    def test_the_path_decides_and_the_difference_is_logged(
        self, base: str, kinesis: Any, stream: str, platform: Platform
    ) -> None:
        other = f"{stream}-other"
        kinesis.create_stream(StreamName=other, ShardCount=1)
        body = {"StreamName": other, "Data": {"a": 1}, "PartitionKey": "k"}
        assert requests.put(f"{base}/streams/{stream}/record", json=body, timeout=30).status_code == 200
        assert len(stored(kinesis, stream)) == 1
        assert stored(kinesis, other) == []
        log = platform.context.log("gateway").read_text(encoding="utf-8")
        assert f"PUT {stream}: the body names the stream '{other}'; the path decides" in log


class TestRefusals:
    @pytest.mark.parametrize(
        ("verb", "path", "body"),
        [
            ("GET", "", None),
            ("DELETE", "", None),
            ("PUT", "/record", {"Data": {}, "PartitionKey": "k"}),
            ("PUT", "/records", {"records": [{"data": {}, "partition-key": "k"}]}),
            ("GET", "/sharditerator?shard-id=shardId-000000000000", None),
        ],
    )
    def test_an_unknown_stream_has_its_own_status(self, base: str, verb: str, path: str, body: Any) -> None:
        answer = requests.request(verb, f"{base}/streams/not-there{path}", json=body, timeout=30)
        assert (answer.status_code, answer.json()["__type"]) == (400, "ResourceNotFoundException")
        assert "not-there" in answer.json()["message"]

    def test_a_record_that_is_too_large(self, base: str, kinesis: Any, stream: str) -> None:
        answer = put(base, stream, [{"a": 1}, {"a": "x" * 2**20}])
        assert (answer.status_code, answer.json()["__type"]) == (400, "InvalidArgumentException")
        assert stored(kinesis, stream) == []

    def test_too_many_records(self, base: str, kinesis: Any, stream: str) -> None:
        answer = put(base, stream, [1] * 501)
        assert (answer.status_code, answer.json()["__type"]) == (400, "InvalidArgumentException")
        assert stored(kinesis, stream) == []

    def test_a_body_over_ten_megabytes(self, base: str, kinesis: Any, stream: str) -> None:
        answer = put(base, stream, [{"a": "x" * 2**20}] * 10)
        assert answer.status_code == 413
        assert stored(kinesis, stream) == []

    def test_an_empty_partition_key(self, base: str, stream: str) -> None:
        answer = put(base, stream, [1], [""])
        assert (answer.status_code, answer.json()["__type"]) == (400, "ValidationException")

    def test_a_body_that_breaks_the_model_never_leaves_the_gateway(self, base: str, kinesis: Any, stream: str) -> None:
        body = {"records": [{"data": {}, "partition_key": "k"}]}
        answer = requests.put(f"{base}/streams/{stream}/records", json=body, timeout=30)
        assert (answer.status_code, answer.json()["message"]) == (400, "Invalid request body")
        assert "records.0: 'partition-key' is a required property" in answer.json()["detail"]
        assert stored(kinesis, stream) == []

    def test_a_media_type_without_a_template(self, base: str, stream: str) -> None:
        answer = requests.put(
            f"{base}/streams/{stream}/record", data=b"x", headers={"Content-Type": "text/csv"}, timeout=30
        )
        assert (answer.status_code, answer.json()) == (415, {"message": "Unsupported Media Type"})

    def test_another_method_on_a_stream(self, base: str, stream: str) -> None:
        answer = requests.patch(f"{base}/streams/{stream}", json={}, timeout=30)
        assert (answer.status_code, answer.json()) == (403, {"message": "Missing Authentication Token"})


class TestThrottling:
    def test_a_partial_failure_reaches_the_client_as_such(
        self, base: str, kinesis: Any, stream: str, limits: None
    ) -> None:
        """Eight records of 250 KB on one shard: more than its 1 MiB a second."""
        answer = put(base, stream, [{"n": number, "x": "x" * 250_000} for number in range(8)], ["same"] * 8)
        assert answer.status_code == 200
        entries = answer.json()["Records"]
        failed = [number for number, entry in enumerate(entries) if "ErrorCode" in entry]
        assert 0 < answer.json()["FailedRecordCount"] == len(failed) < 8
        assert {entries[number]["ErrorCode"] for number in failed} == {"ProvisionedThroughputExceededException"}
        taken = [json.loads(record["Data"])["n"] for record in stored(kinesis, stream)]
        assert taken == [number for number in range(8) if number not in failed]

    def test_a_throttled_single_record_is_an_error(self, base: str, stream: str, limits: None) -> None:
        put(base, stream, [{"x": "x" * 250_000}] * 5, ["same"] * 5)
        body = {"Data": {"x": "x" * 1_000_000}, "PartitionKey": "same"}
        answer = requests.put(f"{base}/streams/{stream}/record", json=body, timeout=30)
        assert (answer.status_code, answer.json()["__type"]) == (400, "ProvisionedThroughputExceededException")


class TestGet:
    def test_what_was_put_is_read_through_the_gateway(self, base: str, kinesis: Any) -> None:
        name = f"streaming-{uuid.uuid4().hex[:8]}-pin"
        kinesis.create_stream(StreamName=name, ShardCount=1)
        put(base, name, [ROW, {"n": 2}])
        query = {"shard-id": "shardId-000000000000"}
        iterator = requests.get(f"{base}/streams/{name}/sharditerator", params=query, timeout=30).json()[
            "ShardIterator"
        ]
        headers = {"Shard-Iterator": iterator}
        answer = requests.get(f"{base}/streams/{name}/records", headers=headers, timeout=30).json()
        written = [record["SequenceNumber"] for record in stored(kinesis, name)]
        assert [record["SequenceNumber"] for record in answer["Records"]] == written
        assert [record["PartitionKey"] for record in answer["Records"]] == ["k0", "k1"]
        assert answer["NextShardIterator"]

    @pytest.mark.parametrize(("path", "name"), [("sharditerator", "shard-id"), ("records", "Shard-Iterator")])
    def test_what_must_be_given(self, base: str, stream: str, path: str, name: str) -> None:
        answer = requests.get(f"{base}/streams/{stream}/{path}", timeout=30)
        assert (answer.status_code, answer.json()) == (
            400,
            {"message": f"Missing required request parameters: [{name}]"},
        )

    def test_a_bad_iterator(self, base: str, stream: str) -> None:
        answer = requests.get(f"{base}/streams/{stream}/records", headers={"Shard-Iterator": "no'pe"}, timeout=30)
        assert answer.status_code == 400
        assert answer.json()["__type"] in {"InvalidArgumentException", "SerializationException"}


class TestBackEndDown:
    def test_it_is_told_and_heals(self, base: str, kinesis: Any, stream: str, platform: Platform) -> None:
        os.kill(platform.leader("kinesis"), signal.SIGKILL)
        down = put(base, stream, [{"a": 1}])
        assert (down.status_code, down.json()) == (504, {"message": "Network error communicating with endpoint"})
        platform.up("kinesis")
        assert put(base, stream, [{"a": 2}]).json()["FailedRecordCount"] == 0
        assert [json.loads(record["Data"]) for record in stored(kinesis, stream)] == [{"a": 2}]


class TestEndpoint:
    def test_the_services_own_variable_wins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        monkeypatch.setenv("AWS_ENDPOINT_URL_KINESIS", "http://127.0.0.1:2/")
        assert aws_integration.endpoint("kinesis", "us-east-1") == "http://127.0.0.1:2/"
        assert aws_integration.endpoint("sqs", "us-east-1") == "http://127.0.0.1:1/"

    def test_without_any_it_is_the_public_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        monkeypatch.delenv("AWS_ENDPOINT_URL_KINESIS", raising=False)
        assert aws_integration.endpoint("kinesis", "eu-west-1") == "https://kinesis.eu-west-1.amazonaws.com/"
