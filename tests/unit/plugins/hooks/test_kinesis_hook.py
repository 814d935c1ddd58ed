"""The hook of Kinesis Data Streams: pages, and what becomes of each record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, NoCredentialsError
from botocore.stub import Stubber
from tenacity import Retrying, stop_after_attempt, wait_none

from pinflow.hooks.kinesis import (
    MAXIMUM_REQUEST_BYTES,
    RESEND,
    KinesisStreamsHook,
    Outcome,
    OutcomeState,
    Record,
    StreamMode,
    StreamSpec,
    next_shard_count,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AT_ONCE = Retrying(stop=stop_after_attempt(3), wait=wait_none())
THROTTLED = "ProvisionedThroughputExceededException"


@pytest.fixture
def hook(aws: None) -> KinesisStreamsHook:
    return KinesisStreamsHook(region_name="us-east-1")


class Stream:
    """A ``put_records`` whose answers a test writes: one list of codes a call, or an exception.

    A code that is empty means taken; a missing one too.
    """

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.calls: list[list[bytes]] = []
        self.taken: list[bytes] = []

    def put_records(self, *, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:
        """Answer as the script says."""
        assert StreamName == "s"
        self.calls.append([entry["Data"] for entry in Records])
        answer = self.script.pop(0) if self.script else []
        if callable(answer):
            answer = answer(Records)
        if isinstance(answer, Exception):
            raise answer
        results = []
        for entry, code in zip(Records, [*answer, *[""] * (len(Records) - len(answer))], strict=True):
            if code:
                results.append({"ErrorCode": code, "ErrorMessage": f"{code} of {entry['PartitionKey']}"})
            else:
                self.taken.append(entry["Data"])
                results.append({"ShardId": "shardId-000000000000", "SequenceNumber": str(len(self.taken))})
        return {"FailedRecordCount": sum(bool(code) for code in answer), "Records": results}


def refused(code: str, status: int = 400) -> Exception:
    from botocore.exceptions import ClientError

    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    made: Exception = ClientError(answer, "PutRecords")
    return made


def put(hook: KinesisStreamsHook, stream: Stream, *data: bytes, policy: Retrying = AT_ONCE) -> list[Outcome]:
    hook.__dict__["conn"] = stream
    return hook.put_records("s", [Record(f"k{number}", one) for number, one in enumerate(data)], policy)


def states(outcomes: list[Outcome]) -> list[str]:
    return [str(one.state) for one in outcomes]


class TestPutRecords:
    def test_all_taken(self, hook: KinesisStreamsHook) -> None:
        stream = Stream()
        outcomes = put(hook, stream, b"a", b"b")
        assert stream.calls == [[b"a", b"b"]]
        shard = "shardId-000000000000"
        assert outcomes == [
            Outcome(OutcomeState.ACCEPTED, 1, shard, "1"),
            Outcome(OutcomeState.ACCEPTED, 1, shard, "2"),
        ]

    def test_nothing_to_put(self, hook: KinesisStreamsHook) -> None:
        stream = Stream()
        assert put(hook, stream) == []
        assert stream.calls == []

    def test_only_what_failed_is_sent_again(self, hook: KinesisStreamsHook) -> None:
        stream = Stream(["", THROTTLED, "", "InternalFailure"], ["", THROTTLED])
        outcomes = put(hook, stream, b"a", b"b", b"c", b"d")
        assert stream.calls == [[b"a", b"b", b"c", b"d"], [b"b", b"d"], [b"d"]]
        assert states(outcomes) == ["accepted"] * 4
        assert [one.attempts for one in outcomes] == [1, 2, 1, 3]
        assert [one.sequence_number for one in outcomes] == ["1", "3", "2", "4"]

    def test_what_is_never_taken_is_rejected_after_the_policys_attempts(self, hook: KinesisStreamsHook) -> None:
        stream = Stream(*[[THROTTLED]] * 3)
        [outcome] = put(hook, stream, b"a")
        assert len(stream.calls) == 3
        assert (outcome.state, outcome.attempts, outcome.code) == ("rejected", 3, THROTTLED)
        assert outcome.reason == f"{THROTTLED} of k0"

    def test_an_error_that_stays_is_not_tried_again(self, hook: KinesisStreamsHook) -> None:
        stream = Stream(["KMSAccessDeniedException"])
        assert states(put(hook, stream, b"a", b"b")) == ["rejected", "accepted"]
        assert len(stream.calls) == 1

    def test_five_hundred_records_a_call(self, hook: KinesisStreamsHook) -> None:
        stream = Stream()
        assert len(put(hook, stream, *[b"x"] * 1001)) == 1001
        assert [len(call) for call in stream.calls] == [500, 500, 1]

    def test_five_mebibytes_a_call_keys_included(self, hook: KinesisStreamsHook) -> None:
        stream = Stream()
        put(hook, stream, *[b"x" * 1_000_000] * 12)
        assert [len(call) for call in stream.calls] == [5, 5, 2]
        exact = [b"x" * (MAXIMUM_REQUEST_BYTES // 5 - 2)] * 6
        stream = Stream()
        put(hook, stream, *exact)
        assert [len(call) for call in stream.calls] == [5, 1]

    def test_a_batch_that_fails_does_not_hold_up_the_next(self, hook: KinesisStreamsHook) -> None:
        stream = Stream(refused("AccessDeniedException"))
        outcomes = put(hook, stream, *[b"x"] * 501)
        assert states(outcomes) == ["rejected"] * 500 + ["accepted"]

    @pytest.mark.parametrize("code", ["InvalidArgumentException", "ValidationException", "SerializationException"])
    def test_a_bad_record_takes_no_other_with_it(self, hook: KinesisStreamsHook, code: str) -> None:
        def judge(records: list[dict[str, Any]]) -> Any:
            return refused(code) if any(entry["Data"] == b"bad" for entry in records) else []

        stream = Stream(*[judge] * 50)
        data = [b"bad" if number == 37 else str(number).encode() for number in range(100)]
        outcomes = put(hook, stream, *data)
        assert [number for number, one in enumerate(outcomes) if one.state != "accepted"] == [37]
        assert (outcomes[37].code, outcomes[37].attempts) == (code, 1)
        assert sorted(stream.taken) == sorted(set(data) - {b"bad"})
        assert len(stream.calls) < 20

    def test_a_record_that_botocore_refuses(self, hook: KinesisStreamsHook) -> None:
        wrong: Any = ["no bytes"]
        records = [Record("good", b"a"), Record("bad", wrong)]
        with Stubber(hook.conn) as stubber:
            answer = {"Records": [{"ShardId": "s0", "SequenceNumber": "1"}]}
            stubber.add_response("put_records", answer)
            stubber.add_response("put_records", answer)  # the bad record must not get so far as to use it
            outcomes = hook.put_records("s", records, AT_ONCE)
        assert [(str(one.state), one.code) for one in outcomes] == [
            ("accepted", ""),
            ("rejected", "ValidationException"),
        ]

    @pytest.mark.parametrize(
        "error",
        [
            refused(THROTTLED),
            refused("LimitExceededException"),
            EndpointConnectionError(endpoint_url="http://x"),
            ConnectionClosedError(endpoint_url="http://x"),
            refused("InternalFailure", 500),
            refused("ServiceUnavailable", 503),
            refused("SomethingNew", 502),
        ],
        ids=["throttled", "limit", "no connection", "closed", "500", "503", "502"],
    )
    def test_a_whole_call_that_may_work_later_is_made_again(self, hook: KinesisStreamsHook, error: Exception) -> None:
        stream = Stream(error)
        outcomes = put(hook, stream, b"a", b"b")
        assert [(str(one.state), one.attempts) for one in outcomes] == [("accepted", 2)] * 2

    @pytest.mark.parametrize(
        ("errors", "state"),
        [
            ([EndpointConnectionError(endpoint_url="x")] * 3, "rejected"),
            ([refused(THROTTLED)] * 3, "rejected"),
            ([ConnectionClosedError(endpoint_url="x")] * 3, "unknown"),
            ([refused("InternalFailure", 500)] * 3, "unknown"),
            ([ConnectionClosedError(endpoint_url="x"), refused(THROTTLED), refused(THROTTLED)], "unknown"),
            ([ConnectionClosedError(endpoint_url="x"), refused("AccessDeniedException")], "unknown"),
            ([NoCredentialsError()], "rejected"),
        ],
    )
    def test_rejected_or_unknown(self, hook: KinesisStreamsHook, errors: list[Exception], state: str) -> None:
        [outcome] = put(hook, Stream(*errors), b"a")
        assert (outcome.state, outcome.attempts) == (state, len(errors))
        assert outcome.code

    def test_an_answer_of_another_length_is_not_read(self, hook: KinesisStreamsHook) -> None:
        """Which record a result is for is told by its place alone."""
        with Stubber(hook.conn) as stubber:
            stubber.add_response("put_records", {"Records": [{"ShardId": "s0", "SequenceNumber": "1"}]})
            with pytest.raises(ValueError, match="shorter"):
                hook.put_records("s", [Record("a", b"a"), Record("b", b"b")], AT_ONCE)

    def test_the_pauses_grow_and_are_jittered(self) -> None:
        waits: dict[int, list[float]] = {}
        for attempt in (1, 4, 9):
            state: Any = type("State", (), {"attempt_number": attempt})()
            waits[attempt] = [RESEND.wait(state) for _ in range(200)]
        assert all(0 <= pause <= 5 for found in waits.values() for pause in found)
        assert max(waits[1]) <= 0.2 < max(waits[4]) < max(waits[9])
        assert len(set(waits[9])) > 100


class TestReading:
    def test_streams_over_all_pages(self, hook: KinesisStreamsHook) -> None:
        with Stubber(hook.conn) as stubber:
            first = {"StreamNames": ["a1", "b1"], "HasMoreStreams": True, "NextToken": "t"}
            stubber.add_response("list_streams", first, {})
            stubber.add_response("list_streams", {"StreamNames": ["a2"], "HasMoreStreams": False}, {"NextToken": "t"})
            assert hook.streams("a") == ["a1", "a2"]

    def test_shards_over_all_pages(self, hook: KinesisStreamsHook) -> None:
        def page(more: bool, *names: str) -> dict[str, Any]:
            shards = [
                {
                    "ShardId": name,
                    "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"},
                    "SequenceNumberRange": {"StartingSequenceNumber": "1"},
                }
                for name in names
            ]
            return {
                "StreamDescription": {
                    "StreamName": "s",
                    "StreamARN": "arn",
                    "StreamStatus": "ACTIVE",
                    "Shards": shards,
                    "HasMoreShards": more,
                    "RetentionPeriodHours": 24,
                    "StreamCreationTimestamp": NOW,
                    "EnhancedMonitoring": [],
                }
            }

        with Stubber(hook.conn) as stubber:
            stubber.add_response("describe_stream", page(True, "a", "b"), {"StreamName": "s"})
            stubber.add_response("describe_stream", page(False, "c"), {"StreamName": "s", "ExclusiveStartShardId": "b"})
            found = hook.describe("s") or {}
        assert [shard["ShardId"] for shard in found["Shards"]] == ["a", "b", "c"]
        assert (found["HasMoreShards"], found["StreamName"]) == (False, "s")

    def test_tags_over_all_pages(self, hook: KinesisStreamsHook) -> None:
        with Stubber(hook.conn) as stubber:
            first = {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}], "HasMoreTags": True}
            stubber.add_response("list_tags_for_stream", first, {"StreamName": "s"})
            last = {"Tags": [{"Key": "c", "Value": "3"}], "HasMoreTags": False}
            stubber.add_response("list_tags_for_stream", last, {"StreamName": "s", "ExclusiveStartTagKey": "b"})
            assert hook.tags("s") == {"a": "1", "b": "2", "c": "3"}

    @pytest.mark.parametrize(
        ("method", "call"), [("summary", "describe_stream_summary"), ("describe", "describe_stream")]
    )
    def test_there_is_none(self, hook: KinesisStreamsHook, method: str, call: str) -> None:
        with Stubber(hook.conn) as stubber:
            stubber.add_client_error(call, "ResourceNotFoundException", http_status_code=400)
            assert getattr(hook, method)("s") is None


class TestStreamSpec:
    @pytest.mark.parametrize(
        ("now", "target", "step"),
        [(1, 1, 1), (1, 2, 2), (1, 3, 2), (4, 9, 8), (8, 9, 9), (9, 1, 5), (5, 1, 3), (2, 1, 1), (200, 100, 100)],
    )
    def test_steps(self, now: int, target: int, step: int) -> None:
        assert next_shard_count(now, target) == step

    def test_every_target_is_reached(self) -> None:
        for start in range(1, 30):
            for target in range(1, 30):
                now, steps = start, 0
                while now != target:
                    step = next_shard_count(now, target)
                    assert now / 2 <= step <= now * 2
                    now, steps = step, steps + 1
                assert steps <= 5

    def test_modes(self) -> None:
        assert StreamSpec("s", StreamMode("ON_DEMAND")).shard_count is None
        with pytest.raises(ValueError, match="Leave it out"):
            StreamSpec("s", StreamMode.ON_DEMAND, 2)
