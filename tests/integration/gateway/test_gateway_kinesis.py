"""The ``aws`` integration against ministack's Kinesis; the document's own stream routes come with the stream path."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import requests

from sandbox.gateway import aws_integration
from sandbox.gateway.app import Gateway
from sandbox.gateway.document import read
from sandbox.gateway.server import configuration
from sandbox.gateway.stages import Stages
from tests.conftest import Platform
from tests.unit.sandbox.gateway.conftest import document, serving

pytestmark = pytest.mark.integration

JSON = "application/json"
NAME = '"StreamName":"$input.params(\'stream-name\')"'
ERROR = {"statusCode": "400", "responseTemplates": {JSON: "{\"type\":$input.json('$.__type')}"}}
TEMPLATES = {
    "PutRecord": "#set($d = $input.json('$.Data'))\n"
    "{" + NAME + ',"PartitionKey":"$input.path(\'$.PartitionKey\')","Data":"$util.base64Encode($d)"}',
    "PutRecords": "{" + NAME + ",\"Records\":[#foreach($row in $input.path('$.records'))"
    '{"PartitionKey":"$row.partition-key","Data":"$util.base64Encode($row.data)"}#if($foreach.hasNext),#end#end]}',
    "CreateStream": "#set($n = $input.path('$.ShardCount'))\n{" + NAME + ",\"ShardCount\":#if($n == '')5#else$n#end}",
    "DescribeStreamSummary": "{" + NAME + "}",
}


def method(action: str) -> dict[str, Any]:
    return {
        "parameters": [{"name": "stream-name", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {"200": {"description": "ok"}, "400": {"description": "refused"}},
        "x-amazon-apigateway-integration": {
            "type": "aws",
            "httpMethod": "POST",
            "uri": f"arn:aws:apigateway:us-east-1:kinesis:action/{action}",
            "requestParameters": {"integration.request.header.Content-Type": "'application/x-amz-json-1.1'"},
            "requestTemplates": {JSON: TEMPLATES[action]},
            "passthroughBehavior": "when_no_templates",
            "responses": {"default": {"statusCode": "200"}, "4\\d{2}": ERROR},
        },
    }


PATHS = {
    "/streams/{stream-name}": {"post": method("CreateStream"), "get": method("DescribeStreamSummary")},
    "/streams/{stream-name}/record": {"put": method("PutRecord")},
    "/streams/{stream-name}/records": {"put": method("PutRecords")},
}


@pytest.fixture
def base(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    platform.up("aws")
    for name, value in platform.context.client_environment().items():
        monkeypatch.setenv(name, value)
    aws_integration._session.cache_clear()
    api = read(document(PATHS))
    with serving(configuration(Gateway(api, Stages.of(("dev",), {}, api)))) as port:
        yield f"http://127.0.0.1:{port}/dev"
    aws_integration._session.cache_clear()


def stored(name: str) -> list[tuple[str, Any]]:
    kinesis = boto3.client("kinesis", region_name="us-east-1")
    found = []
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        start = kinesis.get_shard_iterator(StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
        records = kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]
        found += [(record["PartitionKey"], json.loads(record["Data"])) for record in records]
    return found


def test_streams_are_made_written_and_read_back(base: str) -> None:
    name = f"streaming-{uuid.uuid4().hex[:8]}-pin"
    assert requests.post(f"{base}/streams/{name}", json={"ShardCount": 2}, timeout=30).status_code == 200
    summary = requests.get(f"{base}/streams/{name}", headers={"Content-Type": JSON}, timeout=30).json()
    assert summary["StreamDescriptionSummary"]["OpenShardCount"] == 2
    row = {"index": 1, "title": 'it\'s "é"', "none": None}
    one = requests.put(
        f"{base}/streams/{name}/record", json={"StreamName": "x", "Data": row, "PartitionKey": "a"}, timeout=30
    )
    assert one.status_code == 200
    assert one.json()["SequenceNumber"]
    many = {"records": [{"data": {"index": number}, "partition-key": f"k{number}"} for number in range(3)]}
    answer = requests.put(f"{base}/streams/{name}/records", json=many, timeout=30)
    assert answer.json()["FailedRecordCount"] == 0
    expected = [("a", row), *((f"k{number}", {"index": number}) for number in range(3))]
    assert sorted(stored(name), key=lambda record: record[0]) == expected


def test_the_default_of_five_shards(base: str) -> None:
    name = f"streaming-{uuid.uuid4().hex[:8]}-geo"
    requests.post(f"{base}/streams/{name}", headers={"Content-Type": JSON}, timeout=30)
    assert len(boto3.client("kinesis", region_name="us-east-1").list_shards(StreamName=name)["Shards"]) == 5


def test_a_refusal_is_mapped_by_its_status(base: str) -> None:
    answer = requests.put(f"{base}/streams/nope/record", json={"Data": 1, "PartitionKey": "p"}, timeout=30)
    assert answer.status_code == 400
    assert "ResourceNotFoundException" in answer.json()["type"]


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
