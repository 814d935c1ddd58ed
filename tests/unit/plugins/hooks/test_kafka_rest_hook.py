"""The Kafka REST Proxy's client, against a server with Confluent's shapes and against a transport that fails."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_none
from urllib3.exceptions import MaxRetryError, NewConnectionError

from pinflow.exceptions import NotFound, NotSent, OutcomeUnknown, Rejected, Unavailable
from pinflow.hooks.kafka_rest import V2_JSON, KafkaRestHook, Outcome, Record, Topic


def at_once() -> Retrying:
    return Retrying(retry=retry_if_exception_type(NotSent), stop=stop_after_attempt(3), wait=wait_none(), reraise=True)


@pytest.fixture
def hook(server: Any) -> KafkaRestHook:
    return KafkaRestHook(retry=at_once())


def concatenated(*reports: dict[str, Any]) -> bytes:
    return "\r\n".join(json.dumps(report) for report in reports).encode()


class TestRecord:
    def test_v3_has_types_time_and_base64_headers(self) -> None:
        time = datetime(2022, 3, 1, 1, 30, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
        record = Record({"ind": 1}, key="1", timestamp=time, partition=2, headers={"h": "é"})
        assert record.v3() == {
            "key": {"type": "STRING", "data": "1"},
            "value": {"type": "JSON", "data": {"ind": 1}},
            "partition_id": 2,
            "timestamp": "2022-03-01T00:30:00.123Z",
            "headers": [{"name": "h", "value": base64.b64encode("é".encode()).decode()}],
        }

    def test_what_is_not_given_is_left_out(self) -> None:
        assert Record("x").v3() == {"value": {"type": "JSON", "data": "x"}}
        assert Record("x").v2() == {"value": "x"}

    def test_null_value_is_a_tombstone(self) -> None:
        assert Record(None, key="1").v2() == {"key": "1", "value": None}


class TestTopics:
    def test_lists_all(self, hook: KafkaRestHook, confluent: Any) -> None:
        confluent.add("a", partitions=2)
        confluent.add("__internal", partitions=50)
        assert hook.topics() == [Topic("a", 2, 1), Topic("__internal", 50, 1, internal=True)]

    def test_describes_one_or_none(self, hook: KafkaRestHook, confluent: Any) -> None:
        confluent.add("a", partitions=2, replication=3)
        assert hook.topic("a") == Topic("a", 2, 3)
        assert hook.topic("b") is None

    def test_creates_with_configs(self, hook: KafkaRestHook, confluent: Any) -> None:
        hook.create_topic("a", 4, 1, {"retention.ms": "5"})
        assert confluent.topics["a"] == {"partitions": 4, "replication": 1, "configs": {"retention.ms": "5"}}

    def test_creating_an_existing_topic_is_rejected_with_code_and_text(
        self, hook: KafkaRestHook, confluent: Any
    ) -> None:
        confluent.add("a")
        with pytest.raises(Rejected, match="Topic 'a' already exists") as caught:
            hook.create_topic("a", 3, 1)
        assert caught.value.data == {"status": 400, "code": 40002, "message": "Topic 'a' already exists."}

    def test_deletes_once(self, hook: KafkaRestHook, confluent: Any) -> None:
        confluent.add("a")
        assert hook.delete_topic("a") is True
        assert hook.delete_topic("a") is False

    def test_grows_partitions_but_never_lowers_them(self, hook: KafkaRestHook, confluent: Any) -> None:
        confluent.add("a", partitions=3)
        hook.grow_partitions("a", 5)
        assert confluent.topics["a"]["partitions"] == 5
        with pytest.raises(Rejected, match="already has 5"):
            hook.grow_partitions("a", 4)

    def test_sets_and_resets_configs(self, hook: KafkaRestHook, confluent: Any) -> None:
        confluent.add("a", **{"retention.ms": "1", "segment.bytes": "2"})
        hook.alter_configs("a", {"retention.ms": "9", "segment.bytes": None})
        assert hook.configs("a") == {"retention.ms": "9"}

    def test_configs_of_an_unknown_topic(self, hook: KafkaRestHook, confluent: Any) -> None:
        with pytest.raises(NotFound):
            hook.configs("nothing")

    def test_one_connection_and_one_cluster_lookup(self, hook: KafkaRestHook, confluent: Any, server: Any) -> None:
        hook.topics()
        hook.topics()
        assert server.calls.count("GET /v3/clusters") == 1


class TestProduceV3:
    def test_sends_concatenated_json_and_reads_reports_in_order(
        self, hook: KafkaRestHook, confluent: Any, server: Any
    ) -> None:
        confluent.fail["POST /v3/clusters/c1/topics/t/records"] = (
            200,
            concatenated(
                {"error_code": 200, "cluster_id": "c1", "topic_name": "t", "partition_id": 1, "offset": 7},
                {"error_code": 400, "message": "Bad Request: data=1 is not a base64 string."},
                {"error_code": 200, "cluster_id": "c1", "topic_name": "t", "partition_id": 0, "offset": 3},
            ),
        )
        outcomes = hook.produce("t", [Record({"n": n}, key=str(n)) for n in range(3)])
        assert [(o.index, o.outcome, o.partition, o.offset) for o in outcomes] == [
            (0, Outcome.ACCEPTED, 1, 7),
            (1, Outcome.REJECTED, None, None),
            (2, Outcome.ACCEPTED, 0, 3),
        ]
        assert outcomes[1].message == "Bad Request: data=1 is not a base64 string."
        _, _, headers, body = server.requests[-1]
        assert headers["Content-Type"] == "application/json"
        assert body == b"".join(json.dumps(Record({"n": n}, key=str(n)).v3()).encode() for n in range(3))

    @pytest.mark.parametrize(
        ("code", "outcome"),
        [
            (400, Outcome.REJECTED),
            (40402, Outcome.REJECTED),
            (42208, Outcome.REJECTED),
            (408, Outcome.UNKNOWN),
            (429, Outcome.UNKNOWN),
            (500, Outcome.UNKNOWN),
            (503, Outcome.UNKNOWN),
            (599, Outcome.UNKNOWN),
            (600, Outcome.REJECTED),
            (50003, Outcome.UNKNOWN),
            (50002, Outcome.REJECTED),
        ],
    )
    def test_codes_of_failed_records(self, hook: KafkaRestHook, confluent: Any, code: int, outcome: Outcome) -> None:
        confluent.fail["POST /v3/clusters/c1/topics/t/records"] = (200, {"error_code": code, "message": "m"})
        assert [o.outcome for o in hook.produce("t", [Record(1)])] == [outcome]

    def test_records_without_a_report_are_unknown(self, hook: KafkaRestHook, confluent: Any) -> None:
        report = {"error_code": 200, "partition_id": 0, "offset": 0}
        confluent.fail["POST /v3/clusters/c1/topics/t/records"] = (200, concatenated(report) + b'{"error_co')
        outcomes = hook.produce("t", [Record(n) for n in range(3)])
        assert [o.outcome for o in outcomes] == [Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.UNKNOWN]
        assert [o.index for o in outcomes] == [0, 1, 2]

    @pytest.mark.parametrize("answer", [None, (500, {"error_code": 500, "message": "oops"}), (408, b"slow")])
    def test_no_usable_answer_makes_all_unknown(self, hook: KafkaRestHook, confluent: Any, answer: Any) -> None:
        confluent.fail["POST /v3/clusters/c1/topics/t/records"] = answer
        assert [o.outcome for o in hook.produce("t", [Record(1), Record(2)])] == [Outcome.UNKNOWN] * 2

    def test_a_refused_request_is_rejected_as_a_whole(self, hook: KafkaRestHook, confluent: Any) -> None:
        refusal = {"error_code": 422, "message": "Payload error."}
        confluent.fail["POST /v3/clusters/c1/topics/t/records"] = (422, refusal)
        with pytest.raises(Rejected, match="Payload error"):
            hook.produce("t", [Record(1)])

    def test_portions_of_500_keep_the_index(self, hook: KafkaRestHook, confluent: Any, server: Any) -> None:
        sizes = []

        def answer(method: str, path: str, body: bytes) -> tuple[int, Any]:
            if method == "GET":
                return confluent(method, path, body)
            sizes.append(body.count(b'{"value"'))
            return 200, concatenated(*({"error_code": 200, "partition_id": 0, "offset": n} for n in range(sizes[-1])))

        server.handler = answer
        outcomes = hook.produce("t", [Record(n) for n in range(1201)])
        assert sizes == [500, 500, 201]
        assert [o.index for o in outcomes] == list(range(1201))
        assert {o.outcome for o in outcomes} == {Outcome.ACCEPTED}

    def test_a_proxy_that_goes_away_between_portions_leaves_the_rest_unknown(
        self, hook: KafkaRestHook, confluent: Any, server: Any
    ) -> None:
        posts = []

        def answer(method: str, path: str, body: bytes) -> tuple[int, Any]:
            if method == "GET":
                return confluent(method, path, body)
            posts.append(path)
            if len(posts) > 1:
                return 429, {"error_code": 429, "message": "slow down"}
            return 200, concatenated(*({"error_code": 200, "partition_id": 0, "offset": n} for n in range(500)))

        server.handler = answer
        outcomes = hook.produce("t", [Record(n) for n in range(600)])
        assert [o.outcome for o in outcomes].count(Outcome.ACCEPTED) == 500
        assert {o.outcome for o in outcomes[500:]} == {Outcome.UNKNOWN}
        assert len(posts) == 1 + 3, "429 is surely not stored, so it was tried again as the policy says"


class TestProduceV2:
    def test_media_type_body_and_outcomes(self, hook: KafkaRestHook, confluent: Any, server: Any) -> None:
        offsets = [
            {"partition": 0, "offset": 12, "error_code": None, "error": None},
            {"partition": None, "offset": None, "error_code": 50002, "error": "too large"},
            {"partition": None, "offset": None, "error_code": 50003, "error": "timed out"},
            {"partition": None, "offset": None, "error_code": 2, "error": "retriable, older proxies"},
        ]
        confluent.fail["POST /topics/t"] = (200, {"offsets": offsets, "key_schema_id": None, "value_schema_id": None})
        outcomes = hook.produce_v2("t", [Record({"n": n}, key=str(n)) for n in range(4)])
        assert [o.outcome for o in outcomes] == ["accepted", "rejected", "unknown", "unknown"]
        assert (outcomes[0].partition, outcomes[0].offset) == (0, 12)
        _, _, headers, body = server.requests[-1]
        assert headers["Content-Type"] == V2_JSON
        assert json.loads(body) == {"records": [{"key": str(n), "value": {"n": n}} for n in range(4)]}

    def test_authorisation_lifts_the_status(self, hook: KafkaRestHook, confluent: Any) -> None:
        confluent.fail["POST /topics/t"] = (403, {"error_code": 40301, "message": "not you"})
        with pytest.raises(Rejected, match="not you") as caught:
            hook.produce_v2("t", [Record(1)])
        assert caught.value.data["code"] == 40301


class Refusing(HTTPAdapter):
    """A transport on which no connection can be made."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
        self.calls = 0

    def send(self, *_: Any, **__: Any) -> requests.Response:
        self.calls += 1
        raise self.error


class TestTransport:
    refused = requests.exceptions.ConnectionError(
        MaxRetryError(None, "/", NewConnectionError(None, "refused"))  # type: ignore[arg-type]
    )

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (refused, NotSent),
            (requests.exceptions.ConnectTimeout("slow"), NotSent),
            (requests.exceptions.ReadTimeout("slow"), OutcomeUnknown),
            (requests.exceptions.ConnectionError("reset by peer"), OutcomeUnknown),
        ],
    )
    def test_a_change_is_told_apart(self, server: Any, error: Exception, kind: type[Exception]) -> None:
        transport = Refusing(error)
        hook = KafkaRestHook(retry=at_once(), adapter=transport)
        hook.__dict__["cluster_id"] = "c1"
        with pytest.raises(kind):
            hook.delete_topic("a")
        assert transport.calls == (3 if kind is NotSent else 1), "only what surely was not sent is tried again"

    def test_a_read_changes_nothing_whatever_happens(self, server: Any) -> None:
        hook = KafkaRestHook(retry=at_once(), adapter=Refusing(requests.exceptions.ReadTimeout("slow")))
        with pytest.raises(NotSent, match="kafka_rest_default"):
            hook.topics()

    def test_a_closed_port(self, server: Any) -> None:
        server.close()
        with pytest.raises(NotSent):
            KafkaRestHook(retry=at_once()).topics()

    @pytest.mark.parametrize("status", [500, 503, 429])
    def test_a_server_that_cannot_answer_a_read(self, hook: KafkaRestHook, confluent: Any, status: int) -> None:
        confluent.fail["GET"] = (status, b"<html>not now</html>")
        with pytest.raises(Unavailable, match="not now"):
            hook.topics()

    def test_a_page_that_is_not_json(self, hook: KafkaRestHook, confluent: Any) -> None:
        confluent.fail["GET"] = (200, b"<html>welcome</html>")
        with pytest.raises(OutcomeUnknown, match="welcome"):
            hook.topics()

    def test_a_transient_failure_is_ridden_out(self, hook: KafkaRestHook, confluent: Any, server: Any) -> None:
        answers = iter([(503, b"no"), (503, b"no")])
        server.handler = lambda *request: next(answers, None) or confluent(*request)
        assert hook.topics() == []

    def test_a_base_path_in_the_host(self, server: Any, confluent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        connection = {"conn_type": "http", "host": f"http://127.0.0.1:{server.port}/dev"}
        monkeypatch.setenv("AIRFLOW_CONN_KAFKA_REST_DEFAULT", json.dumps(connection))
        with pytest.raises(NotFound):
            KafkaRestHook(retry=at_once()).topics()
        assert server.calls == ["GET /dev/v3/clusters"]


def test_timestamps_are_utc_milliseconds() -> None:
    assert Record(1, timestamp=datetime(2020, 1, 1, tzinfo=UTC)).v3()["timestamp"] == "2020-01-01T00:00:00.000Z"
