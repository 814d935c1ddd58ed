"""Kinesis and Kafka as one shape of frame."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from pyspark.sql import functions as F

from include.spark.stream import source
from include.spark.stream.parameters import Parameters
from tests.spark.kinesis.server import KEYS, Server
from tests.spark.lake import rows
from tests.spark.stream.streams import KINESIS, NOON
from tests.spark.stream.test_parameters import GIVEN

KAFKA = "key binary, value binary, topic string, partition int, offset bigint, timestamp timestamp, timestampType int"


def shape(stream: str, table: str, shard: str, sequence: str) -> dict[str, Any]:
    return {
        "stream": stream,
        "table_name": table,
        "raw": "{}",
        "shard_id": shard,
        "sequence_number": sequence,
        "arrived_at": NOON,
    }


def test_kinesis(spark: Any) -> None:
    frame = spark.createDataFrame([("k", b"{}", "streaming-p-geo", "shardId-0", "4" * 56, NOON)], KINESIS)
    read = source.from_kinesis(frame, {"streaming-p-pin": "pin", "streaming-p-geo": "geo"})
    assert read.columns == list(source.COLUMNS)
    assert rows(read) == [shape("streaming-p-geo", "geo", "shardId-0", "4" * 56)]


def test_kafka_without_what_has_no_value(spark: Any) -> None:
    records = [
        (b"1", b"{}", "p.pin", 2, 7, NOON, 0),
        (b"1", None, "p.pin", 2, 8, NOON, 0),
        (None, b"{}", "p.user", 0, 2**40, NOON, 1),
    ]
    read = source.from_kafka(spark.createDataFrame(records, KAFKA), {"p.pin": "pin", "p.user": "user"})
    assert read.columns == list(source.COLUMNS)
    assert rows(read) == [shape("p.pin", "pin", "2", "7"), shape("p.user", "user", "0", str(2**40))]


def test_bytes_that_are_no_text_are_kept_as_base64(spark: Any) -> None:
    frame = spark.createDataFrame([(b"\xff\xfe{}",), ('{"a": "\u00e4"}'.encode(),)], "data binary")
    found = [row[0] for row in frame.select(source.text(F.col("data"))).collect()]
    assert found == ["base64://57fQ==", '{"a": "ä"}']


def test_both_read_all_tables_at_once_and_own_options_win(spark: Any) -> None:
    """The sources' own errors show what they were given."""
    texts = {"tables": "pin,geo", "source_options": '{"consumerMode": "efo"}', "trigger": "1 second"}
    options = source.options(Parameters.from_texts({**GIVEN, **texts, "region": "eu-west-1"}))
    assert options == {
        "streamName": "streaming-pinflow-pin,streaming-pinflow-geo",
        "initialPosition": "earliest",
        "fetchBufferSize": "16mb",
        "region": "eu-west-1",
        "consumerMode": "efo",
    }
    kafka = {"source": "kafka", "kafka_bootstrap": "b:1", "source_options": '{"maxOffsetsPerTrigger": "9"}'}
    assert source.options(Parameters.from_texts({**GIVEN, **kafka, "initial_position": "trim_horizon"})) == {
        "kafka.bootstrap.servers": "b:1",
        "subscribe": "pinflow.pin,pinflow.geo,pinflow.user",
        "startingOffsets": "earliest",
        "maxOffsetsPerTrigger": "9",
    }


class TestIncarnations:
    def parameters(self, kinesis: Server, prefix: str) -> Parameters:
        options = f'{{"endpoint": "{kinesis.url}", "awsAccessKey": "a", "awsSecretKey": "b"}}'
        texts = {"prefix": prefix, "tables": "pin", "source_options": options, "region": KEYS["region_name"]}
        return Parameters.from_texts({**GIVEN, **texts})

    def test_a_stream_that_is_made_again_is_another(self, kinesis: Server) -> None:
        name, client = "streaming-again-pin", kinesis.client
        seen = []
        for _ in range(2):
            client.create_stream(StreamName=name, ShardCount=1)
            client.get_waiter("stream_exists").wait(StreamName=name)
            seen.append(source.incarnations(self.parameters(kinesis, "again")))
            assert source.incarnations(self.parameters(kinesis, "again")) == seen[-1]
            client.delete_stream(StreamName=name)
            client.get_waiter("stream_not_exists").wait(StreamName=name)
        assert [list(one) for one in seen] == [[name], [name]]
        assert seen[0] != seen[1]

    def test_one_that_is_not_there_is_named(self, kinesis: Server) -> None:
        with pytest.raises(source.StreamNotFoundError, match="no stream streaming-nowhere-pin"):
            source.incarnations(self.parameters(kinesis, "nowhere"))

    def test_a_service_credential_is_asked_for_by_its_name(self, kinesis: Server) -> None:
        """Without keys of its own the client is the session's that the workspace gives for it."""
        name = "streaming-trusted-pin"
        kinesis.client.create_stream(StreamName=name, ShardCount=1)
        kinesis.client.get_waiter("stream_exists").wait(StreamName=name)
        asked = []

        def provider(credential: str) -> Any:
            session = botocore.session.Session()
            session.set_credentials("of-the-credential", "secret")
            session.register("before-send.kinesis", lambda request, **_: sent.append(request.headers["Authorization"]))
            asked.append(credential)
            return session

        sent: list[Any] = []
        options = f'{{"endpoint": "{kinesis.url}", "serviceCredential": "pinflow-streams"}}'
        texts = {"prefix": "trusted", "tables": "pin", "source_options": options, "region": KEYS["region_name"]}
        found = source.incarnations(Parameters.from_texts({**GIVEN, **texts}), provider)
        assert (list(found), asked) == ([name], ["pinflow-streams"])
        assert sent
        assert all(b"Credential=of-the-credential/" in header for header in sent)

    def test_topics_have_their_names(self) -> None:
        texts = {**GIVEN, "source": "kafka", "kafka_bootstrap": "b:1", "tables": "pin"}
        assert source.incarnations(Parameters.from_texts(texts)) == {"pinflow.pin": "topic"}
