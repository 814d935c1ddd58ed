"""Records on their way from topics into S3: where they land, when, and that each lands once."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.connect.conftest import Landing, wait_until

pytestmark = pytest.mark.integration
NOON = datetime(2022, 3, 1, 12, tzinfo=UTC)


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def numbered(count: int, moment: datetime = NOON) -> list[tuple[bytes | None, int]]:
    return [(json.dumps({"ind": number}).encode(), milliseconds(moment)) for number in range(count)]


def test_three_topics_of_historic_days(landing: Landing) -> None:
    dice = random.Random(3)
    topics = [landing.topic(table, partitions=3) for table in ("pin", "geo", "user")]
    first = datetime(2017, 12, 30, tzinfo=UTC)
    rows = [
        {"ind": number, "latitude": round(dice.uniform(-90, 90), 4), "title": "é\n🎉 \u2028", "nothing": None}
        for number in range(400)
    ]
    rows[0]["latitude"] = -89.9787
    for topic in topics:
        times = [milliseconds(first + timedelta(minutes=dice.randrange(3 * 24 * 60))) for _ in rows]
        landing.produce(topic, [(json.dumps(row).encode(), time) for row, time in zip(rows, times, strict=True)])
    landing.connect(topics)
    landing.all_once()

    for key, lines in landing.objects().items():
        folder, topic, year, month, day, hour, name = key.split("/")
        assert folder == "topics"
        landed = [json.loads(line) for line in lines]
        start = landed[0]["kafka_offset"]
        assert name == f"{topic}+{landed[0]['kafka_partition']}+{start:010d}.json.gz"
        for row in landed:
            sent = landing.sent[(row.pop("kafka_topic"), row.pop("kafka_partition"), row.pop("kafka_offset"))]
            time = row.pop("kafka_timestamp")
            assert time == sent.timestamp()[1]
            moment = datetime.fromtimestamp(time / 1000, UTC)
            assert f"{year}/{month}/{day}/{hour}" == moment.strftime("year=%Y/month=%m/day=%d/hour=%H")
            assert row == json.loads(sent.value())
            assert type(row["ind"]) is int


def test_values_keep_their_numbers_exactly(landing: Landing) -> None:
    topic = landing.topic()
    numbers = ["-89.9787", "0.1", "12345678901234567", "9007199254740993", "1e-7", "-0.0", "100", "94.0", "1.5e300"]
    text = f"[{', '.join(numbers)}]"
    landing.produce(topic, [(f'{{"numbers": {text}}}'.encode(), milliseconds(NOON))])
    landing.connect([topic])
    landing.all_once()
    assert landing.rows()[0]["numbers"] == json.loads(text)


def test_stores_by_count(landing: Landing) -> None:
    topic = landing.topic()
    landing.produce(topic, numbered(120))
    name = landing.connect([topic], {"flush.size": "50", "rotate.schedule.interval.ms": "-1"})
    wait_until(lambda: landing.committed(name) == {(topic, 0): 100}, why="two full rotations are committed")
    assert {key.rpartition("/")[2]: len(lines) for key, lines in landing.objects().items()} == {
        f"{topic}+0+0000000000.json.gz": 50,
        f"{topic}+0+0000000050.json.gz": 50,
    }


def test_stores_by_record_time(landing: Landing) -> None:
    topic = landing.topic()
    landing.produce(topic, numbered(3) + numbered(2, NOON + timedelta(minutes=10)))
    name = landing.connect([topic], {"rotate.interval.ms": "600000", "rotate.schedule.interval.ms": "-1"})
    wait_until(lambda: landing.committed(name) == {(topic, 0): 3}, why="the first ten minutes are committed")
    assert [len(lines) for lines in landing.objects().values()] == [3]


def test_stores_by_size(landing: Landing) -> None:
    topic = landing.topic()
    value = json.dumps({"text": "x" * 900_000}).encode()
    landing.produce(topic, [(value, milliseconds(NOON))] * 50)
    name = landing.connect([topic], {"flush.size": "1000000", "rotate.schedule.interval.ms": "-1"})
    wait_until(lambda: landing.committed(name).get((topic, 0), 0) > 30, why="32 MiB are stored")
    assert landing.states(name) == {"RUNNING"}


def test_stores_an_idle_topic_by_age(landing: Landing) -> None:
    topic = landing.topic()
    name = landing.connect([topic], {"rotate.schedule.interval.ms": "1000"})
    wait_until(lambda: landing.states(name) == {"RUNNING"})
    landing.produce(topic, numbered(1))
    landing.all_once(15)


def test_default_partitioner(landing: Landing) -> None:
    topic = landing.topic(partitions=2)
    partitioner = "io.confluent.connect.storage.partitioner.DefaultPartitioner"
    landing.connect([topic], {"partitioner.class": partitioner, "s3.compression.type": "gzip"})
    landing.produce(topic, numbered(10), partition=1)
    landing.all_once()
    for key in landing.objects():
        assert key.startswith(f"topics/{topic}/partition=1/{topic}+1+")


class TestDeadLetters:
    bad = (b"{not json", b"[1, 2]", b'"text"', b"17", b'{"cut": ', b"\xff\xfe", b"true")

    def test_records_that_are_no_json_objects(self, landing: Landing) -> None:
        topic = landing.topic()
        good = [(value, time) for value, time in numbered(5)]
        landing.produce(topic, [*good[:2], *((value, milliseconds(NOON)) for value in self.bad), *good[2:]])
        name = landing.connect([topic])
        dead = landing.dead(len(self.bad))
        assert sorted(message.value() for message in dead) == sorted(self.bad)
        assert {self.origin(message) for message in dead} == {(topic, 0, offset) for offset in range(2, 9)}
        wait_until(lambda: len(landing.positions()) == 5, why="the good ones have landed")
        assert set(landing.positions()) == {(topic, 0, offset) for offset in (0, 1, 9, 10, 11)}
        wait_until(lambda: landing.committed(name) == {(topic, 0): 12}, why="offsets pass the bad ones")
        assert landing.states(name) == {"RUNNING"}

    def test_offsets_pass_when_nothing_good_follows(self, landing: Landing) -> None:
        topic = landing.topic()
        landing.produce(
            topic, [(b"{bad", milliseconds(NOON)), (None, milliseconds(NOON)), (b"{bad", milliseconds(NOON))]
        )
        name = landing.connect([topic])
        landing.dead(2)
        wait_until(lambda: landing.committed(name) == {(topic, 0): 3}, why="bad and empty records are passed")
        assert landing.objects() == {}

    @staticmethod
    def origin(message: object) -> tuple[str, int, int]:
        headers = {key: value.decode() for key, value in message.headers() if value is not None}  # type: ignore[attr-defined]
        prefix = "__connect.errors."
        return headers[f"{prefix}topic"], int(headers[f"{prefix}partition"]), int(headers[f"{prefix}offset"])


class TestValidation:
    def problems(self, landing: Landing, **overrides: str) -> dict[str, list[str]]:
        changes = {key.replace("_", "."): value for key, value in overrides.items()}
        configuration = landing.configuration(["pin"], changes) | {"name": "x"}
        plugin = configuration["connector.class"]
        answer = landing.call("PUT", f"/connector-plugins/{plugin}/config/validate", configuration)
        values = [one["value"] for one in answer["configs"]]
        return {value["name"]: value["errors"] for value in values if value["errors"]}

    def test_the_configuration_as_it_is(self, landing: Landing) -> None:
        assert self.problems(landing) == {}

    def test_unknown_values_are_shown_with_their_keys(self, landing: Landing) -> None:
        found = self.problems(landing, format_class="x.AvroFormat", timezone="Mars", s3_compression_type="lz4")
        assert set(found) == {"format.class", "timezone", "s3.compression.type"}
        assert "JsonFormat" in found["format.class"][0]

    def test_values_that_do_not_go_together(self, landing: Landing) -> None:
        assert set(self.problems(landing, path_format="")) == {"path.format"}

    def test_both_names_are_listed_as_plugins(self, landing: Landing) -> None:
        listed = {plugin["class"] for plugin in landing.call("GET", "/connector-plugins")}
        assert {"io.confluent.connect.s3.S3SinkConnector", "dev.pinflow.connect.s3.S3SinkConnector"} <= listed
