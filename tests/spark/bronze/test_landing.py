"""Reading the landing: from a folder, and from a real S3 API through S3A."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.spark.interval import Interval
from include.spark.landing import landed
from tests.spark.lake import Lake, positioned, rows
from tests.spark.posts import pin

TOPIC = "pinflow.pin"
FIVE = datetime(2022, 3, 1, 5, tzinfo=UTC)
DAY = Interval.parse("2022-03-01", "2022-03-02")


def line(offset: int, moment: datetime, partition: int = 0) -> str:
    return positioned(pin(offset), TOPIC, partition, offset, moment)


def read(lake: Lake, interval: Interval = DAY) -> list[dict[str, Any]]:
    frame = landed(lake.spark, str(lake.landing), TOPIC, interval)
    assert frame is not None
    return sorted(rows(frame), key=lambda row: (row["kafka_timestamp"], row["kafka_offset"] or -1))


class TestLanded:
    def test_line_with_its_position(self, lake: Lake) -> None:
        moment = FIVE + timedelta(minutes=7, milliseconds=123)
        text = line(42, moment, partition=2)
        path = lake.land(TOPIC, FIVE, "pinflow.pin+2+0000000042.json.gz", [text])
        assert read(lake) == [
            {
                "raw": text,
                "kafka_topic": TOPIC,
                "kafka_partition": 2,
                "kafka_offset": 42,
                "kafka_timestamp": moment,
                "source_file": f"file:{path}",
            }
        ]

    def test_only_the_interval(self, lake: Lake) -> None:
        for hour in range(24):
            moment = FIVE.replace(hour=hour)
            lines = [line(hour * 2, moment), line(hour * 2 + 1, moment + timedelta(minutes=30))]
            lake.land(TOPIC, moment, f"pinflow.pin+0+{hour:010}.json.gz", lines)
        found = read(lake, Interval.parse("2022-03-01T05:30:00", "2022-03-01T07:30:00"))
        assert [row["kafka_offset"] for row in found] == [11, 12, 13, 14]

    def test_other_hours_are_not_opened(self, lake: Lake) -> None:
        """An object that is no gzip would stop a run that opens it."""
        lake.land(TOPIC, FIVE, "pinflow.pin+0+0000000000.json.gz", [line(0, FIVE)])
        broken = lake.land(TOPIC, FIVE.replace(hour=6), "pinflow.pin+0+0000000001.json.gz", [line(1, FIVE)])
        broken.write_bytes(b"\x1f\x8b not gzip")
        found = read(lake, Interval.parse("2022-03-01T05:00:00", "2022-03-01T06:00:00"))
        assert [row["kafka_offset"] for row in found] == [0]

    def test_all_partitions_and_objects_plain_or_gzip(self, lake: Lake) -> None:
        for partition, suffix in ((0, ".json"), (1, ".json.gz"), (2, ".json.gz")):
            name = f"pinflow.pin+{partition}+0000000000{suffix}"
            lake.land(TOPIC, FIVE, name, [line(partition, FIVE, partition)])
        assert [row["kafka_partition"] for row in read(lake)] == [0, 1, 2]

    def test_other_objects_are_left_alone(self, lake: Lake) -> None:
        lake.land(TOPIC, FIVE, "pinflow.pin+0+0000000000.json.gz", [line(0, FIVE)])
        lake.land(TOPIC, FIVE, "_SUCCESS", ["x"])
        lake.land(TOPIC, FIVE, "notes.txt", ["x"])
        assert len(read(lake)) == 1

    def test_another_topic_whose_name_begins_alike_is_left_alone(self, lake: Lake) -> None:
        lake.land(TOPIC, FIVE, "pinflow.pin+0+0000000000.json.gz", [line(0, FIVE)])
        lake.land("pinflow.pins", FIVE, "pinflow.pins+0+0000000000.json.gz", [line(1, FIVE)])
        assert [row["kafka_offset"] for row in read(lake)] == [0]

    def test_only_a_newline_ends_a_line(self, lake: Lake) -> None:
        text = json.dumps(pin(title="a\u2028b\u0085c"), ensure_ascii=False) + " \r "
        lake.land(TOPIC, FIVE, "pinflow.pin+0+0000000000.json", [text])
        assert [row["raw"] for row in read(lake)] == [text]


class TestWithoutPosition:
    @pytest.mark.parametrize("raw", ["not json", "[1]", '"text"', "", json.dumps(pin())])
    def test_comes_from_the_folder_and_the_name(self, lake: Lake, raw: str) -> None:
        lake.land(TOPIC, FIVE, "pinflow.pin+7+0000000003.json.gz", [raw])
        [row] = read(lake)
        assert (row["raw"], row["kafka_topic"], row["kafka_partition"]) == (raw, TOPIC, 7)
        assert (row["kafka_offset"], row["kafka_timestamp"]) == (None, FIVE)

    @pytest.mark.parametrize("stamp", [0, 99_999_999_999_999_999, 10**30, "soon", -5, None, 1.5, {"a": 1}])
    def test_a_time_outside_of_its_folder_is_the_folders_hour(self, lake: Lake, stamp: Any) -> None:
        text = json.dumps({**pin(), "kafka_offset": 9, "kafka_partition": 1, "kafka_timestamp": stamp})
        lake.land(TOPIC, FIVE, "pinflow.pin+1+0000000009.json.gz", [text])
        [row] = read(lake)
        assert (row["kafka_offset"], row["kafka_timestamp"]) == (9, FIVE)

    def test_belongs_to_one_interval_only(self, lake: Lake) -> None:
        lake.land(TOPIC, FIVE, "pinflow.pin+0+0000000000.json.gz", ["not json"])
        assert len(read(lake, Interval.parse("2022-03-01T05:00:00", "2022-03-01T05:30:00"))) == 1
        assert read(lake, Interval.parse("2022-03-01T05:30:00", "2022-03-01T06:00:00")) == []

    def test_bytes_that_are_no_text_do_not_stop_the_run(self, lake: Lake) -> None:
        lake.land(TOPIC, FIVE, "pinflow.pin+0+0000000000.json.gz", [b'{"title": "\xff\xfe"}', line(1, FIVE).encode()])
        assert next(row["raw"] for row in read(lake)) == '{"title": "\ufffd\ufffd"}'


class TestNothing:
    def test_no_folder_of_the_hours(self, lake: Lake) -> None:
        lake.land(TOPIC, FIVE, "pinflow.pin+0+0000000000.json.gz", [line(0, FIVE)])
        assert landed(lake.spark, str(lake.landing), TOPIC, Interval.parse("2022-03-02", "2022-03-03")) is None

    def test_some_hours_missing(self, lake: Lake) -> None:
        lake.land(TOPIC, FIVE, "pinflow.pin+0+0000000000.json.gz", [line(0, FIVE)])
        assert len(read(lake, Interval.parse("2022-02-20", "2022-03-20"))) == 1


@pytest.fixture(scope="module")
def bucket(s3_url: str) -> Any:
    import boto3

    client = boto3.client(
        "s3", endpoint_url=s3_url, region_name="us-east-1", aws_access_key_id="pinflow", aws_secret_access_key="pinflow"
    )
    client.create_bucket(Bucket="pinflow-landing")
    return client


class TestS3:
    """The same over S3A, where a folder is nothing but a prefix."""

    URL = "s3a://pinflow-landing/topics"

    def put(self, bucket: Any, topic: str, moment: datetime, offset: int) -> None:
        folder = f"topics/{topic}/{moment:year=%Y/month=%m/day=%d/hour=%H}"
        key = f"{folder}/{topic}+0+{offset:010}.json.gz"
        body = gzip.compress(positioned(pin(offset), topic, 0, offset, moment).encode() + b"\n")
        bucket.put_object(Bucket="pinflow-landing", Key=key, Body=body)

    def test_reads_the_hours_that_exist(self, spark: Any, bucket: Any) -> None:
        for offset, hour in enumerate((0, 4, 5, 23)):
            self.put(bucket, "some.pin", FIVE.replace(hour=hour), offset)
        self.put(bucket, "some.pin", FIVE + timedelta(days=1), 99)
        frame = landed(spark, self.URL, "some.pin", Interval.parse("2022-03-01T04:00:00", "2022-03-02T00:00:00"))
        assert sorted(row["kafka_offset"] for row in rows(frame)) == [1, 2, 3]

    def test_source_file_is_the_objects_url(self, spark: Any, bucket: Any) -> None:
        self.put(bucket, "one.pin", FIVE, 0)
        [row] = rows(landed(spark, self.URL + "/", "one.pin", DAY))
        expected = f"{self.URL}/one.pin/year=2022/month=03/day=01/hour=05/one.pin+0+0000000000.json.gz"
        assert row["source_file"] == expected

    def test_no_object_yet(self, spark: Any, bucket: Any) -> None:
        assert landed(spark, self.URL, "never.pin", DAY) is None

    def test_no_bucket_is_an_error_and_not_an_empty_run(self, spark: Any, bucket: Any) -> None:
        with pytest.raises(Exception, match="no-such-bucket"):
            landed(spark, "s3a://no-such-bucket/topics", "x.pin", DAY)
