"""Requests as the gateway's Kinesis route takes them, and PutRecords' answers as outcomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.exceptions import NotSent, OptionsError, OutcomeUnknown, Rejected
from emulator.ledger import Outcome, Path, Result
from emulator.post import EmulatorOptions, Target
from emulator.post.requests import Answer, Record
from emulator.post.streams import Streams, portions

WIRE = Streams("http://gateway/dev/")
SEQUENCE = "49543463076548007577105092703039560359975228518395019266"
GOOD = {"SequenceNumber": SEQUENCE, "ShardId": "shardId-000000000011"}
SLOW = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded for shard ..."}


def entries(*given: Any) -> Answer:
    failed = sum(isinstance(one, dict) and "ErrorCode" in one for one in given)
    return Answer(200, json.dumps({"FailedRecordCount": failed, "Records": given}).encode())


class TestRequest:
    def test_one_object_with_rows_as_they_are(self) -> None:
        rows = [Record(7528, '{"ind":7528,"country":"Côte"}'.encode(), 0), Record(2, b'{"ind":2}', 0)]
        request = WIRE.request("streaming-pinflow-geo", rows)
        assert (request.method, request.url) == ("PUT", "http://gateway/dev/streams/streaming-pinflow-geo/records")
        assert request.content_type == "application/json"
        assert json.loads(request.body) == {
            "StreamName": "streaming-pinflow-geo",
            "records": [
                {"data": {"ind": 7528, "country": "Côte"}, "partition-key": "7528"},
                {"data": {"ind": 2}, "partition-key": "2"},
            ],
        }


class TestPortions:
    @pytest.mark.parametrize(
        ("count", "sizes"), [(0, []), (1, [1]), (500, [500]), (501, [500, 1]), (1_000, [500, 500])]
    )
    def test_by_number(self, count: int, sizes: list[int]) -> None:
        found = list(portions(Record(ind, b"{}", 0) for ind in range(count)))
        assert [len(one) for one in found] == sizes
        assert [record.ind for one in found for record in one] == list(range(count))

    @pytest.mark.parametrize("length", [9_000, 100_000, 999_999])
    def test_by_bytes(self, length: int) -> None:
        rows = [Record(ind, b'"%b"' % (b"x" * (length - 2)), 0) for ind in range(500)][: 30_000_000 // length]
        found = list(portions(rows))
        bodies = [len(WIRE.request("streaming-pinflow-pin", one).body) for one in found]
        assert all(body <= 4 * 1024 * 1024 for body in bodies)
        assert all(body + length > 4 * 1024 * 1024 - 300 for body in bodies[:-1])
        assert [record for one in found for record in one] == rows

    def test_what_kinesis_may_refuse_goes_alone(self) -> None:
        sizes = {0: 10, 1: 10, 2: 1_100_000, 3: 10, 4: 6_000_000}
        found = list(portions(Record(ind, b"x" * size, 0) for ind, size in sizes.items()))
        assert sorted([record.ind for record in one] for one in found) == [[0, 1, 3], [2], [4]]


class TestEntries:
    def test_accepted_with_shard_and_sequence_number(self) -> None:
        [found] = WIRE.outcomes(entries(GOOD), 1)
        assert found == Outcome(Result.ACCEPTED, 11, None, None, None, SEQUENCE)
        assert not found.throttled

    @pytest.mark.parametrize("nulls", [{}, {"ErrorCode": None, "ErrorMessage": None}, {"ErrorCode": ""}])
    def test_error_fields_without_an_error(self, nulls: dict[str, Any]) -> None:
        assert WIRE.outcomes(entries(GOOD | nulls), 1)[0].result is Result.ACCEPTED

    @pytest.mark.parametrize(
        ("code", "throttled"),
        [
            ("ProvisionedThroughputExceededException", True),
            ("InternalFailure", True),
            ("AccessDeniedException", False),
            ("KMSDisabledException", False),
        ],
    )
    def test_errors(self, code: str, throttled: bool) -> None:
        found = WIRE.outcomes(entries(GOOD, {"ErrorCode": code, "ErrorMessage": "Why."}), 2)
        assert found[1] == Outcome(Result.REJECTED, code=code, reason="Why.")
        assert [one.throttled for one in found] == [False, throttled]

    @pytest.mark.parametrize(
        "odd",
        [None, [], "x", {}, {"ShardId": "shardId-000000000001"}, {"SequenceNumber": SEQUENCE}, GOOD | {"ShardId": "1"},
         GOOD | {"SequenceNumber": 7}, GOOD | {"SequenceNumber": "x"}, GOOD | {"SequenceNumber": ""}],
    )  # fmt: skip
    def test_what_is_no_report_is_unknown(self, odd: Any) -> None:
        assert [one.result for one in WIRE.outcomes(entries(GOOD, odd), 2)] == [Result.ACCEPTED, Result.UNKNOWN]


class TestWhole:
    @pytest.mark.parametrize(
        "answer",
        [entries(GOOD), entries(GOOD, GOOD, GOOD), entries(), Answer(200, b""), Answer(200, b"OK"), Answer(200, b"[]"),
         Answer(200, b'{"Records":null}'), Answer(200, b'{"__type":"ResourceNotFoundException","message":"x"}')],
    )  # fmt: skip
    def test_a_200_without_one_entry_a_record_is_unknown(self, answer: Answer) -> None:
        with pytest.raises(OutcomeUnknown) as caught:
            WIRE.outcomes(answer, 2)
        assert caught.value.code == "unexpected_body"

    @pytest.mark.parametrize(
        ("status", "kind", "error", "code"),
        [
            (400, "ResourceNotFoundException", Rejected, "ResourceNotFoundException"),
            (400, "com.amazonaws.kinesis#InvalidArgumentException", Rejected, "InvalidArgumentException"),
            (403, "AccessDeniedException", Rejected, "AccessDeniedException"),
            (400, "ProvisionedThroughputExceededException", NotSent, "ProvisionedThroughputExceededException"),
            (400, "LimitExceededException", NotSent, "LimitExceededException"),
            (400, None, Rejected, "http_400"),
            (403, None, Rejected, "http_403"),
            (413, None, Rejected, "http_413"),
            (429, None, NotSent, "http_429"),
            (408, None, OutcomeUnknown, "http_408"),
            (500, "InternalFailure", OutcomeUnknown, "http_500"),
            (503, "ServiceUnavailable", OutcomeUnknown, "http_503"),
            (504, None, OutcomeUnknown, "http_504"),
        ],
    )
    def test_errors(self, status: int, kind: str | None, error: type[Exception], code: str) -> None:
        body = {"message": "Why."} | ({"__type": kind} if kind else {})
        with pytest.raises(error) as caught:
            WIRE.outcomes(Answer(status, json.dumps(body).encode()), 2)
        assert str(caught.value) == f"{code}: Why."


class TestOptions:
    @pytest.mark.parametrize(
        ("target", "paths"),
        [("console", ()), ("batch", (Path.BATCH,)), ("stream", (Path.STREAM,)), ("both", (Path.BATCH, Path.STREAM))],
    )
    def test_paths(self, target: Any, paths: tuple[Path, ...]) -> None:
        assert EmulatorOptions("sqlite://", "http://h/dev", target=target).paths == paths
        assert Target(target).paths == paths

    def test_streams_are_those_of_the_settings(self) -> None:
        from include.config.settings import load

        settings = load("sandbox")
        options = EmulatorOptions("sqlite://", "http://h/dev", settings.prefix)
        assert options.streams == {table: settings.stream(table) for table in ("pin", "geo", "user")}

    @pytest.mark.parametrize("target", ["stream", "both"])
    def test_days_are_refused(self, target: Any) -> None:
        from datetime import date

        with pytest.raises(OptionsError, match="Kinesis stamps each record with the time of its arrival") as caught:
            EmulatorOptions("sqlite://", "http://h/dev", target=target, days=(date(2022, 3, 1), date(2022, 3, 2)))
        assert f"'{target}'" in str(caught.value)
        assert "post with the target 'batch'" in str(caught.value)

    @pytest.mark.parametrize("target", ["stream", "both"])
    def test_a_gateway_is_needed(self, target: Any) -> None:
        with pytest.raises(OptionsError, match="isn't an http or https URL"):
            EmulatorOptions("sqlite://", target=target)
