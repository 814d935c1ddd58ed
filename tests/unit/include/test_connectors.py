"""The connector's configuration file and its loader."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.aws import connectors
from include.aws.connectors import ConnectorTemplateError, render

VALUES = {
    "topics": "pinflow.pin,pinflow.geo,pinflow.user",
    "bucket": "landing",
    "region": "us-east-1",
    "topics_dir": "topics",
    "dead_letter_topic": "pinflow.dead-letter",
    "replication_factor": "3",
}


class TestSink:
    made = render("s3-sink", VALUES)

    def test_places_are_filled_in(self) -> None:
        assert self.made["topics"] == "pinflow.pin,pinflow.geo,pinflow.user"
        assert self.made["s3.bucket.name"] == "landing"
        assert self.made["s3.region"] == "us-east-1"
        assert self.made["topics.dir"] == "topics"
        assert self.made["errors.deadletterqueue.topic.name"] == "pinflow.dead-letter"
        assert self.made["errors.deadletterqueue.topic.replication.factor"] == "3"

    def test_classes_are_those_that_msk_connect_has(self) -> None:
        assert self.made["connector.class"] == "io.confluent.connect.s3.S3SinkConnector"
        assert self.made["transforms.position.type"] == "org.apache.kafka.connect.transforms.InsertField$Value"

    def test_every_landed_line_carries_its_position(self) -> None:
        fields = {key: value for key, value in self.made.items() if key.endswith(".field")}
        assert set(fields.values()) == {"kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp"}

    def test_folder_is_by_record_time_in_utc(self) -> None:
        assert self.made["path.format"] == "'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH"
        assert (self.made["timestamp.extractor"], self.made["timezone"]) == ("Record", "UTC")

    def test_bad_records_go_to_the_dead_letters(self) -> None:
        assert self.made["errors.tolerance"] == "all"
        assert self.made["errors.deadletterqueue.context.headers.enable"] == "true"
        assert self.made["value.converter"].endswith(".JsonConverter")

    def test_neither_endpoint_nor_key_is_in_it(self) -> None:
        assert not any(key.startswith("aws.") or key == "store.url" for key in self.made)

    def test_a_crashed_worker_is_noticed_soon(self) -> None:
        assert self.made["consumer.override.session.timeout.ms"] == "10000"
        assert self.made["consumer.override.auto.offset.reset"] == "earliest"

    def test_nothing_is_left_open(self) -> None:
        assert not any("${" in value for value in self.made.values())


class TestRender:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(connectors, "FOLDER", tmp_path)
        return tmp_path

    def test_overrides_win_and_are_taken_as_they_are(self, folder: Path) -> None:
        (folder / "c.json").write_text('{"a": "${x}", "b": "1"}')
        assert render("c", {"x": "X"}, {"b": "$2", "d": "3"}) == {"a": "X", "b": "$2", "d": "3"}

    def test_a_dollar_sign_is_written_twice(self, folder: Path) -> None:
        (folder / "c.json").write_text('{"a": "In$$Value"}')
        assert render("c", {}) == {"a": "In$Value"}

    @pytest.mark.parametrize("name", sorted(VALUES))
    def test_names_the_placeholder_without_a_value(self, folder: Path, name: str) -> None:
        (folder / "c.json").write_text(json.dumps({"key": f"${{{name}}}"}))
        with pytest.raises(ConnectorTemplateError, match=rf"c\.json: key needs a value for \$\{{{name}\}}"):
            render("c", {key: value for key, value in VALUES.items() if key != name})

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ('{"a": 1}', "flat map of texts"),
            ('{"a": {"b": "c"}}', "flat map of texts"),
            ("[]", "flat map of texts"),
            ('{"a": ', "is not JSON"),
            ('{"a": "50$ each"}', r"\$\$"),
        ],
    )
    def test_refuses_what_is_no_configuration(self, folder: Path, text: str, problem: str) -> None:
        (folder / "c.json").write_text(text)
        with pytest.raises(ConnectorTemplateError, match=problem):
            render("c", {})

    def test_lists_the_connectors_there_are(self, folder: Path) -> None:
        (folder / "one.json").write_text("{}")
        with pytest.raises(ConnectorTemplateError, match="Use one of: one"):
            render("two", {})


def test_client_properties_are_those_of_the_iam_library() -> None:
    folder = connectors.FOLDER.parent / "kafka"
    lines = (folder / "client.properties").read_text().splitlines()
    wanted = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    proxy = (folder / "kafka-rest.properties").read_text().splitlines()
    assert wanted["sasl.mechanism"] == "AWS_MSK_IAM"
    assert all(f"client.{key}={value}" in proxy for key, value in wanted.items())
