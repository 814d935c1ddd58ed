"""Requests as the REST proxy takes them, and its answers as outcomes; bodies are those of its own description."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.exceptions import NotSent, OutcomeUnknown, Rejected
from emulator.ledger import Outcome, Result
from emulator.post import codec
from emulator.post.requests import Answer, ProxyV2, ProxyV3, Record, iso
from tests.unit.emulator.fake_gateway import read_v3

BASE = "http://gateway/dev/"
RECORDS = [Record(7528, '{"ind":7528,"country":"Côte"}'.encode(), 1_646_092_800_123), Record(2, b'{"ind":2}', 0)]
V2, V3 = ProxyV2(BASE), ProxyV3(BASE, "abc-1")


def offsets(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"offsets": entries, "key_schema_id": None, "value_schema_id": None}).encode()


GOOD = {"partition": 1, "offset": 12, "error_code": None, "error": None}


class TestRequest:
    def test_v2(self) -> None:
        request = V2.request("pinflow.geo", RECORDS)
        assert request.url == "http://gateway/dev/topics/pinflow.geo"
        assert request.content_type == "application/vnd.kafka.json.v2+json"
        assert json.loads(request.body) == {
            "records": [
                {"key": 7528, "value": {"ind": 7528, "country": "Côte"}},
                {"key": 2, "value": {"ind": 2}},
            ]
        }

    def test_v3(self) -> None:
        request = V3.request("pinflow.geo", RECORDS)
        assert request.url == "http://gateway/dev/v3/clusters/abc-1/topics/pinflow.geo/records"
        assert request.content_type == "application/json"
        assert read_v3(request.body) == [
            {
                "key": {"type": "JSON", "data": 7528},
                "value": {"type": "JSON", "data": {"ind": 7528, "country": "Côte"}},
                "timestamp": "2022-03-01T00:00:00.123Z",
            },
            {
                "key": {"type": "JSON", "data": 2},
                "value": {"type": "JSON", "data": {"ind": 2}},
                "timestamp": "1970-01-01T00:00:00.000Z",
            },
        ]

    def test_iso(self) -> None:
        assert iso(1_612_552_482_007) == "2021-02-05T19:14:42.007Z"


class TestV2Answers:
    def test_accepted(self) -> None:
        entries = offsets(GOOD, GOOD | {"partition": 0, "offset": 0})
        assert V2.outcomes(Answer(200, entries), 2) == [
            Outcome(Result.ACCEPTED, 1, 12),
            Outcome(Result.ACCEPTED, 0, 0),
        ]

    @pytest.mark.parametrize(
        ("code", "result"),
        [
            (50003, Result.UNKNOWN), (2, Result.UNKNOWN), (50001, Result.UNKNOWN), (40801, Result.UNKNOWN),
            (50002, Result.REJECTED), (1, Result.REJECTED), (40401, Result.REJECTED), (40301, Result.REJECTED),
            (42203, Result.REJECTED), (422, Result.REJECTED), (500, Result.UNKNOWN), (429, Result.UNKNOWN),
        ],
    )  # fmt: skip
    def test_errors_inside_a_200(self, code: int, result: Result) -> None:
        bad = {"partition": None, "offset": None, "error_code": code, "error": "Why."}
        found = V2.outcomes(Answer(200, offsets(GOOD, bad)), 2)
        assert found[0].result is Result.ACCEPTED
        assert found[1] == Outcome(result, None, None, str(code), "Why.")

    @pytest.mark.parametrize("status", [401, 403])
    def test_some_may_be_stored_beside_one_that_may_not(self, status: int) -> None:
        bad = {"partition": None, "offset": None, "error_code": status * 100 + 1, "error": "No."}
        found = V2.outcomes(Answer(status, offsets(bad, GOOD)), 2)
        assert [outcome.result for outcome in found] == [Result.REJECTED, Result.ACCEPTED]

    @pytest.mark.parametrize(
        "entry",
        [
            {}, None, 5, {"partition": 1}, {"partition": "1", "offset": 12}, {"partition": True, "offset": 1},
            {"partition": 0, "offset": -1}, {"error_code": "bad"}, {"partition": None, "offset": None},
        ],
    )  # fmt: skip
    def test_an_entry_that_is_no_report(self, entry: Any) -> None:
        found = V2.outcomes(Answer(200, offsets(entry)), 1)[0]
        assert (found.result, found.code) == (Result.UNKNOWN, "unexpected_body")

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"OK", b"[]", b"{}", b'{"offsets":{}}', b'{"__type":"ValidationException","message":"x"}',
            b'{"message":"Endpoint request timed out"}', offsets(), offsets(GOOD, GOOD, GOOD), b"<html>", b"\xff",
        ],
    )  # fmt: skip
    def test_a_200_of_another_shape_is_unknown(self, body: bytes) -> None:
        with pytest.raises(OutcomeUnknown) as caught:
            V2.outcomes(Answer(200, body), 2)
        assert caught.value.code == "unexpected_body"

    @pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 201, 204, 100])
    def test_unknown_as_a_whole(self, status: int) -> None:
        with pytest.raises(OutcomeUnknown, match=f"http_{status}: Endpoint"):
            V2.outcomes(Answer(status, b'{"message": "Endpoint request timed out"}'), 2)

    @pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 405, 413, 415, 422])
    def test_refused_as_a_whole(self, status: int) -> None:
        with pytest.raises(Rejected, match=f"http_{status}: 40401: Topic not found."):
            V2.outcomes(Answer(status, b'{"error_code":40401,"message":"Topic not found."}'), 2)

    @pytest.mark.parametrize(("header", "wait"), [("3", 3.0), ("0.5", 0.5), (None, None), ("soon", None), ("-1", 0.0)])
    def test_throttled(self, header: str | None, wait: float | None) -> None:
        with pytest.raises(NotSent) as caught:
            V2.outcomes(Answer(429, b'{"message":"Too Many Requests"}', header), 2)
        assert (caught.value.wait, caught.value.reason) == (wait, "Too Many Requests")


class TestV3Answers:
    REPORT = (
        b'{"error_code":200,"cluster_id":"c","topic_name":"t","partition_id":1,"offset":0,'
        b'"timestamp":"2021-02-05T19:14:42Z","key":{"type":"BINARY","size":7},"value":{"type":"JSON","size":15}}'
    )
    BAD = b'{"error_code":400,"message":"Bad Request: data=1 is not a base64 string."}'

    @pytest.mark.parametrize("between", [b"", b"\n", b"\r\n", b" \n "])
    def test_reports_in_order(self, between: bytes) -> None:
        body = between.join([self.REPORT, self.BAD, self.REPORT]) + between
        assert V3.outcomes(Answer(200, body), 3) == [
            Outcome(Result.ACCEPTED, 1, 0),
            Outcome(Result.REJECTED, code="400", reason="Bad Request: data=1 is not a base64 string."),
            Outcome(Result.ACCEPTED, 1, 0),
        ]

    def test_written_over_several_lines(self) -> None:
        body = json.dumps(json.loads(self.REPORT), indent=2).encode() * 2
        assert [one.result for one in V3.outcomes(Answer(200, body), 2)] == [Result.ACCEPTED] * 2

    def test_a_stream_that_ended_early(self) -> None:
        found = V3.outcomes(Answer(200, self.REPORT + self.BAD), 4)
        assert [one.result for one in found] == [Result.ACCEPTED, Result.REJECTED, Result.UNKNOWN, Result.UNKNOWN]
        assert found[3].code == "no_report"

    @pytest.mark.parametrize(
        ("code", "result"),
        [(413, "rejected"), (40402, "rejected"), (408, "unknown"), (429, "unknown"), (50003, "unknown")],
    )
    def test_codes(self, code: int, result: str) -> None:
        body = json.dumps({"error_code": code, "message": "m"}).encode()
        assert V3.outcomes(Answer(200, body), 1)[0].result == result

    @pytest.mark.parametrize("body", [b"", b"x", b'{"error_code":200,"partition_id":1', REPORT * 3])
    def test_another_shape_is_unknown(self, body: bytes) -> None:
        with pytest.raises(OutcomeUnknown):
            V3.outcomes(Answer(200, body), 2)

    def test_refused_as_a_whole(self) -> None:
        with pytest.raises(Rejected, match=r"40403: This server does not host this topic-partition\."):
            V3.outcomes(
                Answer(404, b'{"error_code":40403,"message":"This server does not host this topic-partition."}'), 1
            )


class TestCodec:
    def test_both_json_writers_write_the_same(self) -> None:
        row = {"a": 'Côte "d\'Ivoire" \\ \n\u2026\u00a0\U0001f33f', "b": -89.9787, "c": None, "d": 5, "e": -173.293}
        assert codec._plain_dumps(row) == codec.dumps(row)
        assert json.loads(codec.dumps(row)) == row
