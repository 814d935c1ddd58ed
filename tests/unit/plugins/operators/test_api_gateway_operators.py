"""REST APIs as tasks, against botocore's own model of the service, and a real HTTP server for real calls."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
from airflow.sdk.exceptions import TaskDeferred

from pinflow.exceptions import CannotReconcile, NotFound, NotSent, OutcomeUnknown, Rejected, Unavailable, WaitTimedOut
from pinflow.hooks.api_gateway import ApiGatewayHook
from pinflow.operators import api_gateway
from pinflow.operators.api_gateway import (
    ApiGatewayCallOperator,
    ApiGatewayDeleteApiOperator,
    ApiGatewayDeployOperator,
    ApiGatewayImportOperator,
    ApiGatewayTestMethodOperator,
)
from pinflow.triggers.api_gateway import ApiGatewayApiTrigger
from tests.unit.plugins.conftest import JsonServer, Script
from tests.unit.sigv4 import KEY, SECRET, authorization

NAME, API = "pinflow", "a1b2c3"
TAGS = {"pinflow": "pinflow"}
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TEXT = "openapi: 3.0.1\nuri: arn:aws:apigateway:${AWS::Region}:x/${AWS::AccountId}/${stageVariables.restProxy}\n"
RENDERED = "openapi: 3.0.1\nuri: arn:aws:apigateway:us-east-1:x/123456789012/${stageVariables.restProxy}\n"
DIGEST = hashlib.sha256(RENDERED.encode()).hexdigest()[:40]
TAG = "pinflow:document"
IDENTITY: dict[str, Any] = {"api_name": NAME, "tags": TAGS, "region_name": "us-east-1"}
FAST = {"waiter_delay": 0, "waiter_max_attempts": 3}


@pytest.fixture(autouse=True)
def account(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ApiGatewayHook, "account_id", "123456789012")


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.openapi.yaml"
    path.write_text(TEXT)
    return path


def api(**more: Any) -> dict[str, Any]:
    return {"id": API, "name": NAME, "tags": TAGS, "createdDate": NOW, **more}


class Calls(Script):
    """What the operators ask of API Gateway."""

    def listed(self, *found: dict[str, Any]) -> Self:
        """A look at all APIs."""
        return self.call("get_rest_apis", {"items": list(found)}, limit=500)

    def create(self) -> Self:
        """The call that makes the API."""
        kind = {"types": ["REGIONAL"]}
        return self.call("create_rest_api", api(), name=NAME, tags=TAGS, endpointConfiguration=kind)

    def put(self, **more: Any) -> Self:
        """The import."""
        return self.call(
            "put_rest_api",
            api(**more),
            restApiId=API,
            mode="overwrite",
            failOnWarnings=True,
            parameters={"endpointConfigurationTypes": "REGIONAL"},
            body=RENDERED.encode(),
        )

    def tagged(self) -> Self:
        """The tag that says what was imported."""
        arn = f"arn:aws:apigateway:us-east-1::/restapis/{API}"
        return self.call("tag_resource", {}, resourceArn=arn, tags={**TAGS, TAG: DIGEST})


class TestApiGatewayImportOperator:
    @pytest.fixture
    def bring(self, document: Path) -> Callable[..., ApiGatewayImportOperator]:
        def make(**arguments: Any) -> ApiGatewayImportOperator:
            return ApiGatewayImportOperator(task_id="t", document_path=document, **{**IDENTITY, **FAST, **arguments})

        return make

    def test_template_fields(self, bring: Any) -> None:
        operator = bring()
        assert {"api_name", "tags", "force", "aws_conn_id", "region_name"} <= set(operator.template_fields)
        for name in operator.template_fields:
            getattr(operator, name)

    def test_creates_with_tags_then_imports(self, context: Any, script: Any, bring: Any) -> None:
        operator = bring()
        script(operator).listed(api(name="other", id="z")).create().put().tagged()
        assert operator.execute(context) == {"api_id": API, "document": DIGEST, "created": True, "imported": True}
        assert context["ti"].xcoms["_api_gateway_api"]["api_id"] == API

    def test_the_same_document_is_not_imported_again(self, context: Any, script: Any, bring: Any) -> None:
        operator = bring()
        script(operator).listed(api(tags={**TAGS, TAG: DIGEST}))
        assert operator.execute(context)["imported"] is False

    def test_unless_forced(self, context: Any, script: Any, bring: Any) -> None:
        operator = bring(force="True")
        script(operator).listed(api(tags={**TAGS, TAG: DIGEST})).put().tagged()
        assert operator.execute(context)["imported"] is True

    def test_another_document_overwrites(self, context: Any, script: Any, bring: Any) -> None:
        operator = bring()
        script(operator).listed(api(tags={**TAGS, TAG: "older"})).put().tagged()
        assert operator.execute(context) == {"api_id": API, "document": DIGEST, "created": False, "imported": True}

    def test_one_whose_import_was_cut_short_is_adopted(self, context: Any, script: Any, bring: Any) -> None:
        operator = bring()
        script(operator).listed().create().refuse("put_rest_api", "InternalFailure", 500)
        with pytest.raises(OutcomeUnknown):
            operator.execute(context)
        again = bring()
        script(again).listed(api()).put().tagged()
        assert again.execute(context)["created"] is False

    def test_the_documents_title_does_not_become_the_name(self, context: Any, script: Any, bring: Any) -> None:
        operator = bring()
        calls = script(operator).listed(api()).put(name="title")
        rename = [{"op": "replace", "path": "/name", "value": NAME}]
        calls.call("update_rest_api", api(), restApiId=API, patchOperations=rename).tagged()
        assert operator.execute(context)["imported"] is True

    @pytest.mark.parametrize(
        "found", [[api(tags={})], [api(), api(id="second")]], ids=["not tagged as ours", "two of ours"]
    )
    def test_another_ones_api_is_left_alone(self, context: Any, script: Any, bring: Any, found: Any) -> None:
        operator = bring()
        script(operator).listed(*found)
        with pytest.raises(CannotReconcile, match="which API pinflow is ours"):
            operator.execute(context)

    def test_waits_until_it_is_available(self, context: Any, script: Any, bring: Any, waiting: Any) -> None:
        operator = bring(**waiting)
        calls = script(operator).listed(api()).put(apiStatus="UPDATING")
        if waiting["deferrable"]:
            with pytest.raises(TaskDeferred) as deferred:
                operator.execute(context)
            assert isinstance(deferred.value.trigger, ApiGatewayApiTrigger)
            calls.listed(api(apiStatus="AVAILABLE")).tagged()
            result = operator.execute_complete(context, {"status": "success"}, **deferred.value.kwargs)
        else:
            if waiting["wait_for_completion"]:
                for state in ("UPDATING", "AVAILABLE"):
                    calls.call("get_rest_api", api(apiStatus=state), restApiId=API)
                calls.listed(api(apiStatus="AVAILABLE")).tagged()
            result = operator.execute(context)
        assert result["imported"] is True

    def test_one_that_failed(self, context: Any, script: Any, bring: Any) -> None:
        operator = bring()
        script(operator).listed(api()).put(apiStatus="FAILED", apiStatusMessage="no such certificate")
        with pytest.raises(CannotReconcile, match="no such certificate"):
            operator.execute(context)

    def test_an_old_event_is_not_believed(self, context: Any, script: Any, bring: Any) -> None:
        operator = bring(deferrable=True)
        result = {"api_id": API, "document": DIGEST, "created": False, "imported": True}
        calls = script(operator).listed(api()).tagged()
        assert operator.execute_complete(context, {"status": "error", "message": "late"}, result=result) == result
        calls.listed(api(apiStatus="UPDATING"))
        with pytest.raises(WaitTimedOut, match="late"):
            operator.execute_complete(context, {"status": "error", "message": "late"}, result=result)

    @pytest.mark.parametrize(
        ("code", "kind"),
        [("TooManyRequestsException", Unavailable), ("BadRequestException", Rejected), ("NotFoundException", NotFound)],
    )
    def test_refusals(self, context: Any, script: Any, bring: Any, code: str, kind: type[Exception]) -> None:
        operator = bring()
        script(operator).listed(api()).refuse("put_rest_api", code)
        with pytest.raises(kind, match=f"put_rest_api for the API pinflow.*{code}"):
            operator.execute(context)

    def test_a_placeholder_that_nothing_fills_in(self, context: Any, bring: Any, document: Path) -> None:
        document.write_text("${AWS::StackName}")
        with pytest.raises(Rejected, match="AWS::StackName, which nothing fills in"):
            bring().execute(context)


class Stacks:
    """Outputs of stacks, as the deploy operator asks for them."""

    def __init__(self, **_: Any) -> None:
        """The hook's parameters do not matter."""

    def resolve(self, text: str, prefix: str) -> str:
        """One reference is known."""
        assert prefix == "pinflow"
        return text.replace("${gateway.VpcLinkId}", "vl-1").replace("${gateway.LogGroupArn}", "arn:aws:logs:g:*")


class TestApiGatewayDeployOperator:
    STAGE: ClassVar[dict[str, Any]] = {"stageName": "prod", "deploymentId": "d1", "variables": {"restProxy": "h:1"}}

    @pytest.fixture
    def deploy(self, document: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ApiGatewayDeployOperator]:
        monkeypatch.setattr(api_gateway, "CloudFormationStackHook", Stacks)

        def make(**arguments: Any) -> ApiGatewayDeployOperator:
            given = {
                "variables": {"restProxy": "h:1"},
                "document_path": document,
                "stack_prefix": "pinflow",
                **arguments,
            }
            return ApiGatewayDeployOperator(task_id="t", stage_name="prod", **IDENTITY, **given)

        return make

    def start(self, calls: Calls, *deployments: tuple[str, str]) -> Calls:
        calls.listed(api(tags={**TAGS, TAG: DIGEST}))
        items = [
            {"id": name, "description": description, "createdDate": NOW + timedelta(seconds=number)}
            for number, (name, description) in enumerate(deployments)
        ]
        return calls.call("get_deployments", {"items": items}, restApiId=API, limit=500)

    def patch(self, calls: Calls, **values: str) -> Calls:
        patches = [{"op": "replace", "path": path, "value": value} for path, value in values.items()]
        return calls.call("update_stage", self.STAGE, restApiId=API, stageName="prod", patchOperations=patches)

    def test_template_fields(self, deploy: Any) -> None:
        expected = {"api_name", "tags", "stage_name", "variables", "stack_prefix", "access_log_arn", "aws_conn_id"}
        assert expected <= set(deploy().template_fields)

    def test_first_deployment(self, context: Any, script: Any, deploy: Any) -> None:
        operator = deploy()
        calls = self.start(script(operator), ("d0", "document older"))
        calls.call("create_deployment", {"id": "d1"}, restApiId=API, description=f"document {DIGEST}")
        calls.refuse("get_stage", "NotFoundException", 404)
        made = {"restApiId": API, "stageName": "prod", "deploymentId": "d1"}
        calls.call("create_stage", self.STAGE, **made, variables={"restProxy": "h:1"}, tags=TAGS)
        assert operator.execute(context) == {
            "api_id": API,
            "stage": "prod",
            "deployment_id": "d1",
            "url": f"https://{API}.execute-api.us-east-1.amazonaws.com/prod",
            "changed": ["/"],
        }
        assert context["ti"].xcoms["_api_gateway_stage"]["stage_name"] == "prod"

    def test_the_same_document_is_deployed_once(self, context: Any, script: Any, deploy: Any) -> None:
        operator = deploy()
        same = f"document {DIGEST}"
        calls = self.start(script(operator), ("d0", same), ("d1", same), ("d2", "document newer"))
        calls.call("get_stage", self.STAGE, restApiId=API, stageName="prod")
        assert operator.execute(context)["changed"] == []

    def test_everything_that_differs_is_set(self, context: Any, script: Any, deploy: Any) -> None:
        operator = deploy(
            variables={"restProxy": "h:2", "vpcLinkId": "${gateway.VpcLinkId}"},
            rate_limit=100,
            burst_limit=200,
            access_log_arn="${gateway.LogGroupArn}",
            access_log_format="$context.requestId",
            metrics=True,
        )
        calls = self.start(script(operator), ("d2", f"document {DIGEST}"))
        calls.call("get_stage", self.STAGE, restApiId=API, stageName="prod")
        self.patch(
            calls,
            **{
                "/deploymentId": "d2",
                "/variables/restProxy": "h:2",
                "/variables/vpcLinkId": "vl-1",
                "/*/*/throttling/rateLimit": "100",
                "/*/*/throttling/burstLimit": "200",
                "/*/*/metrics/enabled": "true",
                "/accessLogSettings/destinationArn": "arn:aws:logs:g",
                "/accessLogSettings/format": "$context.requestId",
            },
        )
        assert len(operator.execute(context)["changed"]) == 8

    def test_what_is_right_stays(self, context: Any, script: Any, deploy: Any) -> None:
        settings = {"throttlingRateLimit": 100.0, "throttlingBurstLimit": 200, "metricsEnabled": True}
        log = {"destinationArn": "arn:aws:logs:g", "format": "$context.requestId"}
        stage = {**self.STAGE, "methodSettings": {"*/*": settings}, "accessLogSettings": log}
        operator = deploy(
            rate_limit=100,
            burst_limit="200",
            access_log_arn="arn:aws:logs:g:*",
            access_log_format="$context.requestId",
            metrics=True,
        )
        calls = self.start(script(operator), ("d1", f"document {DIGEST}"))
        calls.call("get_stage", stage, restApiId=API, stageName="prod")
        assert operator.execute(context)["changed"] == []

    def test_a_stage_variable_that_the_document_needs(self, context: Any, deploy: Any) -> None:
        with pytest.raises(Rejected, match="would lack restProxy"):
            deploy(variables={}).execute(context)

    def test_without_its_document_the_variables_are_not_checked(self, context: Any, script: Any, deploy: Any) -> None:
        operator = deploy(variables=None, document_path=None)
        calls = self.start(script(operator), ("d1", f"document {DIGEST}"))
        calls.call("get_stage", self.STAGE, restApiId=API, stageName="prod")
        assert operator.execute(context)["changed"] == []

    def test_not_imported(self, context: Any, script: Any, deploy: Any) -> None:
        operator = deploy()
        script(operator).listed()
        with pytest.raises(NotFound, match="no API pinflow"):
            operator.execute(context)
        operator = deploy()
        script(operator).listed(api())
        with pytest.raises(NotFound, match="no imported document"):
            operator.execute(context)


class TestApiGatewayTestMethodOperator:
    @staticmethod
    def attempt(**arguments: Any) -> ApiGatewayTestMethodOperator:
        return ApiGatewayTestMethodOperator(task_id="t", **{**IDENTITY, "path": "/topics?limit=1", **arguments})

    @staticmethod
    def resources(calls: Calls) -> Calls:
        items = [{"id": "r1", "path": "/topics"}, {"id": "r2", "path": "/{proxy+}"}]
        return calls.call("get_resources", {"items": items}, restApiId=API, limit=500)

    def test_template_fields(self) -> None:
        expected = {"api_name", "tags", "path", "resource", "headers", "body", "variables", "stack_prefix"}
        assert expected <= set(self.attempt().template_fields)

    def test_right(self, context: Any, script: Any) -> None:
        operator = self.attempt(variables={"restProxy": "h:1"})
        calls = self.resources(script(operator).listed(api()))
        calls.call(
            "test_invoke_method",
            {"status": 200, "body": "[]", "latency": 12},
            restApiId=API,
            resourceId="r1",
            httpMethod="GET",
            pathWithQueryString="/topics?limit=1",
            headers={},
            stageVariables={"restProxy": "h:1"},
        )
        assert operator.execute(context) == {"status": 200, "latency_ms": 12, "body": "[]"}

    def test_another_resource_and_a_body(self, context: Any, script: Any) -> None:
        operator = self.attempt(
            path="/v3/clusters", resource="/{proxy+}", method="POST", body={"a": "é"}, headers={"Accept": "x"}
        )
        calls = self.resources(script(operator).listed(api()))
        calls.call(
            "test_invoke_method",
            {"status": 502, "body": "no backend", "log": "Execution failed"},
            restApiId=API,
            resourceId="r2",
            httpMethod="POST",
            pathWithQueryString="/v3/clusters",
            headers={"Accept": "x"},
            stageVariables={},
            body='{"a":"é"}',
        )
        with pytest.raises(
            Rejected, match=r"POST /v3/clusters was answered with 502 instead of 200.*no backend"
        ) as told:
            operator.execute(context)
        assert told.value.data["log"] == "Execution failed"

    def test_no_such_resource(self, context: Any, script: Any) -> None:
        operator = self.attempt(path="/nowhere")
        self.resources(script(operator).listed(api()))
        with pytest.raises(NotFound, match=r"no resource /nowhere.*/topics, /\{proxy\+\}"):
            operator.execute(context)


class TestApiGatewayCallOperator:
    @pytest.fixture(autouse=True)
    def connection(self, server: JsonServer, monkeypatch: pytest.MonkeyPatch) -> None:
        where = {"conn_type": "http", "host": "127.0.0.1", "schema": "http", "port": server.port}
        monkeypatch.setenv("AIRFLOW_CONN_GATEWAY_DEFAULT", json.dumps(where))

    def test_template_fields(self) -> None:
        made = ApiGatewayCallOperator(task_id="t", path="/dev/topics")
        assert set(made.template_fields) == {"path", "headers", "body", "gateway_conn_id", "aws_conn_id"}

    def test_a_domain_of_ones_own_gets_a_signed_request(
        self, context: Any, server: JsonServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        server.handler = lambda *_: (200, [])
        path = "/prod/topics"
        ApiGatewayCallOperator(task_id="t", path=path, region_name="eu-west-1").execute(context)
        headers = server.requests[0][2]
        assert headers["Authorization"] == authorization("GET", path, headers, b"", "eu-west-1")

    def test_right(self, context: Any, server: JsonServer) -> None:
        server.handler = lambda *_: (200, ["pinflow.pin"])
        done = ApiGatewayCallOperator(task_id="t", path="/dev/topics", headers={"Accept": "x"}).execute(context)
        assert done == {"status": 200, "body": '["pinflow.pin"]'}
        assert server.calls == ["GET /dev/topics"]
        assert server.requests[0][2]["Accept"] == "x"
        assert "Authorization" not in server.requests[0][2]

    def test_a_body_and_another_status(self, context: Any, server: JsonServer) -> None:
        server.handler = lambda *_: (422, {"message": "no key"})
        operator = ApiGatewayCallOperator(task_id="t", path="/dev/pin", method="POST", body={"a": 1})
        with pytest.raises(Rejected, match=r"POST /dev/pin was answered with 422 instead of 200.*no key"):
            operator.execute(context)
        assert server.requests[0][3] == b'{"a":1}'

    def test_nobody_there(self, context: Any, server: JsonServer) -> None:
        server.close()
        server.close = lambda: None  # type: ignore[method-assign]  the fixture would close it again
        with pytest.raises(NotSent, match="gateway_default does not answer"):
            ApiGatewayCallOperator(task_id="t", path="/dev/topics").execute(context)


class TestApiGatewayDeleteApiOperator:
    @staticmethod
    def delete() -> ApiGatewayDeleteApiOperator:
        return ApiGatewayDeleteApiOperator(task_id="t", **IDENTITY)

    def test_template_fields(self) -> None:
        assert {"api_name", "tags", "aws_conn_id"} <= set(self.delete().template_fields)

    def test_deletes(self, context: Any, script: Any) -> None:
        operator = self.delete()
        script(operator).listed(api()).call("delete_rest_api", {}, restApiId=API)
        assert operator.execute(context) is True

    def test_none_there_or_gone_meanwhile(self, context: Any, script: Any) -> None:
        operator = self.delete()
        script(operator).listed().listed(api()).refuse("delete_rest_api", "NotFoundException", 404)
        assert operator.execute(context) is False
        assert operator.execute(context) is False

    def test_too_many_calls(self, context: Any, script: Any) -> None:
        operator = self.delete()
        script(operator).listed(api()).refuse("delete_rest_api", "TooManyRequestsException", 429)
        with pytest.raises(Unavailable):
            operator.execute(context)

    def test_another_ones_is_left_alone(self, context: Any, script: Any) -> None:
        operator = self.delete()
        script(operator).listed(api(tags={"team": "theirs"}))
        with pytest.raises(CannotReconcile):
            operator.execute(context)
