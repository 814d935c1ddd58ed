"""Each state of each waiter of streams, the trigger that uses them, and the link."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import WaiterError
from botocore.stub import Stubber

from pinflow.hooks.kinesis import WAITERS, KinesisStreamsHook
from pinflow.links.kinesis import KinesisStreamLink
from pinflow.triggers.kinesis import KinesisStreamTrigger
from tests.unit.plugins.operators.test_kinesis_operators import summary

MODEL = json.loads(WAITERS.read_text())
ENDS = {
    ("stream_active", "ACTIVE"): "success",
    ("stream_active", "CREATING"): "retry",
    ("stream_active", "UPDATING"): "retry",
    ("stream_active", "DELETING"): "failure",
    ("stream_active", "gone"): "failure",
    ("stream_available", "ACTIVE"): "success",
    ("stream_available", "CREATING"): "retry",
    ("stream_available", "UPDATING"): "retry",
    ("stream_available", "DELETING"): "failure",
    ("stream_available", "gone"): "retry",
    ("stream_deleted", "gone"): "success",
    ("stream_deleted", "DELETING"): "retry",
    ("stream_deleted", "ACTIVE"): "retry",
    ("stream_deleted", "UPDATING"): "retry",
    ("stream_deleted", "CREATING"): "failure",
}


@pytest.fixture
def hook(aws: None) -> KinesisStreamsHook:
    return KinesisStreamsHook(region_name="us-east-1")


def answer(stubber: Stubber, state: str) -> None:
    if state == "gone":
        stubber.add_client_error("describe_stream_summary", "ResourceNotFoundException", http_status_code=400)
    else:
        stubber.add_response("describe_stream_summary", summary(state))


@pytest.mark.parametrize(("waiter", "state"), ENDS)
def test_state(hook: KinesisStreamsHook, waiter: str, state: str) -> None:
    last = next(name for (found, name), end in ENDS.items() if found == waiter and end == "success")
    with Stubber(hook.conn) as stubber:
        answer(stubber, state)
        if ENDS[waiter, state] == "retry":
            answer(stubber, last)

        def wait() -> None:
            hook.get_waiter(waiter).wait(StreamName="s", WaiterConfig={"Delay": 0, "MaxAttempts": 2})

        if ENDS[waiter, state] == "failure":
            with pytest.raises(WaiterError, match="terminal failure"):
                wait()
        else:
            wait()
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize("waiter", MODEL["waiters"])
def test_every_state_of_the_service_is_decided(waiter: str) -> None:
    service = botocore.session.get_session().get_service_model("kinesis")
    known = {*service.shape_for("StreamStatus").enum, "ResourceNotFoundException"}
    assert {entry["expected"] for entry in MODEL["waiters"][waiter]["acceptors"]} == known


def test_the_hook_finds_the_waiters(hook: KinesisStreamsHook) -> None:
    assert set(hook.list_waiters()) >= set(MODEL["waiters"])


@pytest.mark.parametrize(
    "trigger",
    [
        KinesisStreamTrigger("s", "stream_active", 1, 2, "aws_default", region_name="us-east-1"),
        KinesisStreamTrigger("s", "stream_available"),
        KinesisStreamTrigger("s", "stream_deleted", botocore_config={"read_timeout": 5}, verify=False),
    ],
    ids=lambda trigger: trigger.waiter_name,
)
class TestKinesisStreamTrigger:
    def test_serialize_round_trip(self, trigger: Any) -> None:
        path, arguments = trigger.serialize()
        assert path == "pinflow.triggers.kinesis.KinesisStreamTrigger"
        assert KinesisStreamTrigger(**arguments).serialize() == (path, arguments)
        assert json.loads(json.dumps(arguments)) == arguments

    def test_the_waiter_exists_and_the_hook_is_ours(self, trigger: Any) -> None:
        assert trigger.waiter_name in MODEL["waiters"]
        assert isinstance(trigger.hook(), KinesisStreamsHook)
        assert trigger.waiter_args == {"StreamName": "s"}


def test_the_link_leads_to_the_streams_page() -> None:
    link = KinesisStreamLink().format_link(region_name="eu-west-1", aws_domain="aws.amazon.com", stream_name="s")
    page = "https://console.aws.amazon.com/kinesis/home?region=eu-west-1#/streams/details/s/monitoring"
    assert link == page
