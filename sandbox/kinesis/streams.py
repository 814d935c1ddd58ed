"""Actions on streams and their shards.

Sources: the Kinesis API reference, pages of the actions of the same names. Every change is done at
once, where AWS takes seconds and shows CREATING, UPDATING or DELETING meanwhile.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.kinesis.arguments import arn, existing, shard_of, stream_name, whole
from sandbox.kinesis.errors import KinesisError, in_use, invalid
from sandbox.kinesis.store import HASH_RANGE, Shard, Store, Stream, sequence_number

Body = Mapping[str, Any]
MAXIMUM_SHARDS = 200
ON_DEMAND_SHARDS = 4
CLOSED_END = 10**8 - 1


def now_ms() -> int:
    """The time in milliseconds."""
    return time.time_ns() // 1_000_000


class StreamActions:
    """The control plane.

    :param store: where streams are kept.
    :param clock: milliseconds since 1970.
    """

    def __init__(self, store: Store, clock: Callable[[], int] = now_ms) -> None:
        self._store, self._clock = store, clock

    def create_stream(self, body: Body) -> dict[str, Any]:
        """CreateStream."""
        name = stream_name(body)
        mode = (body.get("StreamModeDetails") or {}).get("StreamMode", "PROVISIONED")
        if mode not in ("PROVISIONED", "ON_DEMAND"):
            raise invalid(f"StreamMode must be PROVISIONED or ON_DEMAND, not {mode!r}.")
        default = ON_DEMAND_SHARDS if mode == "ON_DEMAND" else None
        count = whole(body, "ShardCount", default, 1, MAXIMUM_SHARDS)
        if self._store.stream(name):
            raise in_use(f"Stream {name} under account 000000000000 already exists.")
        with self._store.transaction():
            stream = Stream(name, self._clock(), mode, 24, int(body.get("MaxRecordSizeInKiB") or 1024), 0)
            self._store.put_stream(stream)
            first = self._store.take(name, 1)
            for number in range(count):
                self._store.add_shard(name, number, _part(0, HASH_RANGE - 1, number, count), first + 1)
            self._store.set_tags(name, dict(body.get("Tags") or {}))
        return {}

    def delete_stream(self, body: Body) -> dict[str, Any]:
        """DeleteStream."""
        stream = existing(self._store, body)
        with self._store.transaction():
            self._store.delete_stream(stream.name)
        return {}

    def list_streams(self, body: Body) -> dict[str, Any]:
        """ListStreams."""
        limit = whole(body, "Limit", 100, 1, 10_000)
        start = body.get("NextToken") or body.get("ExclusiveStartStreamName") or ""
        names = [name for name in self._store.streams() if name > start]
        page = names[:limit]
        answer: dict[str, Any] = {
            "StreamNames": page,
            "HasMoreStreams": len(page) < len(names),
            "StreamSummaries": [self._summary(found) for name in page if (found := self._store.stream(name))],
        }
        if answer["HasMoreStreams"]:
            answer["NextToken"] = page[-1]
        return answer

    def describe_stream(self, body: Body) -> dict[str, Any]:
        """DescribeStream."""
        stream = existing(self._store, body)
        limit = whole(body, "Limit", 100, 1, 10_000)
        start = body.get("ExclusiveStartShardId") or ""
        shards = [shard for shard in self._store.shards(stream.name) if shard.shard_id > start]
        return {
            "StreamDescription": {
                **self._summary(stream),
                "RetentionPeriodHours": stream.retention_hours,
                "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
                "EncryptionType": "NONE",
                "Shards": [describe_shard(stream, shard) for shard in shards[:limit]],
                "HasMoreShards": len(shards) > limit,
            }
        }

    def describe_stream_summary(self, body: Body) -> dict[str, Any]:
        """DescribeStreamSummary."""
        stream = existing(self._store, body)
        return {
            "StreamDescriptionSummary": {
                **self._summary(stream),
                "RetentionPeriodHours": stream.retention_hours,
                "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
                "EncryptionType": "NONE",
                "OpenShardCount": sum(shard.last_n is None for shard in self._store.shards(stream.name)),
                "ConsumerCount": 0,
                "MaxRecordSizeInKiB": stream.max_record_kib,
            }
        }

    def list_shards(self, body: Body) -> dict[str, Any]:
        """ListShards; the filters AT_LATEST, AT_TRIM_HORIZON, AFTER_SHARD_ID are understood."""
        body = {**json.loads(base64.b64decode(body["NextToken"])), **body} if body.get("NextToken") else body
        stream = existing(self._store, body)
        limit = whole(body, "MaxResults", 1000, 1, 10_000)
        wanted = body.get("ShardFilter") or {}
        start = body.get("ExclusiveStartShardId") or (
            wanted.get("ShardId") if wanted.get("Type") == "AFTER_SHARD_ID" else ""
        )
        shards = [
            shard
            for shard in self._store.shards(stream.name)
            if shard.shard_id > (start or "") and (wanted.get("Type") != "AT_LATEST" or shard.last_n is None)
        ]
        answer: dict[str, Any] = {"Shards": [describe_shard(stream, shard) for shard in shards[:limit]]}
        if len(shards) > limit:
            follow = {
                "StreamName": stream.name,
                "ExclusiveStartShardId": shards[limit - 1].shard_id,
                "ShardFilter": wanted,
            }
            answer["NextToken"] = base64.b64encode(json.dumps(follow).encode()).decode()
        return answer

    def split_shard(self, body: Body) -> dict[str, Any]:
        """SplitShard."""
        stream = existing(self._store, body)
        shard = self._open(stream, body.get("ShardToSplit"))
        try:
            middle = int(str(body.get("NewStartingHashKey")))
        except ValueError:
            raise invalid("NewStartingHashKey must be a number.") from None
        if not shard.first_hash < middle <= shard.last_hash:
            raise invalid(f"NewStartingHashKey {middle} is not inside the range of {shard.shard_id}.")
        with self._store.transaction():
            self._split(stream, shard, middle)
        return {}

    def merge_shards(self, body: Body) -> dict[str, Any]:
        """MergeShards."""
        stream = existing(self._store, body)
        first, second = (self._open(stream, body.get(name)) for name in ("ShardToMerge", "AdjacentShardToMerge"))
        low, high = sorted((first, second), key=lambda shard: shard.first_hash)
        if low.last_hash + 1 != high.first_hash:
            raise invalid(f"Shards {first.shard_id} and {second.shard_id} are not adjacent.")
        with self._store.transaction():
            self._merge(stream, first, second)
        return {}

    def update_shard_count(self, body: Body) -> dict[str, Any]:
        """UpdateShardCount: uniform scaling to at most twice and at least half the open shards."""
        stream = existing(self._store, body)
        if stream.mode == "ON_DEMAND":
            raise KinesisError(
                "ValidationException", f"Stream {stream.name} is ON_DEMAND; its shards are not yours to count."
            )
        target = whole(body, "TargetShardCount", None, 1, MAXIMUM_SHARDS)
        before = self._open_shards(stream)
        if not len(before) / 2 <= target <= len(before) * 2:
            raise KinesisError(
                "LimitExceededException",
                f"UpdateShardCount cannot go from {len(before)} to {target}: at most twice, at least half.",
            )
        with self._store.transaction():
            self._scale(stream, target)
        return {
            "StreamName": stream.name, "StreamARN": arn(stream.name),
            "CurrentShardCount": len(before), "TargetShardCount": target,
        }  # fmt: skip

    def change_retention(self, body: Body, *, increase: bool) -> dict[str, Any]:
        """IncreaseStreamRetentionPeriod and DecreaseStreamRetentionPeriod."""
        stream = existing(self._store, body)
        hours = whole(body, "RetentionPeriodHours", None, 24, 8760)
        if (hours < stream.retention_hours) if increase else (hours > stream.retention_hours):
            word = "less" if increase else "greater"
            raise invalid(
                f"Requested retention period ({hours} h) is {word} than the current {stream.retention_hours} h."
            )
        self._change(stream, retention_hours=hours)
        return {}

    def update_stream_mode(self, body: Body) -> dict[str, Any]:
        """UpdateStreamMode."""
        stream = existing(self._store, body)
        self._change(stream, mode=str((body.get("StreamModeDetails") or {}).get("StreamMode")))
        return {}

    def update_max_record_size(self, body: Body) -> dict[str, Any]:
        """UpdateMaxRecordSize."""
        stream = existing(self._store, body)
        self._change(stream, max_record_kib=whole(body, "MaxRecordSizeInKiB", None, 1024, 10_240))
        return {}

    def tag(self, body: Body) -> dict[str, Any]:
        """AddTagsToStream and TagResource."""
        self._store.set_tags(existing(self._store, body).name, dict(body.get("Tags") or {}))
        return {}

    def untag(self, body: Body) -> dict[str, Any]:
        """RemoveTagsFromStream and UntagResource."""
        self._store.remove_tags(existing(self._store, body).name, body.get("TagKeys") or [])
        return {}

    def list_tags(self, body: Body) -> dict[str, Any]:
        """ListTagsForStream and ListTagsForResource."""
        tags = self._store.tags(existing(self._store, body).name)
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()], "HasMoreTags": False}

    def trim(self) -> None:
        """Remove what is past its stream's retention, and closed shards that hold nothing any more."""
        for name in self._store.streams():
            stream = self._store.stream(name)
            if stream is None:
                continue
            horizon = self._clock() - stream.retention_hours * 3_600_000
            for shard in self._store.shards(name):
                self._store.trim(shard, horizon)
                if shard.closed_ms is not None and shard.closed_ms < horizon:
                    self._store.drop_shard(shard)

    def _summary(self, stream: Stream) -> dict[str, Any]:
        return {
            "StreamName": stream.name,
            "StreamARN": arn(stream.name),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": {"StreamMode": stream.mode},
            "StreamCreationTimestamp": stream.created_ms / 1000,
        }

    def _change(self, stream: Stream, **changes: Any) -> None:
        if changes.get("mode", "PROVISIONED") not in ("PROVISIONED", "ON_DEMAND"):
            raise invalid("StreamMode must be PROVISIONED or ON_DEMAND.")
        self._store.put_stream(Stream(**{**stream.__dict__, **changes}))

    def _open(self, stream: Stream, shard_id: object) -> Shard:
        shard = shard_of(self._store, stream, shard_id)
        if shard.last_n is not None:
            raise invalid(f"Shard {shard_id} in stream {stream.name} under account 000000000000 is not open.")
        return shard

    def _open_shards(self, stream: Stream) -> list[Shard]:
        found = [shard for shard in self._store.shards(stream.name) if shard.last_n is None]
        return sorted(found, key=lambda shard: shard.first_hash)

    def _next_number(self, stream: Stream) -> int:
        return max(shard.number for shard in self._store.shards(stream.name)) + 1

    def _split(self, stream: Stream, shard: Shard, middle: int) -> None:
        end, number = self._store.take(stream.name, 2), self._next_number(stream)
        self._store.close_shard(shard, end, self._clock())
        for offset, hashes in enumerate(((shard.first_hash, middle - 1), (middle, shard.last_hash))):
            self._store.add_shard(stream.name, number + offset, hashes, end + 1, (shard.number,))

    def _merge(self, stream: Stream, first: Shard, second: Shard) -> None:
        end, number = self._store.take(stream.name, 2), self._next_number(stream)
        hashes = min(first.first_hash, second.first_hash), max(first.last_hash, second.last_hash)
        for shard in (first, second):
            self._store.close_shard(shard, end, self._clock())
        self._store.add_shard(stream.name, number, hashes, end + 1, (first.number, second.number))

    def _scale(self, stream: Stream, target: int) -> None:
        """Split and merge until the open shards are the target's even ranges."""
        borders = [_part(0, HASH_RANGE - 1, number, target)[0] for number in range(1, target)]
        for border in borders:
            for shard in self._open_shards(stream):
                if shard.first_hash < border <= shard.last_hash:
                    self._split(stream, shard, border)
        while True:
            pairs = zip(shards := self._open_shards(stream), shards[1:], strict=False)
            surplus = next((pair for pair in pairs if pair[1].first_hash not in borders), None)
            if surplus is None:
                return
            self._merge(stream, *surplus)


def _part(low: int, high: int, number: int, count: int) -> tuple[int, int]:
    """One of ``count`` even parts of a range."""
    size = high - low + 1
    return low + size * number // count, low + size * (number + 1) // count - 1


def describe_shard(stream: Stream, shard: Shard) -> dict[str, Any]:
    """A shard as the API shows it."""
    numbers = {"StartingSequenceNumber": sequence_number(stream, shard.number, shard.first_n)}
    if shard.last_n is not None:
        numbers["EndingSequenceNumber"] = sequence_number(stream, CLOSED_END, shard.last_n)
    found: dict[str, Any] = {
        "ShardId": shard.shard_id,
        "HashKeyRange": {"StartingHashKey": str(shard.first_hash), "EndingHashKey": str(shard.last_hash)},
        "SequenceNumberRange": numbers,
    }
    for name, number in (("ParentShardId", shard.parent), ("AdjacentParentShardId", shard.adjacent)):
        if number is not None:
            found[name] = f"shardId-{number:012d}"
    return found
