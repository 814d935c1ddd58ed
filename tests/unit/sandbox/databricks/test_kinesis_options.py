"""The options of ``format("kinesis")``: Databricks' names and forms, and what is refused."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from sandbox.databricks.kinesis.errors import OptionError
from sandbox.databricks.kinesis.instants import initial_origin, instant
from sandbox.databricks.kinesis.options import read_options

NOW = 1_795_000_000_123


def read(**options: str) -> object:
    return read_options({"streamName": "pin", **options}, NOW)


class TestOptions:
    def test_only_the_streams_are_needed(self) -> None:
        options = read_options({"streamName": " pin, geo ,user,pin"}, NOW)
        assert options.streams == ("pin", "geo", "user")
        assert options.origin == f"AT_TIMESTAMP:{NOW}"
        assert (options.records_per_fetch, options.shards_per_task, options.page, options.retries) == (
            10_000,
            5,
            100,
            5,
        )
        assert (options.shard_interval, options.fetch_period, options.fetch_seconds) == (1.0, 0.4, 10.0)
        assert options.connection == {}
        assert options.drain is False

    def test_all_that_mean_something(self) -> None:
        options = read_options(
            {
                "streamName": "pin", "region": "eu-west-1", "endpoint": "http://here", "awsAccessKey": "a",
                "awsSecretKey": "b", "awsSessionToken": "c", "initialPosition": "TRIM_HORIZON",
                "consumerMode": "Polling", "maxRecordsPerFetch": "77", "fetchBufferSize": "2mb", "shardsPerTask": "3",
                "shardFetchInterval": "2 minutes", "minFetchPeriod": "200ms", "maxFetchDuration": "1.5s",
                "maxShardsPerDescribe": "9", "clientRetries": "0",
            },
            NOW,
        )  # fmt: skip
        assert options.origin == "TRIM_HORIZON"
        assert options.connection == {
            "region": "eu-west-1", "endpoint": "http://here", "awsAccessKey": "a", "awsSecretKey": "b",
            "awsSessionToken": "c",
        }  # fmt: skip
        assert (options.records_per_fetch, options.buffer_bytes, options.shards_per_task) == (77, 2_097_152, 3)
        assert (options.shard_interval, options.fetch_period, options.fetch_seconds) == (120.0, 0.2, 1.5)
        assert (options.page, options.retries) == (9, 0)

    def test_names_are_not_case_sensitive(self) -> None:
        assert read_options({"STREAMNAME": "pin", "maxrecordsperfetch": "5"}, NOW).records_per_fetch == 5

    def test_a_region_that_is_empty_comes_from_the_environment(self) -> None:
        assert read_options({"streamName": "pin", "region": ""}, NOW).connection == {}

    @pytest.mark.parametrize(
        "name", ["serviceCredential", "roleArn", "roleExternalId", "roleSessionName", "maxFetchRate",
                 "reuseKinesisClient", "coalesceThresholdBlockSize", "consumerNamePrefix"],
    )  # fmt: skip
    def test_documented_ones_without_meaning_here_are_taken(self, name: str) -> None:
        assert read(**{name: "x"}) == read()

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("maxRecordsPerFetch", "0"), ("maxRecordsPerFetch", "10001"), ("maxRecordsPerFetch", "1e3"),
            ("maxRecordsPerFetch", "٣"), ("fetchBufferSize", "0b"), ("fetchBufferSize", "1 elephant"),
            ("fetchBufferSize", "-1mb"), ("shardsPerTask", "0"), ("shardsPerTask", ""), ("shardFetchInterval", "5"),
            ("shardFetchInterval", "5 parsecs"), ("maxFetchDuration", "0s"), ("clientRetries", "-1"),
            ("maxShardsPerDescribe", "0"), ("initialPosition", "yesterday"), ("consumerMode", "EFO"),
        ],
    )  # fmt: skip
    def test_wrong_values_are_refused_by_name(self, name: str, value: str) -> None:
        with pytest.raises(OptionError, match=f"kinesis: the option {name} cannot be .* Give "):
            read(**{name: value})

    def test_the_least_period_is_databricks(self) -> None:
        with pytest.raises(OptionError, match="The least is 200ms"):
            read(minFetchPeriod="100ms")

    def test_unknown_ones_are_refused_with_those_that_are_known(self) -> None:
        with pytest.raises(OptionError, match=r"unknown option startingPosition, maxRecords\..*streamName"):
            read(startingPosition="latest", maxRecords="5")

    @pytest.mark.parametrize("streams", ["", " ", ",", " , "])
    def test_no_stream(self, streams: str) -> None:
        with pytest.raises(OptionError, match="streamName is missing"):
            read_options({"streamName": streams}, NOW)

    @pytest.mark.parametrize(
        ("text", "size"),
        [("16mb", 2**24), ("1g", 2**30), ("20GB", 20 * 2**30), (" 5 kb ", 5120), ("7", 7), ("7b", 7), ("1tb", 2**40)],
    )
    def test_sizes(self, text: str, size: int) -> None:
        assert read_options({"streamName": "pin", "fetchBufferSize": text}, NOW).buffer_bytes == size


class TestInitialPosition:
    @pytest.mark.parametrize("word", ["earliest", "trim_horizon", "TRIM_HORIZON", " Earliest "])
    def test_from_the_beginning(self, word: str) -> None:
        assert initial_origin(word, NOW) == "TRIM_HORIZON"

    def test_from_now(self) -> None:
        assert initial_origin("latest", NOW) == f"AT_TIMESTAMP:{NOW}"

    def test_from_a_time(self) -> None:
        """The example of Databricks' documentation: 10:23:45 in the Pacific summer is 17:23:45 UTC."""
        text = '{"at_timestamp": "06/25/2020 10:23:45 PDT", "format": "MM/dd/yyyy HH:mm:ss ZZZ"}'
        expected = int(dt.datetime(2020, 6, 25, 17, 23, 45, tzinfo=dt.UTC).timestamp() * 1000)
        assert initial_origin(text, NOW) == f"AT_TIMESTAMP:{expected}"

    @pytest.mark.parametrize(
        "document",
        [
            {}, {"format": "yyyy"}, {"at_timestamp": "x"}, {"at_timestamp": "2020", "format": "yyyy-MM"},
            {"at_timestamp": "2020 1", "format": "yyyy w"}, {"at_timestamp": "2020 XYZ", "format": "yyyy zzz"},
            {"at_timestamp": "2020", "format": "yyyy Z"}, [1], "latest now",
        ],
    )  # fmt: skip
    def test_what_means_no_time_is_refused(self, document: object) -> None:
        with pytest.raises(OptionError, match="initialPosition cannot be"):
            initial_origin(json.dumps(document), NOW)


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("2022-03-01T05:06:07Z", None, "2022-03-01T05:06:07+00:00"),
        ("2022-03-01T05:06:07", None, "2022-03-01T05:06:07+00:00"),
        ("2022-03-01T05:06:07.250+02:00", None, "2022-03-01T03:06:07.250+00:00"),
        ("2022-03-01 05:06:07", "yyyy-MM-dd HH:mm:ss", "2022-03-01T05:06:07+00:00"),
        ("2022-03-01T05:06:07.250", "yyyy-MM-dd'T'HH:mm:ss.SSS", "2022-03-01T05:06:07.250+00:00"),
        ("2022-03-01T05:06:07-0800", "yyyy-MM-dd'T'HH:mm:ssZ", "2022-03-01T13:06:07+00:00"),
        ("2022-03-01T05:06:07+05:30", "yyyy-MM-dd'T'HH:mm:ssXXX", "2022-02-28T23:36:07+00:00"),
        ("2022-03-01T05:06:07+05", "yyyy-MM-dd'T'HH:mm:ssX", "2022-03-01T00:06:07+00:00"),
        ("2022-03-01T05:06:07Z", "yyyy-MM-dd'T'HH:mm:ssX", "2022-03-01T05:06:07+00:00"),
        ("01 Mar 2022 05:06 PM UTC", "dd MMM yyyy hh:mm a z", "2022-03-01T17:06:00+00:00"),
        ("2022-07-01 05:00 Europe/Berlin", "yyyy-MM-dd HH:mm VV", "2022-07-01T03:00:00+00:00"),
        ("100% 2022", "'100%' yyyy", "2022-01-01T00:00:00+00:00"),
    ],
)  # fmt: skip
def test_times_in_javas_patterns(text: str, pattern: str | None, expected: str) -> None:
    assert instant(text, pattern) == dt.datetime.fromisoformat(expected)
