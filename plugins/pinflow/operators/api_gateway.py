"""REST APIs of Amazon API Gateway: imported from an OpenAPI document, deployed to a stage, tried out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import BaseOperator

from pinflow.exceptions import CannotReconcile, NotFound, NotSent, Rejected
from pinflow.hooks.api_gateway import (
    DOCUMENT_TAG,
    ApiGatewayHook,
    StageSpec,
    digest,
    missing_variables,
    render,
)
from pinflow.hooks.cloudformation import CloudFormationStackHook
from pinflow.hooks.signed_http import SignedHttpHook
from pinflow.links.api_gateway import ApiGatewayApiLink, ApiGatewayStageLink
from pinflow.links.persisted import persist
from pinflow.operators.waiting import AwsWaitingOperator
from pinflow.triggers.api_gateway import ApiGatewayApiTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

SETTLING = ("PENDING", "UPDATING")
SHOWN_BODY = 500


class ApiGatewayBaseOperator(AwsWaitingOperator[ApiGatewayHook]):
    """What the operators of APIs share: name and tags, by which an API is ours, and errors of the service.

    :param api_name: the API's name. (templated)
    :param tags: the tags that, with the name, are its identity. (templated)
    """

    service = "API Gateway"
    BUSY = ("TooManyRequestsException", "ConflictException", "ServiceUnavailableException")
    MISSING = ("NotFoundException",)
    aws_hook_class = ApiGatewayHook
    ui_color = "#f0e2cf"
    operator_extra_links: Sequence[Any] = (ApiGatewayApiLink(),)
    template_fields: Sequence[str] = aws_template_fields("api_name", "tags")
    template_fields_renderers: ClassVar[dict[str, str]] = {"tags": "json"}

    def __init__(self, *, api_name: str, tags: Mapping[str, str], waiter_delay: int = 5, **kwargs: Any) -> None:
        super().__init__(waiter_delay=waiter_delay, **kwargs)
        self.api_name = api_name
        self.tags = tags

    @property
    def target(self) -> str:
        """What is worked on, as errors call it."""
        return f"the API {self.api_name}"

    def _found(self) -> dict[str, Any]:
        """The API.

        :raises NotFound: there is none.
        """
        found = self.hook.api(self.api_name, self.tags)
        if found is None:
            raise NotFound(
                f"There is no API {self.api_name}.",
                f"API Gateway lists none of this name in {self.hook.conn_region_name}.",
                "Run ./pinflow trigger pinflow_provision.",
            )
        return found


class ApiGatewayImportOperator(ApiGatewayBaseOperator):
    """Create an API from an OpenAPI document, or adopt the one of this name and tags and bring it to the document.

    The API is made empty with its tags in one call, so one whose creation was cut short is found again; then the
    document overwrites all that it has (``PutRestApi``). The document's digest is kept as a tag: the same document is
    not imported twice. Stages keep what they serve until a deployment. It does not see edits made in the console.

    :param api_name: the API's name; the document's title does not count. (templated)
    :param tags: the tags that, with the name, are its identity. (templated)
    :param document_path: the OpenAPI 3 document, YAML or JSON, with ``${AWS::Region}`` and ``${AWS::AccountId}``.
    :param endpoint_type: ``REGIONAL``, ``EDGE`` or ``PRIVATE``.
    :param force: import even though the document is the same. (templated)
    :raises CannotReconcile: an API of this name has not the tags, or several have, or it is FAILED.
    :raises Rejected: API Gateway refuses the document; its warnings are refused too.
    :raises Unavailable: API Gateway has had too many calls.
    :raises WaitTimedOut: it is not available in time.
    """

    template_fields: Sequence[str] = aws_template_fields("api_name", "tags", "force")

    def __init__(
        self,
        *,
        document_path: str | Path,
        endpoint_type: str = "REGIONAL",
        force: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.document_path = str(document_path)
        self.endpoint_type = endpoint_type
        self.force = force

    def execute(self, context: Context) -> dict[str, Any]:
        """Import.

        :returns: ``api_id``, ``document`` (its digest), ``created`` and ``imported``.
        """
        document = self._document()
        found = self.hook.api(self.api_name, self.tags)
        created = found is None
        if found is None:
            found = self._call(
                "create_rest_api",
                name=self.api_name,
                tags=dict(self.tags),
                endpointConfiguration={"types": [self.endpoint_type]},
            )
        same = (found.get("tags") or {}).get(DOCUMENT_TAG) == digest(document)
        result = {"api_id": found["id"], "document": digest(document), "created": created, "imported": False}
        if same and str(self.force).lower() != "true":
            return self._settled(context, found, result)
        return self._settled(context, self._put(found["id"], document), {**result, "imported": True})

    def execute_complete(
        self, context: Context, event: Mapping[str, Any] | None = None, result: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Look again and go on."""
        found = self._found()
        if found.get("apiStatus") in SETTLING:
            self._look_at(event)
        return self._settled(context, found, dict(result or {"api_id": found["id"]}))

    def _settled(self, context: Context, found: Mapping[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        if found.get("apiStatus") in SETTLING and self.waits:
            self._wait(ApiGatewayApiTrigger(result["api_id"], **self.trigger_arguments), result=result)
            found = self._found()
        if found.get("apiStatus") == "FAILED":
            raise CannotReconcile(
                f"The API {self.api_name} is FAILED.",
                f"API Gateway says: {found.get('apiStatusMessage') or 'nothing'}.",
                "Delete it, then clear the task.",
            )
        if found.get("apiStatus") not in SETTLING and result["imported"]:
            # Only now: a document whose import was cut short must be imported again.
            tags = {**self.tags, DOCUMENT_TAG: result["document"]}
            self._call("tag_resource", resourceArn=self.hook.arn(result["api_id"]), tags=tags)
        persist(ApiGatewayApiLink, context, self, api_id=result["api_id"])
        self.log.info("API %s: %s", self.api_name, result)
        return result

    def _put(self, api_id: str, document: str) -> dict[str, Any]:
        answer = self._call(
            "put_rest_api",
            restApiId=api_id,
            mode="overwrite",
            failOnWarnings=True,
            parameters={"endpointConfigurationTypes": self.endpoint_type},
            body=document.encode(),
        )
        if answer.get("name") != self.api_name:
            rename = [{"op": "replace", "path": "/name", "value": self.api_name}]
            answer = self._call("update_rest_api", restApiId=api_id, patchOperations=rename)
        return dict(answer)

    def _document(self) -> str:
        values = {"AWS::Region": self.hook.conn_region_name, "AWS::Partition": self.hook.conn_partition}
        text = Path(self.document_path).read_text(encoding="utf-8")
        if "${AWS::AccountId}" in text:
            values["AWS::AccountId"] = self.hook.account_id
        return render(text, values)


class ApiGatewayDeployOperator(ApiGatewayBaseOperator):
    """Deploy the imported document to a stage, and bring the stage to what is asked for.

    The deployment carries the document's digest as its description: the same document is deployed once, also when the
    task was cut short between the deployment and the stage. It has nothing to wait for.

    :param api_name: the API's name. (templated)
    :param tags: the tags that, with the name, are its identity. (templated)
    :param stage_name: the stage. (templated)
    :param variables: stage variables; ``${gateway.VpcLinkId}`` is the output VpcLinkId of the stack
        ``<stack_prefix>-gateway``. (templated)
    :param stack_prefix: what the names of the stacks begin with. (templated)
    :param document_path: when given, the document whose stage variables must all be there.
    :param rate_limit: requests a second over all methods.
    :param burst_limit: requests at once over all methods.
    :param access_log_arn: the CloudWatch log group for access logs, an ARN or a reference as above. (templated)
    :param access_log_format: one line of ``$context`` variables.
    :param metrics: detailed CloudWatch metrics a method.
    :raises NotFound: the API was not imported.
    :raises Rejected: a stage variable is missing, or API Gateway refuses.
    :raises Unavailable: API Gateway has had too many calls.
    """

    operator_extra_links: Sequence[Any] = (ApiGatewayStageLink(),)
    template_fields: Sequence[str] = aws_template_fields(
        "api_name", "tags", "stage_name", "variables", "stack_prefix", "access_log_arn"
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"tags": "json", "variables": "json"}

    def __init__(
        self,
        *,
        stage_name: str,
        variables: Mapping[str, str] | None = None,
        stack_prefix: str = "",
        document_path: str | Path | None = None,
        rate_limit: float | None = None,
        burst_limit: int | None = None,
        access_log_arn: str | None = None,
        access_log_format: str | None = None,
        metrics: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.stage_name = stage_name
        self.variables = variables
        self.stack_prefix = stack_prefix
        self.document_path = None if document_path is None else str(document_path)
        self.rate_limit = rate_limit
        self.burst_limit = burst_limit
        self.access_log_arn = access_log_arn
        self.access_log_format = access_log_format
        self.metrics = metrics

    def execute(self, context: Context) -> dict[str, Any]:
        """Deploy.

        :returns: ``api_id``, ``stage``, ``deployment_id``, ``url`` and ``changed``, the stage's paths that were set.
        """
        self._check_variables()
        found = self._found()
        document = (found.get("tags") or {}).get(DOCUMENT_TAG)
        if document is None:
            raise NotFound(
                f"The API {self.api_name} has no imported document.",
                f"Its tag {DOCUMENT_TAG} is missing: an import was cut short, or somebody took it away.",
                "Run the task that imports it, then clear this one.",
            )
        api_id, description = found["id"], f"document {document}"
        deployment_id = self.hook.deployment(api_id, description) or self._deploy(api_id, description)
        changed = self._bring(api_id, deployment_id)
        persist(ApiGatewayStageLink, context, self, api_id=api_id, stage_name=self.stage_name)
        url = self.hook.url(api_id, self.stage_name)
        self.log.info("Stage %s, set: %s", url, ", ".join(changed) or "nothing")
        return {
            "api_id": api_id,
            "stage": self.stage_name,
            "deployment_id": deployment_id,
            "url": url,
            "changed": changed,
        }

    def _deploy(self, api_id: str, description: str) -> str:
        return str(self._call("create_deployment", restApiId=api_id, description=description)["id"])

    def _bring(self, api_id: str, deployment_id: str) -> list[str]:
        spec, changed = self._spec(), []
        stage = self.hook.stage(api_id, self.stage_name)
        if stage is None:
            changed = ["/"]
            stage = self._call(
                "create_stage",
                restApiId=api_id,
                stageName=self.stage_name,
                deploymentId=deployment_id,
                variables=dict(spec.variables),
                tags=dict(self.tags),
            )
        patches = spec.patches(stage, deployment_id)
        if patches:
            self._call("update_stage", restApiId=api_id, stageName=self.stage_name, patchOperations=patches)
        return changed + [patch["path"] for patch in patches]

    def _spec(self) -> StageSpec:
        fill = partial(CloudFormationStackHook(**self._hook_parameters).resolve, prefix=self.stack_prefix)
        return StageSpec(
            variables={name: fill(str(value)) for name, value in (self.variables or {}).items()},
            rate_limit=None if self.rate_limit is None else float(self.rate_limit),
            burst_limit=None if self.burst_limit is None else int(self.burst_limit),
            access_log_arn=fill(self.access_log_arn) if self.access_log_arn else None,
            access_log_format=self.access_log_format,
            metrics=self.metrics,
        )

    def _check_variables(self) -> None:
        if self.document_path is None:
            return
        text = Path(self.document_path).read_text(encoding="utf-8")
        if missing := missing_variables(text, list(self.variables or {})):
            raise Rejected(
                f"The stage {self.stage_name} would lack {', '.join(missing)}.",
                f"{Path(self.document_path).name} uses these stage variables, and they are not given.",
                "Add them to gateway.variables in the settings, then clear the task.",
                missing=missing,
            )


class ApiGatewayTestMethodOperator(ApiGatewayBaseOperator):
    """Try a method of an API without deploying it or passing its authentication (``TestInvokeMethod``).

    :param api_name: the API's name. (templated)
    :param tags: the tags that, with the name, are its identity. (templated)
    :param path: the request's path with its query, for instance ``/topics``. (templated)
    :param resource: the resource's path in the document, when it is another, for instance ``/{proxy+}``. (templated)
    :param method: the HTTP method; of a resource with ANY, one that it stands for.
    :param headers: the request's headers. (templated)
    :param body: the request's body as text, or an object that is sent as JSON. (templated)
    :param variables: stage variables, which a test has none of by itself. (templated)
    :param stack_prefix: for references to outputs of stacks in ``variables``. (templated)
    :param expected_status: the HTTP status that is right.
    :raises NotFound: there is no such API or resource.
    :raises Rejected: the answer has another status.
    """

    template_fields: Sequence[str] = aws_template_fields(
        "api_name", "tags", "path", "resource", "headers", "body", "variables", "stack_prefix"
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"tags": "json", "headers": "json", "body": "json"}

    def __init__(
        self,
        *,
        path: str,
        resource: str | None = None,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        variables: Mapping[str, str] | None = None,
        stack_prefix: str = "",
        expected_status: int = 200,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.resource = resource
        self.method = method
        self.headers = headers
        self.body = body
        self.variables = variables
        self.stack_prefix = stack_prefix
        self.expected_status = expected_status

    def execute(self, context: Context) -> dict[str, Any]:
        """Try it.

        :returns: ``status``, ``latency_ms`` and ``body``.
        """
        api_id = self._found()["id"]
        stacks = CloudFormationStackHook(**self._hook_parameters)
        variables = {
            name: stacks.resolve(str(text), self.stack_prefix) for name, text in (self.variables or {}).items()
        }
        answer = self._call(
            "test_invoke_method",
            restApiId=api_id,
            resourceId=self._resource_id(api_id),
            httpMethod=self.method,
            pathWithQueryString=self.path,
            headers=dict(self.headers or {}),
            stageVariables=variables,
            **({} if self.body is None else {"body": _body(self.body)}),
        )
        self.log.info("%s %s: %s in %s ms", self.method, self.path, answer["status"], answer.get("latency"))
        if answer["status"] != self.expected_status:
            raise _other_status(f"{self.method} {self.path}", answer["status"], self.expected_status, answer)
        return {"status": answer["status"], "latency_ms": answer.get("latency"), "body": answer.get("body")}

    def _resource_id(self, api_id: str) -> str:
        resources, wanted = self.hook.resources(api_id), self.resource or self.path.partition("?")[0]
        if wanted not in resources:
            raise NotFound(
                f"The API {self.api_name} has no resource {wanted}.",
                f"It has: {', '.join(sorted(resources))}.",
                "Give `resource` as the document writes it, such as /{proxy+}, then clear the task.",
            )
        return resources[wanted]


class ApiGatewayCallOperator(BaseOperator):
    """Call a deployed stage as a client does, through an HTTP connection, and look at the answer's status.

    A stage in AWS gets a signed request, because its methods ask for one; the sandbox's gateway does not.

    :param path: the request's path, from the stage on. (templated)
    :param method: the HTTP method.
    :param headers: the request's headers. (templated)
    :param body: the request's body as text, or an object that is sent as JSON. (templated)
    :param expected_status: the HTTP status that is right.
    :param gateway_conn_id: the connection. (templated)
    :param aws_conn_id: the connection whose credentials sign. (templated)
    :param region_name: the API's region, for an API with a domain of its own, whose requests are signed only then.
    :raises NotSent: there is nobody at the connection's address, or no credentials to sign with.
    :raises Rejected: the answer has another status.
    """

    ui_color = "#f0e2cf"
    template_fields: Sequence[str] = ("path", "headers", "body", "gateway_conn_id", "aws_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"headers": "json", "body": "json"}

    def __init__(
        self,
        *,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        expected_status: int = 200,
        gateway_conn_id: str = "gateway_default",
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.method = method
        self.headers = headers
        self.body = body
        self.expected_status = expected_status
        self.gateway_conn_id = gateway_conn_id
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name

    def execute(self, context: Context) -> dict[str, Any]:
        """Call it.

        :returns: ``status`` and ``body``.
        """
        from requests.exceptions import ConnectionError as NobodyThere

        hook = SignedHttpHook(
            self.method,
            http_conn_id=self.gateway_conn_id,
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
        )
        data = None if self.body is None else _body(self.body)
        try:
            answer = hook.run(self.path, data, dict(self.headers or {}), extra_options={"check_response": False})
        except NobodyThere as error:
            raise NotSent(
                f"The gateway of {self.gateway_conn_id} does not answer.",
                f"{error}.",
                "Look at the connection and at the stage, then clear the task.",
            ) from error
        if answer.status_code != self.expected_status:
            told = {"body": answer.text}
            raise _other_status(f"{self.method} {self.path}", answer.status_code, self.expected_status, told)
        return {"status": answer.status_code, "body": answer.text[:SHOWN_BODY]}


class ApiGatewayDeleteApiOperator(ApiGatewayBaseOperator):
    """Delete an API with its stages; nothing happens when there is none.

    :param api_name: the API's name. (templated)
    :param tags: the tags that, with the name, are its identity. (templated)
    :raises CannotReconcile: an API of this name has not the tags, or several have.
    :raises Unavailable: API Gateway has had too many calls; it takes one deletion in 30 s.
    """

    operator_extra_links: Sequence[Any] = ()

    def execute(self, context: Context) -> bool:
        """Delete.

        :returns: whether there was one.
        """
        found = self.hook.api(self.api_name, self.tags)
        if found is None:
            return False
        return self._delete("delete_rest_api", restApiId=found["id"])


def _body(given: Any) -> str:
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False, separators=(",", ":"))


def _other_status(request: str, status: int, expected: int, answer: Mapping[str, Any]) -> Rejected:
    told = str(answer.get("body") or "nothing")[:SHOWN_BODY]
    return Rejected(
        f"{request} was answered with {status} instead of {expected}.",
        f"The body says: {told}.",
        "Look at the document, the stage variables and the backend, then clear the task.",
        status=status,
        body=answer.get("body"),
        log=answer.get("log"),
    )
