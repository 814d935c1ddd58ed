"""Streams and records of Kinesis Data Streams."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from pinflow.exceptions import NotFound, RecordsNotAccepted, Rejected, Unavailable, shortened
from pinflow.hooks.kinesis import (
    KinesisStreamsHook,
    Outcome,
    OutcomeState,
    Record,
    StreamMode,
    StreamSpec,
    next_shard_count,
)
from pinflow.links.kinesis import KinesisStreamLink
from pinflow.links.persisted import persist
from pinflow.operators.waiting import AwsWaitingOperator
from pinflow.triggers.kinesis import KinesisStreamTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

ACTIVE = "stream_active"
AVAILABLE = "stream_available"
DELETED = "stream_deleted"
CREATE = "create"
_IN_USE = "ResourceInUseException"
_AGAIN = " (was in use)"

Step = tuple[str, Callable[[], None]]


class KinesisBaseOperator(AwsWaitingOperator[KinesisStreamsHook]):
    """What all operators of streams share: the wait trio, and errors of the service.

    :param stream_name: the stream's name, which is its identity. (templated)
    """

    service = "Kinesis"
    BUSY = ("LimitExceededException", "ThrottlingException", _IN_USE)
    MISSING = ("ResourceNotFoundException",)
    aws_hook_class = KinesisStreamsHook
    ui_color = "#cfd8f0"
    template_fields: Sequence[str] = aws_template_fields("stream_name")

    def __init__(self, *, stream_name: str, waiter_delay: int = 5, **kwargs: Any) -> None:
        super().__init__(waiter_delay=waiter_delay, **kwargs)
        self.stream_name = stream_name

    @property
    def target(self) -> str:
        """What is worked on, as errors call it."""
        return f"the stream {self.stream_name}"

    def _await(self, waiter: str, **resume: Any) -> None:
        self._wait(KinesisStreamTrigger(self.stream_name, waiter_name=waiter, **self.trigger_arguments), **resume)


class KinesisUpdateStreamOperator(KinesisBaseOperator):
    """Bring a stream that exists to what is asked for; what is not given stays.

    The shard count goes in the steps that Kinesis allows, each at most twice and at least half of what is open; records
    stay where they are and are read from the closed shards first. Without waiting only the first change is made.

    :param stream_mode: ``PROVISIONED`` or ``ON_DEMAND``. (templated)
    :param shard_count: open shards; not for an on-demand stream. (templated)
    :param retention_hours: hours that records are kept, 24 to 8760; a shorter time drops older records. (templated)
    :param tags: tags that it should have; others stay. (templated)
    :raises NotFound: there is no such stream.
    :raises Rejected: Kinesis refuses a change.
    :raises Unavailable: the stream is in use, Kinesis has had too many calls, or the account's limits are reached.
    :raises WaitTimedOut: it is not active, or shows no change, in time.
    :raises ValueError: the arguments contradict each other.
    """

    operator_extra_links = (KinesisStreamLink(),)
    template_fields: Sequence[str] = aws_template_fields(
        "stream_name", "stream_mode", "shard_count", "retention_hours", "tags"
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"tags": "json"}

    def __init__(
        self,
        *,
        stream_name: str,
        stream_mode: str | None = None,
        shard_count: int | str | None = None,
        retention_hours: int | str | None = None,
        tags: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(stream_name=stream_name, **kwargs)
        self.stream_mode = stream_mode
        self.shard_count = shard_count
        self.retention_hours = retention_hours
        self.tags = tags

    @cached_property
    def spec(self) -> StreamSpec:
        """What the stream should be."""
        return StreamSpec(
            name=self.stream_name,
            mode=None if self.stream_mode is None else StreamMode(self.stream_mode),
            shard_count=None if self.shard_count is None else int(self.shard_count),
            retention_hours=None if self.retention_hours is None else int(self.retention_hours),
            tags=dict(self.tags or {}),
        )

    def execute(self, context: Context) -> dict[str, Any]:
        """Change what differs.

        :returns: ``stream_name``, ``stream_arn``, ``state``, ``mode``, ``open_shards``, ``retention_hours``,
            ``created_at`` (ISO 8601; it tells a stream from a later one of the same name) and ``changed``, the steps
            that were taken.
        """
        return self._converge(context, [])

    def execute_complete(
        self, context: Context, event: Mapping[str, Any] | None = None, done: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Look again and go on."""
        found = self.hook.summary(self.stream_name)
        if found is not None and found["StreamStatus"] != "ACTIVE":
            self._look_at(event)
        return self._converge(context, list(done))

    def _converge(self, context: Context, done: list[str]) -> dict[str, Any]:
        while True:
            found = self.hook.summary(self.stream_name)
            if found is not None and found["StreamStatus"] != "ACTIVE":
                if not self.waits:
                    return self._finished(context, found, done)
                self._await(DELETED if found["StreamStatus"] == "DELETING" else ACTIVE, done=done)
                continue
            step = self._step(found)
            if step is None:
                return self._finished(context, found, done)
            self._take(step, done)
            if not self.waits:
                return self._finished(context, self.hook.summary(self.stream_name), done)

    def _take(self, step: Step, done: list[str]) -> None:
        """Make a change. A stream that somebody else has just made or changed is looked at once more."""
        name, change = step
        if name in done:
            self._wait_ended(f"Kinesis took the change {name}, and shows the old value still")
        try:
            change()
        except Unavailable as error:
            if error.data["code"] != _IN_USE or name + _AGAIN in done:
                raise
            self.log.info("%s", error)
            done.append(name + _AGAIN)
        else:
            done.append(name)

    def _step(self, found: Mapping[str, Any] | None) -> Step | None:
        """The next change that the stream needs."""
        if found is None:
            return self._missing()
        return self._mode(found) or self._retention(found) or self._shards(found) or self._tags()

    def _missing(self) -> Step:
        raise NotFound(
            f"There is no stream {self.stream_name}.",
            "Kinesis does not know the name in this account and region.",
            "Run ./pinflow trigger pinflow_provision.",
        )

    def _mode(self, found: Mapping[str, Any]) -> Step | None:
        wanted = self.spec.mode
        if wanted is None or wanted == _mode(found):
            return None
        arn = found["StreamARN"]
        details = {"StreamMode": str(wanted)}
        return f"mode {wanted}", lambda: self._call("update_stream_mode", StreamARN=arn, StreamModeDetails=details)

    def _retention(self, found: Mapping[str, Any]) -> Step | None:
        now, wanted = found["RetentionPeriodHours"], self.spec.retention_hours
        if wanted is None or wanted == now:
            return None
        word = "increase" if wanted > now else "decrease"
        arguments = {"StreamName": self.stream_name, "RetentionPeriodHours": wanted}
        return f"retention {wanted} h", lambda: self._call(f"{word}_stream_retention_period", **arguments)

    def _shards(self, found: Mapping[str, Any]) -> Step | None:
        now, wanted = found["OpenShardCount"], self.spec.shard_count
        if wanted is None or wanted == now:
            return None
        if _mode(found) == StreamMode.ON_DEMAND:
            raise Rejected(
                f"The stream {self.stream_name} cannot get {wanted} shards.",
                "It is ON_DEMAND, so Kinesis itself counts them.",
                "Leave shard_count out, or ask for stream_mode PROVISIONED too.",
            )
        step = next_shard_count(now, wanted)
        arguments = {"StreamName": self.stream_name, "TargetShardCount": step, "ScalingType": "UNIFORM_SCALING"}
        return f"{step} shards", lambda: self._call("update_shard_count", **arguments)

    def _tags(self) -> Step | None:
        if not self.spec.tags:
            return None
        there = self.hook.tags(self.stream_name)
        missing = {key: value for key, value in self.spec.tags.items() if there.get(key) != value}
        if not missing:
            return None
        names = ", ".join(sorted(missing))
        return f"tags {names}", lambda: self._call("add_tags_to_stream", StreamName=self.stream_name, Tags=missing)

    def _finished(self, context: Context, found: Mapping[str, Any] | None, done: Sequence[str]) -> dict[str, Any]:
        persist(KinesisStreamLink, context, self, stream_name=self.stream_name)
        self.log.info("Stream %s, steps: %s", self.stream_name, ", ".join(done) or "none")
        changed = [name for name in done if not name.endswith(_AGAIN)]
        return {"stream_name": self.stream_name, **described(found or {}), "changed": changed}


class KinesisCreateStreamOperator(KinesisUpdateStreamOperator):
    """Create a stream, or adopt the one of this name and bring it to what is asked for.

    The name is the identity, so a crash between the call and its answer is healed by the next look. A stream that is
    being deleted is waited for and made anew. Without waiting only the first change is made.

    :param stream_name: the stream's name. (templated)
    :param stream_mode: ``PROVISIONED`` or ``ON_DEMAND``. (templated)
    :param shard_count: open shards of a provisioned stream. (templated)
    :param retention_hours: hours that records are kept, 24 to 8760; 24 when not given. (templated)
    :param tags: tags that it should have; others stay. (templated)
    :raises Rejected: Kinesis refuses.
    :raises Unavailable: the stream is in use, Kinesis has had too many calls, or the account's limits are reached.
    :raises WaitTimedOut: it is not active in time.
    :raises ValueError: the arguments contradict each other, or a provisioned stream gets no ``shard_count``.
    """

    def __init__(self, *, stream_name: str, stream_mode: str = StreamMode.PROVISIONED, **kwargs: Any) -> None:
        super().__init__(stream_name=stream_name, stream_mode=stream_mode, **kwargs)

    def _missing(self) -> Step:
        return CREATE, self._create

    def _create(self) -> None:
        spec = self.spec
        if spec.mode is not StreamMode.ON_DEMAND and spec.shard_count is None:
            raise ValueError(f"{spec.name}: a PROVISIONED stream needs a shard_count. Give one, such as 2.")
        shards = {} if spec.shard_count is None else {"ShardCount": spec.shard_count}
        tags = {"Tags": dict(spec.tags)} if spec.tags else {}
        details = {"StreamMode": str(spec.mode)}
        self._call("create_stream", StreamName=spec.name, StreamModeDetails=details, **shards, **tags)


class KinesisDeleteStreamOperator(KinesisBaseOperator):
    """Delete a stream with all its records; nothing happens when there is none.

    :param stream_name: the stream's name. (templated)
    :param enforce_consumer_deletion: delete it even though enhanced fan-out consumers are registered.
    :raises Rejected: Kinesis refuses.
    :raises Unavailable: it is in use, for instance by an enhanced fan-out consumer.
    :raises WaitTimedOut: it is not gone in time.
    """

    def __init__(self, *, stream_name: str, enforce_consumer_deletion: bool = False, **kwargs: Any) -> None:
        super().__init__(stream_name=stream_name, **kwargs)
        self.enforce_consumer_deletion = enforce_consumer_deletion

    def execute(self, context: Context) -> bool:
        """Delete.

        :returns: whether there was one.
        """
        return self._converge(deleted=False)

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None, deleted: bool = False) -> bool:
        """Look again and go on."""
        if self.hook.summary(self.stream_name) is not None:
            self._look_at(event)
        return self._converge(deleted=deleted)

    def _converge(self, *, deleted: bool) -> bool:
        while True:
            found = self.hook.summary(self.stream_name)
            if found is None:
                return deleted
            if found["StreamStatus"] in ("CREATING", "UPDATING") and self.waits:
                self._await(ACTIVE, deleted=deleted)
                continue
            if found["StreamStatus"] != "DELETING":
                force = {"EnforceConsumerDeletion": True} if self.enforce_consumer_deletion else {}
                self._delete("delete_stream", StreamName=self.stream_name, **force)
            deleted = True
            if not self.waits:
                return deleted
            self._await(DELETED, deleted=deleted)


class KinesisPutRecordsOperator(AwsBaseOperator[KinesisStreamsHook]):
    """Put records into a stream; only those that it did not take are sent again.

    A retry of the task puts all of them again: readers tell them by their keys.

    :param stream_name: the stream's name. (templated)
    :param records: mappings of ``data`` (an object or list, stored as compact JSON, or a text, stored as it stands) and
        ``partition_key``. (templated)
    :raises RecordsNotAccepted: some were rejected, or it is unknown whether they were taken; ``data`` holds their
        ``outcomes`` by position.
    """

    aws_hook_class = KinesisStreamsHook
    ui_color = "#cfd8f0"
    operator_extra_links = (KinesisStreamLink(),)
    template_fields: Sequence[str] = aws_template_fields("stream_name", "records")
    template_fields_renderers: ClassVar[dict[str, str]] = {"records": "json"}

    def __init__(self, *, stream_name: str, records: Sequence[Mapping[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stream_name = stream_name
        self.records = records

    def execute(self, context: Context) -> dict[str, Any]:
        """Put them.

        :returns: ``records``, ``accepted``, ``resent`` (how many needed more than one call) and ``shards``, the number
            of records by shard.
        """
        outcomes = self.hook.put_records(self.stream_name, [record(entry) for entry in self.records])
        persist(KinesisStreamLink, context, self, stream_name=self.stream_name)
        self._check(outcomes)
        return {
            "records": len(outcomes),
            "accepted": len(outcomes),
            "resent": sum(outcome.attempts > 1 for outcome in outcomes),
            "shards": dict(sorted(Counter(outcome.shard_id for outcome in outcomes).items())),
        }

    def _check(self, outcomes: Sequence[Outcome]) -> None:
        lost = {number: one for number, one in enumerate(outcomes) if one.state is not OutcomeState.ACCEPTED}
        if not lost:
            return
        states = Counter(str(one.state) for one in lost.values())
        reasons = sorted({f"{one.code}: {one.reason}" for one in lost.values()})
        raise RecordsNotAccepted(
            f"The stream {self.stream_name} did not surely take {len(lost)} of {len(outcomes)} records "
            f"({', '.join(f'{count} {state}' for state, count in sorted(states.items()))}).",
            f"Kinesis says: {shortened(reasons, 3)}.",
            f"They are at the positions {shortened(sorted(lost))}; mend the cause, then clear the task.",
            outcomes={number: one.__dict__ | {"state": str(one.state)} for number, one in lost.items()},
        )


def record(entry: Mapping[str, Any]) -> Record:
    """The record of an operator's argument.

    :raises ValueError: a field is missing.
    """
    if missing := {"data", "partition_key"} - set(entry):
        raise ValueError(f"A record has no {' and no '.join(sorted(missing))}. Give both data and partition_key.")
    data = entry["data"]
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Record(str(entry["partition_key"]), text.encode())


def described(found: Mapping[str, Any]) -> dict[str, Any]:
    """What ``DescribeStreamSummary`` tells, in the form of an XCom."""
    created = found.get("StreamCreationTimestamp")
    return {
        "stream_arn": found.get("StreamARN"),
        "state": found.get("StreamStatus"),
        "mode": _mode(found) if found else None,
        "open_shards": found.get("OpenShardCount"),
        "retention_hours": found.get("RetentionPeriodHours"),
        "created_at": created.isoformat() if created is not None else None,
    }


def _mode(found: Mapping[str, Any]) -> str:
    return str(found.get("StreamModeDetails", {}).get("StreamMode", StreamMode.PROVISIONED))
