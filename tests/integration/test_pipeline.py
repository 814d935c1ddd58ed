"""Both pipelines for real: source, gateway, Kafka, Kinesis, S3, Spark and Airflow, through the command line.

What is expected is worked out from the source rows and the ledger with plain Python (``tests.independent``).
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import sqlalchemy as sa

from include.config.settings import TABLES, load
from sandbox.airflow.client import AirflowClient
from sandbox.databricks.client import WorkspaceClient
from sandbox.supervisor.home import ROOT
from tests.conftest import Platform
from tests.independent import cleaning, gold
from tests.independent import stream as plain_stream

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]
Row = dict[str, Any]
SETTINGS = load("sandbox")
POSTS = 400
KEYS = {"pin": "index", "geo": "ind", "user": "ind"}
SOURCES = {"pin": "pinterest_data", "geo": "geolocation_data", "user": "user_data"}
TARGET = {
    "pin": ["ind", "unique_id", "title", "description", "follower_count", "poster_name", "tag_list",
            "is_image_or_video", "image_src", "save_location", "category"],
    "geo": ["ind", "country", "coordinates", "timestamp"],
    "user": ["ind", "user_name", "age", "date_joined"],
}  # fmt: skip


class Pipeline:
    """A whole sandbox of its own, driven by the command line as a user drives it."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.home = platform.context
        self.s3 = boto3.client(
            "s3", endpoint_url=self.home.url("aws"), region_name="us-east-1",
            aws_access_key_id="pinflow", aws_secret_access_key=self.home.secret("aws"),
        )  # fmt: skip

    def cli(self, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PINFLOW_HOME": str(self.home.base), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-m", "sandbox.cli", *words],
            env=env,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        if code is not None:
            assert done.returncode == code, f"{words}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def workspace(self) -> WorkspaceClient:
        token = self.home.secret("databricks-token")
        return WorkspaceClient(self.home.url("databricks"), token, SETTINGS.workspace.warehouse_id)

    def sql(self, statement: str) -> list[Row]:
        return self.workspace().query(statement, SETTINGS.workspace.catalog)

    def source(self, statement: str) -> list[Row]:
        engine = sa.create_engine(self.home.source_url)
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.text(statement)).mappings()]

    def landed_lines(self, table: str) -> list[str]:
        """All JSON lines of a topic in S3."""
        lines: list[str] = []
        prefix = f"{SETTINGS.landing.topics_dir}/{SETTINGS.topic(table)}/"
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=SETTINGS.landing.bucket, Prefix=prefix)
        for entry in (one for page in pages for one in page.get("Contents", [])):
            body = self.s3.get_object(Bucket=SETTINGS.landing.bucket, Key=entry["Key"])["Body"].read()
            lines += gzip.decompress(body).decode().splitlines()
        return lines

    def posted(self, table: str) -> list[cleaning.Record]:
        """The ledger's accepted records of a table with the rows of the source, in the order of the offsets."""
        rows = {row[KEYS[table]]: row for row in self.source(f"SELECT * FROM {SOURCES[table]}")}
        entries = self.source(
            "SELECT ind, partition, record_offset, timestamp_ms FROM pinflow_ledger "
            f"WHERE outcome = 'accepted' AND table_name = '{table}' AND path = 'batch' ORDER BY record_offset"
        )
        return [
            cleaning.Record(
                json.dumps(rows[entry["ind"]], default=str),
                entry["partition"],
                entry["record_offset"],
                entry["timestamp_ms"],
            )
            for entry in entries
        ]

    def silver(self, table: str) -> dict[int, Row]:
        """The cleaned rows by post."""
        columns = ", ".join(TARGET[table])
        return {row["ind"]: row for row in self.sql(f"SELECT {columns} FROM silver.{table}")}


@pytest.fixture(scope="module")
def pipeline(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A new sandbox; the one of the other tests makes room for it."""
    platform.supervisor.down()
    own = Platform(tmp_path_factory.mktemp("pipeline"))
    yield Pipeline(own)
    own.supervisor.down()


@pytest.fixture(scope="module")
def first_run(pipeline: Pipeline) -> Row:
    """What ``./pinflow run --json`` prints, from an empty sandbox."""
    document: Row = json.loads(pipeline.cli("run", "--json", "--posts", str(POSTS)).stdout)
    return document


def shown(value: Any) -> Any:
    """A value of the independent calculation as the SQL API shows it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    if isinstance(value, list):
        return [shown(one) for one in value]
    return value


def plain(row: Row) -> Row:
    """A row of the SQL API with arrays read."""
    return {name: json.loads(value) if name == "coordinates" and value else value for name, value in row.items()}


def numbers(row: Row) -> Row:
    """Arrays of numbers that came as texts, as numbers."""
    found = plain(row)
    if found.get("coordinates"):
        found["coordinates"] = [float(value) for value in found["coordinates"]]
    return found


def test_run_posts_every_record_once(pipeline: Pipeline, first_run: Row) -> None:
    assert first_run["emulated"]["accepted"] == 2 * 3 * POSTS
    assert (first_run["emulated"]["rejected"], first_run["emulated"]["unknown"]) == (0, 0)
    counts = pipeline.source("SELECT path, table_name, outcome, count(*) AS n FROM pinflow_ledger GROUP BY 1, 2, 3")
    assert {(row["path"], row["table_name"], row["outcome"], row["n"]) for row in counts} == {
        (path, table, "accepted", POSTS) for table in TABLES for path in ("batch", "stream")
    }


@pytest.mark.parametrize("table", TABLES)
def test_ledger_equals_lines_in_s3_equals_silver_and_quarantine(pipeline: Pipeline, first_run: Row, table: str) -> None:
    lines = [json.loads(line) for line in pipeline.landed_lines(table)]
    positions = {(record.partition, record.offset) for record in pipeline.posted(table)}
    assert {(line["kafka_partition"], line["kafka_offset"]) for line in lines} == positions
    assert len(lines) == len(positions) == POSTS
    (audit,) = pipeline.sql(f"SELECT * FROM ops.batch_audit WHERE table_name = '{table}'")
    assert audit["landed"] == POSTS == audit["clean"] + audit["duplicates"] + audit["quarantined"]
    assert audit["clean"] == len(pipeline.silver(table))


@pytest.mark.parametrize("table", TABLES)
def test_silver_is_what_plain_python_makes_of_the_source(pipeline: Pipeline, first_run: Row, table: str) -> None:
    expected = cleaning.clean(table, pipeline.posted(table))
    assert expected.quarantined == []
    wanted = {
        ind: {name: shown(value) for name, value in row.items() if name in TARGET[table]}
        for ind, row in expected.rows.items()
    }
    assert {ind: numbers(row) for ind, row in pipeline.silver(table).items()} == wanted


@pytest.mark.parametrize(
    "name",
    [
        "most_popular_category_by_country", "most_popular_category_by_year", "most_followed_user_by_country",
        "country_with_most_followed_user", "most_popular_category_by_age_group", "median_followers_by_age_group",
        "users_joined_by_year", "median_followers_by_join_year", "median_followers_by_join_year_and_age_group",
        "most_popular_category_this_year",
    ],
)  # fmt: skip
def test_every_answer_equals_an_independent_calculation(pipeline: Pipeline, first_run: Row, name: str) -> None:
    cleaned = [list(cleaning.clean(table, pipeline.posted(table)).rows.values()) for table in TABLES]
    expected = [{key: shown(value) for key, value in row.items()} for row in getattr(gold, name)(*cleaned)]
    found = json.loads(pipeline.cli("results", name, "--json").stdout)
    assert found == expected
    assert found == first_run["results"][name]
    assert found


@pytest.mark.parametrize("table", TABLES)
def test_batch_and_stream_hold_the_same_cleaned_rows(pipeline: Pipeline, first_run: Row, table: str) -> None:
    expected = cleaning.clean(table, pipeline.posted(table)).rows
    streamed = pipeline.sql(f"SELECT {', '.join(TARGET[table])} FROM stream.{table}")
    assert len(streamed) == len(expected)
    assert {row["ind"]: row for row in streamed} == pipeline.silver(table)


@pytest.mark.parametrize("table", TABLES)
def test_every_record_that_kinesis_took_arrived_once(pipeline: Pipeline, first_run: Row, table: str) -> None:
    ledger = pipeline.source(
        f"SELECT ind, sequence FROM pinflow_ledger WHERE path = 'stream' AND table_name = '{table}' "
        "AND outcome = 'accepted'"
    )
    arrived = pipeline.sql(f"SELECT ind, sequence_number, late FROM stream.arrivals WHERE table_name = '{table}'")
    assert Counter((row["ind"], row["sequence_number"]) for row in arrived) == Counter(
        (row["ind"], row["sequence"]) for row in ledger
    )
    assert len(arrived) == POSTS
    assert not [row for row in arrived if row["late"]]
    assert pipeline.sql("SELECT count(*) AS n FROM quarantine.stream_records") == [{"n": 0}]


def fetched(pipeline: Pipeline, table: str) -> list[tuple[datetime, int, Row]]:
    """What Kinesis itself holds of a table: arrival, sequence number, the row as it was sent."""
    kinesis = boto3.client(
        "kinesis", endpoint_url=pipeline.home.url("kinesis"), region_name="us-east-1",
        aws_access_key_id="pinflow", aws_secret_access_key=pipeline.home.secret("aws"),
    )  # fmt: skip
    name, found = SETTINGS.stream(table), list[tuple[datetime, int, Row]]()
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        asked = {"StreamName": name, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator, records = kinesis.get_shard_iterator(**asked)["ShardIterator"], [{}]
        while records:
            answer = kinesis.get_records(ShardIterator=iterator, Limit=10_000)
            records, iterator = answer["Records"], answer["NextShardIterator"]
            found += [
                (one["ApproximateArrivalTimestamp"].astimezone(UTC), int(one["SequenceNumber"]),
                 json.loads(one["Data"])) for one in records
            ]  # fmt: skip
    return found


METRICS = [("profile_popularity", "pin", "poster_name", "popularity_rank"), ("category_trend", "pin", "category",
           "trend_rank"), ("posts_by_country", "geo", "country", "country_rank")]  # fmt: skip


@pytest.mark.parametrize(("metric", "table", "name", "rank"), METRICS)
def test_live_metrics_equal_an_independent_calculation(
    pipeline: Pipeline, first_run: Row, metric: str, table: str, name: str, rank: str
) -> None:
    records = [
        plain_stream.Delivery(table, json.dumps(sent), "", sequence, arrived)
        for arrived, sequence, sent in fetched(pipeline, table)
    ]
    assert len(records) == POSTS
    rows = getattr(plain_stream, metric)(plain_stream.process([records]).accepted)
    expected = [{key: shown(value) for key, value in row.items()} for row in rows]
    columns = "window_start, window_end, posts, last_seen" + (", follower_count" if name == "poster_name" else "")
    found = pipeline.sql(f"SELECT {columns}, {name}, {rank} FROM live.{metric}")
    assert sorted(map(json_of, found)) == sorted(map(json_of, expected))
    current = max(row["window_start"] for row in expected)
    current = shown(datetime.fromisoformat(current) - timedelta(minutes=9))
    answer = json.loads(pipeline.cli("results", metric, "--json").stdout)
    assert [(row[rank], row[name]) for row in answer] == sorted(
        (row[rank], row[name]) for row in expected if row["window_start"] == current
    )
    assert answer == first_run["results"][metric]


def json_of(row: Row) -> str:
    return json.dumps(row, sort_keys=True)


def test_the_supervision_window_reports_what_came(pipeline: Pipeline, first_run: Row) -> None:
    stream = first_run["stream"]
    assert stream["agrees"]["records"] == dict.fromkeys(TABLES, POSTS)
    window = stream["window"]
    assert (window["rows"], window["quarantined"], window["late"]) == (3 * POSTS, 0, 0)
    assert 0 < window["delay_p50_ms"] <= window["delay_p95_ms"]
    assert window["left_running"] is True
    assert len(pipeline.workspace().active_runs(SETTINGS.streaming.job_id)) == 1


def test_status_is_healthy_and_within_six_gibibytes(pipeline: Pipeline, first_run: Row) -> None:
    parts = json.loads(pipeline.cli("status", "--json").stdout)
    assert {part["state"] for part in parts} == {"healthy"}
    assert sum(part["memory"] for part in parts) < 6 * 2**30


def test_nothing_listens_on_another_address(pipeline: Pipeline, first_run: Row) -> None:
    import psutil

    from sandbox.supervisor.supervisor import Supervisor

    pids = {one.pid for some in Supervisor(pipeline.home)._members().values() for one in some}
    listening = [one for one in psutil.net_connections("inet") if one.status == "LISTEN" and one.pid in pids]
    assert len(listening) >= len(pipeline.platform.supervisor.parts) - 3
    assert {one.laddr.ip for one in listening} <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}


def test_no_secret_is_in_a_log_or_on_a_command_line(pipeline: Pipeline, first_run: Row) -> None:
    import psutil

    secrets = list(json.loads((pipeline.home.run / "secrets.json").read_text()).values())
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert not [line[:80] for line in lines if any(secret in line for secret in secrets)]
    folders = [pipeline.home.base / "log", pipeline.home.data("airflow") / "logs"]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert not [path for path in files if any(secret.encode() in path.read_bytes() for secret in secrets)]


POISON: list[tuple[str, Row, str]] = [
    ("pin", {"index": 1, "name": "gateway", "age": 3, "role": "test"}, "missing_fields"),
    ("user", {"index": 1, "unique_id": "u", "title": "t", "description": "d", "follower_count": "1k", "tag_list": "a",
              "is_image_or_video": "image", "image_src": "s", "save_location": "l", "category": "art"}, "wrong_topic"),
    ("geo", {"ind": 900001, "timestamp": "soon", "latitude": 1, "longitude": 2, "country": "Chad"}, "bad_timestamp"),
    ("geo", {"ind": 900002, "timestamp": "2020-08-28 03:52:47", "latitude": 91, "longitude": 2, "country": "Chad"},
     "bad_coordinates"),
    ("geo", {"ind": "seven", "timestamp": "2020-08-28 03:52:47", "latitude": 1, "longitude": 2, "country": "Chad"},
     "bad_key"),
    ("user", {"ind": 900003, "first_name": "A", "last_name": "B", "age": 131, "date_joined": "2016-01-01 00:00:00"},
     "bad_age"),
    ("user", {"first_name": "A", "last_name": "B", "age": 30, "date_joined": "2016-01-01 00:00:00"}, "missing_key"),
]  # fmt: skip
GOOD: list[tuple[str, Row]] = [
    ("pin", {"index": 900010, "unique_id": "u-1", "title": "No Title Data Available", "poster_name": "User Info Error",
             "description": "No description available Story format", "follower_count": "User Info Error",
             "tag_list": "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e", "is_image_or_video": "multi-video(story page format)",
             "image_src": "Image src error.", "downloaded": 0, "save_location": "Local save in /data/art",
             "category": "art"}),
    ("pin", {"idx": "900011", "unique_id": "u-2", "title": 'A "quoted"\nline | 🎄', "poster_name": "P", "downloaded": 1,
             "description": "Art.", "follower_count": "12.3k", "tag_list": "a,b", "is_image_or_video": "image",
             "image_src": "https://example.org/a.jpg", "save_location": "Local save in /data/art",
             "category": "art"}),
    ("geo", {"ind": 900010, "timestamp": "2020:08:28 03:52:47", "latitude": -89.9787, "longitude": -173.293,
             "country": "Cote d'Ivoire"}),
    ("geo", {"ind": 900011, "timestamp": "2020-08-28T03:52:47Z", "latitude": 0.1, "longitude": 0.2, "country": "Chad"}),
    ("user", {"ind": 900010, "first_name": "Abigail", "last_name": "Ali", "age": 20,
              "date_joined": "2015-10-24 11:23:51"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def dirty(pipeline: Pipeline, first_run: Row) -> dict[str, str]:
    """Hand-written records sent as an existing client sends them, and text that is no JSON; the span of both."""
    begun = datetime.now(UTC).replace(microsecond=0)
    base = f"{pipeline.home.url('gateway')}/{SETTINGS.gateway.stage}/topics"
    for table, row in [*GOOD, GOOD[1], *((table, row) for table, row, _ in POISON)]:
        answer = httpx.post(
            f"{base}/{SETTINGS.topic(table)}", headers={"Content-Type": "application/vnd.kafka.json.v2+json"},
            content=json.dumps({"records": [{"value": row}]}),
        )  # fmt: skip
        assert answer.status_code == 200
        assert [entry["error_code"] for entry in answer.json()["offsets"]] == [None]
    for text in (b"{not json", b"[1, 2]"):
        answer = httpx.post(
            f"{base}/{SETTINGS.topic('pin')}", headers={"Content-Type": "application/vnd.kafka.binary.v2+json"},
            content=json.dumps({"records": [{"value": base64.b64encode(text).decode()}]}),
        )  # fmt: skip
        assert answer.status_code == 200
    return {"from": begun.isoformat(), "to": (datetime.now(UTC) + timedelta(seconds=1)).isoformat()}


def test_records_that_the_ledger_does_not_know_make_the_run_red(pipeline: Pipeline, dirty: dict[str, str]) -> None:
    done = pipeline.cli("trigger", "pinflow_batch", "--conf", json.dumps(dirty), code=1)
    assert "reconcile" in done.stderr
    assert "900010" in done.stderr


def test_poison_is_quarantined_with_its_reason_and_its_text(pipeline: Pipeline, dirty: dict[str, str]) -> None:
    pipeline.cli("trigger", "pinflow_batch", "--conf", json.dumps({**dirty, "foreign_records": "report"}))
    found = pipeline.sql("SELECT table_name, reason, raw, source_file, kafka_offset FROM quarantine.records")
    assert Counter((row["table_name"], row["reason"]) for row in found) == Counter(
        (table, reason) for table, _, reason in POISON
    )
    sent = [row for _, row, _ in POISON]
    for row in found:
        kept = {name: value for name, value in json.loads(row["raw"]).items() if not name.startswith("kafka_")}
        assert kept in sent
        assert row["source_file"].endswith(".json.gz")
        assert row["kafka_offset"] is not None


def test_what_is_no_json_object_is_in_the_dead_letter_topic(pipeline: Pipeline, dirty: dict[str, str]) -> None:
    from confluent_kafka import Consumer, TopicPartition

    topic = SETTINGS.dead_letter_topic
    consumer = Consumer(
        {
            "bootstrap.servers": f"127.0.0.1:{pipeline.home.port('kafka')}",
            "group.id": "test",
            "enable.auto.commit": False,
        }
    )
    values: list[bytes] = []
    for partition in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        consumer.assign([TopicPartition(topic, partition, low)])
        while len(values) < 2 and low < high:
            message = consumer.poll(10)
            assert message is not None
            assert message.error() is None
            values.append(message.value())
            low = message.offset() + 1
    consumer.close()
    assert sorted(values) == [b"[1, 2]", b"{not json"]


def test_hand_written_dirty_rows_come_out_clean(pipeline: Pipeline, dirty: dict[str, str]) -> None:
    pins, geos, users = (pipeline.silver(table) for table in TABLES)
    assert pins[900010] == {
        "ind": 900010, "unique_id": "u-1", "title": None, "description": None, "follower_count": None,
        "poster_name": None, "tag_list": None, "is_image_or_video": "multi-video(story page format)", "image_src": None,
        "save_location": "/data/art", "category": "art",
    }  # fmt: skip
    second = pins[900011]
    assert second["title"] == 'A "quoted"\nline | 🎄'
    assert (second["description"], second["follower_count"]) == ("Art.", 12300)
    assert numbers(geos[900010])["coordinates"] == [-89.9787, -173.293]
    assert {geos[ind]["timestamp"] for ind in (900010, 900011)} == {"2020-08-28T03:52:47.000Z"}
    assert users[900010]["user_name"] == "Abigail Ali"
    assert 900011 not in users
    assert not {900001, 900002} & set(geos)


DAYS = ("2022-03-01", "2022-03-02", "2022-03-03")


@pytest.fixture(scope="module")
def history(pipeline: Pipeline, dirty: dict[str, str]) -> Row:
    """Posts over three historic days, and a backfill over them."""
    days = f"{DAYS[0]}:{DAYS[-1]}"
    emulated: Row = json.loads(
        pipeline.cli("emulate", "--posts", "240", "--seed", "7", "--days", days, "--json").stdout
    )
    pipeline.cli("backfill", "pinflow_batch", DAYS[0], DAYS[-1])
    return emulated


def day_of(pipeline: Pipeline, day: str) -> Row:
    start = int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp() * 1000)
    return pipeline.source(
        "SELECT count(*) AS records, count(DISTINCT ind) AS posts FROM pinflow_ledger WHERE table_name = 'pin' "
        f"AND path = 'batch' AND outcome = 'accepted' "
        f"AND timestamp_ms >= {start} AND timestamp_ms < {start + 86_400_000}"
    )[0]


def test_a_backfill_takes_each_day_s_landing(pipeline: Pipeline, history: Row) -> None:
    assert history["accepted"] == 720
    found = {
        row["interval_start"][:10]: row["landed"]
        for row in pipeline.sql("SELECT interval_start, landed FROM ops.batch_audit WHERE table_name = 'pin'")
        if row["interval_start"] < "2023"
    }
    assert found == {day: day_of(pipeline, day)["records"] for day in DAYS}
    assert sum(found.values()) == 240
    assert min(found.values()) > 40


def test_running_a_day_again_changes_nothing(pipeline: Pipeline, history: Row) -> None:
    def everything() -> Row:
        tables = ("silver.pin", "silver.geo", "silver.user", "bronze.pin", "quarantine.records")
        rows = {table: pipeline.sql(f"SELECT * FROM {table}") for table in tables}
        volatile = ("batch_id", "quarantined_at", "source_file")
        kept = {
            table: Counter(
                json.dumps({name: value for name, value in row.items() if name not in volatile}, sort_keys=True)
                for row in found
            )
            for table, found in rows.items()
        }
        return {**kept, "results": json.loads(pipeline.cli("results", "--json").stdout)}

    before = everything()
    pipeline.cli("backfill", "pinflow_batch", DAYS[1], DAYS[1])
    assert everything() == before


def test_kill_9_of_every_part_and_up_heals(pipeline: Pipeline, history: Row) -> None:
    before = pipeline.cli("results", "--json").stdout
    for part in json.loads(pipeline.cli("status", "--json").stdout):
        os.kill(part["pid"], signal.SIGKILL)
    pipeline.cli("up")
    assert {part["state"] for part in json.loads(pipeline.cli("status", "--json").stdout)} == {"healthy"}
    assert pipeline.cli("results", "--json").stdout == before


def test_the_pipeline_works_after_the_kill(pipeline: Pipeline, history: Row) -> None:
    done: Row = json.loads(pipeline.cli("run", "--json", "--posts", "50").stdout)
    assert done["emulated"]["accepted"] == 2 * 150
    assert done["stream"]["agrees"]["records"] == dict.fromkeys(TABLES, 50)
    assert {table: row["landed"] for table, row in done["report"]["tables"].items()} == dict.fromkeys(TABLES, 50)


class Posting:
    """People post to the streams as long as this lasts."""

    def __init__(self, pipeline: Pipeline, posts_a_second: int) -> None:
        env = {**os.environ, "PINFLOW_HOME": str(pipeline.home.base), "PYTHONPATH": str(ROOT)}
        words = ("emulate", "--to", "stream", "--posts", "1000000", "--rate", str(posts_a_second), "--json")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.cli", *words], env=env, cwd=ROOT, text=True, stdout=subprocess.PIPE,
        )  # fmt: skip

    def stop(self) -> Row:
        """Ctrl-C; the emulator's summary."""
        self.process.send_signal(signal.SIGINT)
        summary: Row = json.loads(self.process.communicate(timeout=60)[0])
        return summary


def until(condition: Callable[[], bool], what: str, seconds: float = 240) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, f"after {seconds:.0f} s still not: {what}"
        time.sleep(1)


def test_kills_in_the_middle_of_the_stream_lose_and_double_nothing(pipeline: Pipeline, history: Row) -> None:
    workspace, job = pipeline.workspace(), SETTINGS.streaming.job_id
    airflow = AirflowClient(pipeline.home.url("airflow-api"))
    window = airflow.trigger("pinflow_streaming", {"window_minutes": 30, "at_end": "leave"})
    posting = Posting(pipeline, posts_a_second=10)
    try:
        for victim in ("spark", "databricks", "airflow-triggerer", "airflow-scheduler"):
            killed = datetime.now(UTC)
            pids = {part["name"]: part["pid"] for part in json.loads(pipeline.cli("status", "--json").stdout)}
            os.kill(pids[victim], signal.SIGKILL)
            pipeline.cli("up")
            healed = datetime.now(UTC).isoformat()
            arrived = f"SELECT count(*) AS n FROM stream.arrivals WHERE arrived_at > '{healed}'"
            until(
                lambda arrived=arrived: pipeline.sql(arrived)[0]["n"] > 0, f"records arrive after {victim} was killed"
            )
            assert len(workspace.active_runs(job)) == 1, f"{victim} was killed at {killed}"
            assert airflow.state("pinflow_streaming", window) == "running"
    finally:
        summary = posting.stop()
    assert (summary["rejected"], summary["unknown"]) == (0, 0)
    ledger = {
        table: [row["sequence"] for row in pipeline.source(
            f"SELECT sequence FROM pinflow_ledger WHERE path = 'stream' AND table_name = '{table}' "
            "AND outcome = 'accepted'"
        )]
        for table in TABLES
    }  # fmt: skip
    total = sum(map(len, ledger.values()))
    until(lambda: pipeline.sql("SELECT count(*) AS n FROM stream.arrivals")[0]["n"] >= total, "all has arrived")
    for table, sequences in ledger.items():
        found = pipeline.sql(f"SELECT sequence_number FROM stream.arrivals WHERE table_name = '{table}'")
        assert Counter(row["sequence_number"] for row in found) == Counter(sequences)
        kept = pipeline.sql(f"SELECT count(*) AS n, count(DISTINCT ind) AS posts FROM stream.{table}")
        posted = pipeline.source(
            f"SELECT count(DISTINCT ind) AS n FROM pinflow_ledger WHERE path = 'stream' AND table_name = '{table}'"
        )
        assert kept == [{"n": posted[0]["n"], "posts": posted[0]["n"]}]
    pipeline.cli("streaming", "stop")
    assert workspace.active_runs(job) == []
    assert airflow.state("pinflow_streaming", window) == "success"


def test_clean_data_keeps_the_source_and_run_works_again(pipeline: Pipeline, history: Row) -> None:
    posts = pipeline.source("SELECT count(*) AS n FROM pinterest_data")[0]["n"]
    pipeline.cli("clean", "--data", "--yes")
    assert pipeline.source("SELECT count(*) AS n FROM pinterest_data")[0]["n"] == posts
    done: Row = json.loads(pipeline.cli("run", "--exit", "--json", "--posts", "60").stdout)
    assert done["report"]["tables"]["pin"]["landed"] == 60
    assert done["stream"]["agrees"]["records"] == dict.fromkeys(TABLES, 60)
    assert {part["state"] for part in json.loads(pipeline.cli("status", "--json", code=1).stdout)} == {"stopped"}
    assert not Path(f"/proc/{json.loads((pipeline.home.run / 'processes.json').read_text())['kafka']['pid']}").exists()
