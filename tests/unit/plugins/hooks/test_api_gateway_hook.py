"""APIs over several pages, documents and stages; the waiter's states; the trigger, the sensor and the links."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from airflow.sdk.exceptions import TaskDeferred
from botocore.exceptions import WaiterError
from botocore.stub import Stubber

import include
from pinflow.exceptions import CannotReconcile, NotFound, Rejected, WaitTimedOut
from pinflow.hooks.api_gateway import (
    WAITERS,
    ApiGatewayHook,
    StageSpec,
    digest,
    missing_variables,
    render,
)
from pinflow.links.api_gateway import ApiGatewayApiLink, ApiGatewayStageLink
from pinflow.sensors.api_gateway import ApiGatewayApiSensor
from pinflow.triggers.api_gateway import ApiGatewayApiTrigger
from tests.unit.plugins.operators.test_api_gateway_operators import API, NAME, TAGS, api

DOCUMENT = (Path(include.__file__).parent / "aws" / "gateway.openapi.yaml").read_text()
ENDS = {
    "AVAILABLE": "success",
    None: "success",
    "PENDING": "retry",
    "UPDATING": "retry",
    "FAILED": "failure",
    "gone": "failure",
}


@pytest.fixture
def hook(aws: None) -> ApiGatewayHook:
    return ApiGatewayHook(region_name="us-east-1")


def answer(stubber: Stubber, state: str | None) -> None:
    if state == "gone":
        stubber.add_client_error("get_rest_api", "NotFoundException", http_status_code=404)
    else:
        stubber.add_response("get_rest_api", api() if state is None else api(apiStatus=state))


@pytest.mark.parametrize("state", ENDS)
def test_waiter(hook: ApiGatewayHook, state: str | None) -> None:
    with Stubber(hook.conn) as stubber:
        answer(stubber, state)
        if ENDS[state] == "retry":
            answer(stubber, "AVAILABLE")

        def wait() -> None:
            hook.get_waiter("rest_api_available").wait(restApiId=API, WaiterConfig={"Delay": 0, "MaxAttempts": 2})

        if ENDS[state] == "failure":
            with pytest.raises(WaiterError, match="terminal failure"):
                wait()
        else:
            wait()
        stubber.assert_no_pending_responses()


def test_every_state_of_the_service_is_decided() -> None:
    known = botocore.session.get_session().get_service_model("apigateway").shape_for("ApiStatus").enum
    acceptors = json.loads(WAITERS.read_text())["waiters"]["rest_api_available"]["acceptors"]
    assert {entry["expected"] for entry in acceptors} == {*known, "NotFoundException"}
    sensor = ApiGatewayApiSensor
    assert {*sensor.INTERMEDIATE_STATES, *sensor.FAILURE_STATES, *sensor.SUCCESS_STATES} == set(known)


class TestHook:
    def test_found_on_a_later_page(self, hook: ApiGatewayHook) -> None:
        with Stubber(hook.conn) as stubber:
            stubber.add_response("get_rest_apis", {"items": [api(name="x", id="1")], "position": "p"}, {"limit": 500})
            stubber.add_response("get_rest_apis", {"items": [api()]}, {"limit": 500, "position": "p"})
            found = hook.api(NAME, TAGS)
        assert found is not None
        assert found["id"] == API

    @pytest.mark.parametrize(
        ("tags", "told", "ids"),
        [
            ({"1": TAGS, "2": None, "3": {**TAGS, "more": "x"}}, "2 of 3 APIs of this name", "1, 3"),
            ({"1": {}, "2": None}, "0 of 2 APIs of this name", "1, 2"),
            ({"1": dict.fromkeys(TAGS, "another's")}, "0 of 1 APIs of this name", "1"),
        ],
        ids=["several", "untagged", "another's"],
    )
    def test_one_that_may_be_anothers_is_not_taken(
        self, hook: ApiGatewayHook, tags: dict[str, Any], told: str, ids: str
    ) -> None:
        found = [api(id=name, tags=given) for name, given in tags.items()]
        listed = [{key: value for key, value in entry.items() if value is not None} for entry in found]
        with Stubber(hook.conn) as stubber:
            stubber.add_response("get_rest_apis", {"items": [api(name="x", id="9"), *listed]}, {"limit": 500})
            with pytest.raises(CannotReconcile, match=told) as caught:
                hook.api(NAME, TAGS)
        assert caught.value.data["ids"] == ids

    def test_find(self, hook: ApiGatewayHook) -> None:
        with Stubber(hook.conn) as stubber:
            answer(stubber, None)
            answer(stubber, "gone")
            assert (hook.find(API) or {})["name"] == NAME
            assert hook.find(API) is None

    def test_url_and_arn_of_other_partitions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws"}))
        made = ApiGatewayHook(region_name="cn-north-1")
        assert made.url(API, "prod") == f"https://{API}.execute-api.cn-north-1.amazonaws.com.cn/prod"
        assert made.arn(API) == f"arn:aws-cn:apigateway:cn-north-1::/restapis/{API}"


class TestDocument:
    def test_ours_needs_only_region_and_account(self) -> None:
        made = render(DOCUMENT, {"AWS::Region": "eu-west-1", "AWS::AccountId": "123456789012"})
        assert "${AWS::" not in made
        assert "arn:aws:apigateway:eu-west-1:kinesis:action/PutRecords" in made
        assert "role/${stageVariables.kinesisRole}" in made, "stage variables stay"

    def test_a_placeholder_without_a_value(self) -> None:
        with pytest.raises(Rejected, match="AWS::AccountId"):
            render(DOCUMENT, {"AWS::Region": "eu-west-1"})

    def test_ours_uses_the_stage_variables_that_it_says(self) -> None:
        assert missing_variables(DOCUMENT, []) == ["kinesisRole", "restProxy", "topicPrefix", "vpcLinkId"]
        assert missing_variables(DOCUMENT, ["kinesisRole", "restProxy", "topicPrefix", "vpcLinkId"]) == []
        assert missing_variables("$stageVariables.inTemplate", []) == ["inTemplate"]

    def test_digest(self) -> None:
        assert digest("a") == "ca978112ca1bbdcafac231b39a23dc4da786eff8"  # the first 40 of its SHA-256
        assert digest("a") != digest("b")


class TestStageSpec:
    def test_nothing_asked_only_the_deployment_counts(self) -> None:
        assert StageSpec().patches({"deploymentId": "d1", "variables": {"a": "b"}}, "d1") == []
        assert [patch["path"] for patch in StageSpec().patches({}, "d1")] == ["/deploymentId"]

    def test_what_is_not_asked_for_stays_as_it_is(self) -> None:
        settings = {"throttlingRateLimit": 5.0, "throttlingBurstLimit": 5, "metricsEnabled": True}
        stage = {
            "deploymentId": "d",
            "variables": {"a": "b"},
            "methodSettings": {"*/*": settings},
            "accessLogSettings": {"destinationArn": "arn:log", "format": "$context.requestId"},
        }
        assert StageSpec().patches(stage, "d") == []

    def test_a_stage_that_has_no_variables_yet(self) -> None:
        patch = StageSpec(variables={"a": "b"}).patches({"deploymentId": "d"}, "d")
        assert patch == [{"op": "replace", "path": "/variables/a", "value": "b"}]

    @pytest.mark.parametrize(("rate", "text"), [(0.5, "0.5"), (10_000.0, "10000"), (0.0, "0")])
    def test_numbers_as_the_service_takes_them(self, rate: float, text: str) -> None:
        patch = StageSpec(rate_limit=rate).patches({"deploymentId": "d"}, "d")
        assert patch == [{"op": "replace", "path": "/*/*/throttling/rateLimit", "value": text}]

    def test_metrics_off(self) -> None:
        stage = {"deploymentId": "d", "methodSettings": {"*/*": {"metricsEnabled": True}}}
        assert StageSpec(metrics=False).patches(stage, "d")[0]["value"] == "false"


class TestTrigger:
    def test_round_trip(self) -> None:
        made = ApiGatewayApiTrigger(API, waiter_delay=7, waiter_max_attempts=9, region_name="eu-west-1")
        path, arguments = made.serialize()
        assert path == "pinflow.triggers.api_gateway.ApiGatewayApiTrigger"
        again = ApiGatewayApiTrigger(**json.loads(json.dumps(arguments)))
        assert again.serialize() == made.serialize()
        assert again.waiter_args == {"restApiId": API}

    def test_hook(self) -> None:
        assert "rest_api_available" in ApiGatewayApiTrigger(API, region_name="eu-west-1").hook().list_waiters()


class Looks:
    """A hook whose API a test moves; ``None`` stands for no API."""

    conn_region_name = "us-east-1"

    def __init__(self, *states: str | None) -> None:
        self.states = list(states)

    def api(self, name: str, tags: dict[str, str]) -> dict[str, Any] | None:
        """The next state; the last one stays."""
        assert (name, tags) == (NAME, TAGS)
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return None if state is None else api(apiStatus=state)


def sensor(looks: Looks, **arguments: Any) -> ApiGatewayApiSensor:
    given = {"poke_interval": 0.01, "timeout": 1, **arguments}
    made = ApiGatewayApiSensor(task_id="t", api_name=NAME, tags=TAGS, **given)
    made.__dict__["hook"] = looks
    return made


class TestApiGatewayApiSensor:
    def test_template_fields(self) -> None:
        made = ApiGatewayApiSensor(task_id="t", api_name=NAME, tags=TAGS)
        assert {"api_name", "tags", "aws_conn_id"} <= set(made.template_fields)

    @pytest.mark.parametrize(
        ("state", "done"), [("AVAILABLE", True), ("PENDING", False), ("UPDATING", False), (None, False)]
    )
    def test_states(self, context: Any, state: str | None, done: bool) -> None:
        assert sensor(Looks(state)).poke(context) is done

    def test_one_that_failed(self, context: Any) -> None:
        with pytest.raises(CannotReconcile, match="pinflow is FAILED"):
            sensor(Looks("FAILED")).poke(context)

    def test_waits_here(self, context: Any) -> None:
        looks = Looks(None, "UPDATING", "AVAILABLE")
        sensor(looks, timeout=30).execute(context)
        assert looks.states == ["AVAILABLE"]

    def test_defers(self, context: Any) -> None:
        with pytest.raises(TaskDeferred) as deferred:
            sensor(Looks("UPDATING"), deferrable=True, poke_interval=2, timeout=60).execute(context)
        arguments = deferred.value.trigger.serialize()[1]
        assert (arguments["api_id"], arguments["waiter_delay"], arguments["waiter_max_attempts"]) == (API, 2, 30)

    def test_cannot_defer_for_one_that_is_not_there(self, context: Any) -> None:
        with pytest.raises(NotFound, match="no API pinflow"):
            sensor(Looks(None), deferrable=True).execute(context)

    def test_execute_complete_looks_itself(self, context: Any) -> None:
        sensor(Looks("AVAILABLE")).execute_complete(context, {"status": "error"})
        with pytest.raises(WaitTimedOut, match="API pinflow is not available after 1 s"):
            sensor(Looks("UPDATING")).execute_complete(context, {"status": "error"})


def test_links() -> None:
    values = {"aws_domain": "aws.amazon.com", "region_name": "r", "api_id": "a", "stage_name": "s"}
    start = "https://console.aws.amazon.com/apigateway/main/apis/a/"
    assert ApiGatewayApiLink().format_str.format(**values) == f"{start}resources?api=a&region=r"
    assert ApiGatewayStageLink().format_str.format(**values) == f"{start}stages?api=a&region=r&stage=s"
