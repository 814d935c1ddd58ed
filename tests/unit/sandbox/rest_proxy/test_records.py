from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError

from sandbox.rest_proxy.errors import RecordError, from_kafka, v2_record_code, v3_record_code
from sandbox.rest_proxy.producer import Outgoing
from sandbox.rest_proxy.records import Decoded, decode, instant, report


class TestDecode:
    def test_everything(self) -> None:
        document = {
            "partition_id": 3,
            "headers": [{"name": "a", "value": "eA=="}, {"name": "b"}],
            "key": {"type": "STRING", "data": "k"},
            "value": {"type": "BINARY", "data": "dg=="},
            "timestamp": "2022-03-01T05:06:07.5+01:00",
        }
        record = Outgoing(b"v", b"k", 3, 1646107567500, [("a", b"x"), ("b", None)])
        assert decode(document) == Decoded(record, ("STRING", 1), ("BINARY", 1))

    def test_nothing(self) -> None:
        assert decode({}) == Decoded(Outgoing(None, None, -1, 0, None), None, None)

    @pytest.mark.parametrize(
        "empty", [{"key": None, "value": None, "headers": None, "timestamp": None}, {"headers": []}]
    )
    def test_null_is_as_absent(self, empty: dict[str, Any]) -> None:
        assert decode(empty) == decode({})

    def test_no_data_is_null_and_has_a_type(self) -> None:
        assert decode({"value": {"type": "JSON"}}) == Decoded(Outgoing(None, None), None, ("JSON", 0))

    @pytest.mark.parametrize(
        ("document", "code"),
        [
            (None, 400),
            ([], 400),
            ({"value": "x"}, 400),
            ({"value": {"type": ["JSON"], "data": 1}}, 400),
            ({"value": {"type": "JSON", "data": 1, "other": 1}}, 400),
            ({"value": {"type": "STRING", "data": "\ud800"}}, 400),
            ({"headers": [{"value": "eA=="}]}, 400),
            ({"headers": [{"name": "a", "value": 1}]}, 400),
            ({"partition_id": True}, 400),
            ({"partition_id": 2**31}, 400),
            ({"partition_id": 1.5}, 400),
            ({"timestamp": 5}, 400),
            ({"timestamp": "1970-01-01T00:00:00Z"}, 400),
            ({"partition_id": -2}, 40402),
            ({"value": {}}, 42206),
        ],
    )
    def test_refused(self, document: Any, code: int) -> None:
        found = decode(document)
        assert isinstance(found, RecordError)
        assert found.code == code


class TestReport:
    def test_kafka_errors(self) -> None:
        found = report(Decoded(Outgoing(None, None), None, None), KafkaError(KafkaError._MSG_TIMED_OUT), "c", "t")
        assert found == {"error_code": 50003, "message": "Local: Message timed out"}

    @pytest.mark.parametrize(
        ("milliseconds", "text"),
        [
            (1612552482000, "2021-02-05T19:14:42Z"),
            (1612552482007, "2021-02-05T19:14:42.007Z"),
            (1612552482120, "2021-02-05T19:14:42.120Z"),
            (1, "1970-01-01T00:00:00.001Z"),
        ],
    )
    def test_times(self, milliseconds: int, text: str) -> None:
        assert instant(milliseconds) == text


class TestCodes:
    @pytest.mark.parametrize(
        ("code", "v2", "v3"),
        [
            (KafkaError._AUTHENTICATION, 40101, 40101),
            (KafkaError.TOPIC_AUTHORIZATION_FAILED, 40301, 40301),
            (KafkaError._MSG_TIMED_OUT, 50003, 50003),
            (KafkaError.NOT_ENOUGH_REPLICAS, 50003, 50003),
            (KafkaError._INVALID_DIFFERENT_RECORD, 50003, 50003),
            (KafkaError.UNKNOWN_TOPIC_OR_PART, 50003, 40403),
            (KafkaError.MSG_SIZE_TOO_LARGE, 50002, 413),
            (KafkaError.INVALID_RECORD, 50002, 50002),
        ],
    )
    def test_of_records(self, code: int, v2: int, v3: int) -> None:
        assert (v2_record_code(KafkaError(code)), v3_record_code(KafkaError(code))) == (v2, v3)

    @pytest.mark.parametrize(
        ("code", "status", "number"),
        [
            (KafkaError.TOPIC_ALREADY_EXISTS, 400, 40002),
            (KafkaError.INVALID_REPLICATION_FACTOR, 400, 40002),
            (KafkaError.UNKNOWN_TOPIC_OR_PART, 404, 40403),
            (KafkaError.CLUSTER_AUTHORIZATION_FAILED, 403, 40301),
            (KafkaError.SASL_AUTHENTICATION_FAILED, 401, 40101),
            (KafkaError._TRANSPORT, 500, 50003),
            (KafkaError._FAIL, 500, 50002),
        ],
    )
    def test_of_requests(self, code: int, status: int, number: int) -> None:
        found = from_kafka(KafkaError(code))
        assert (found.status, found.code) == (status, number)
