from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from sandbox.gateway.document import DocumentError, load, read
from tests.unit.sandbox.gateway.conftest import ANY, document, http_method, proxy_method, proxy_paths

INTEGRATION = "x-amazon-apigateway-integration"


def refused(content: Any) -> str:
    with pytest.raises(DocumentError) as caught:
        read(content)
    return str(caught.value)


class TestReading:
    def test_methods_and_their_integrations(self) -> None:
        api = read(document({**proxy_paths(), "/made": {"post": http_method(timeoutInMillis=5000), "summary": "text"}}))
        assert {(method.verb, method.path, method.integration.kind) for method in api.methods} == {
            ("ANY", "/{proxy+}", "http_proxy"),
            ("POST", "/made", "http"),
        }
        assert api.resources["/made"]["POST"].integration.timeout == 5.0
        assert api.resources["/{proxy+}"]["ANY"].integration.timeout == 29.0

    def test_json_is_read_as_well_as_yaml(self, tmp_path: Path) -> None:
        path = tmp_path / "openapi.json"
        path.write_text(json.dumps(document(proxy_paths())))
        assert list(load(path).resources) == ["/{proxy+}"]

    def test_stage_variables_are_filled_in(self) -> None:
        api = read(
            document({"/a": {"get": http_method("http://${stageVariables.host}/x/${stageVariables.topic}.pin")}})
        )
        integration = api.resources["/a"]["GET"].integration
        assert integration.stage_variables == {"host", "topic"}
        assert integration.address({"host": "h:1", "topic": "t"}) == "http://h:1/x/t.pin"

    def test_a_default_validator_for_all_methods(self) -> None:
        method = {
            **http_method(),
            "parameters": [{"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}],
        }
        extras = {
            "x-amazon-apigateway-request-validators": {
                "v": {"validateRequestBody": False, "validateRequestParameters": True}
            },
            "x-amazon-apigateway-request-validator": "v",
        }
        assert read(document({"/a": {"post": method}}, **extras)).resources["/a"]["POST"].required == (
            ("querystring", "q"),
        )

    def test_without_a_validator_nothing_is_required(self) -> None:
        method = {
            **http_method(),
            "parameters": [{"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}],
        }
        assert read(document({"/a": {"post": method}})).resources["/a"]["POST"].required == ()


class TestRefusals:
    @pytest.mark.parametrize(
        "content", [None, [], "x", {}, {"openapi": "2.0"}, {"swagger": "2.0"}, {"openapi": "3.1.0"}]
    )
    def test_other_documents(self, content: Any) -> None:
        assert "not an OpenAPI 3.0 document" in refused(content)

    def test_no_method_at_all(self) -> None:
        assert "has no method with x-amazon-apigateway-integration" in refused(document({}))

    def test_a_method_without_integration(self) -> None:
        assert refused(document({"/a": {"get": {"responses": {}}}})).startswith(f"GET /a has no {INTEGRATION}")

    @pytest.mark.parametrize("kind", ["aws_proxy", "mock", "", "HTTPS"])
    def test_a_type_that_cannot_be_run(self, kind: str) -> None:
        text = refused(document({"/a": {"get": http_method(type=kind)}}))
        assert text.startswith("GET /a: the integration type")
        assert text.endswith("Use http_proxy, http, aws.")

    def test_an_undeclared_path_parameter(self) -> None:
        method = proxy_method()
        del method["parameters"]
        assert refused(document({"/{proxy+}": {ANY: method}})).startswith(
            "ANY /{proxy+}: the path parameter proxy is not declared"
        )

    def test_a_placeholder_that_nothing_fills(self) -> None:
        text = refused(document({"/a": {"get": http_method("http://h/{topic}")}}))
        assert text == (
            "GET /a: {topic} in the uri is filled by nothing. "
            "Map it in requestParameters: integration.request.path.topic: method.request.path.topic."
        )

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"passthroughBehavior": "sometimes"}, "passthroughBehavior sometimes is unknown"),
            ({"timeoutInMillis": 30_000}, "timeoutInMillis is 30000; API Gateway takes 50 to 29000"),
            ({"timeoutInMillis": 10}, "timeoutInMillis is 10"),
            ({"uri": ""}, "the integration has no uri"),
            ({"responses": {"4(": {"statusCode": "400"}}}, "response 4(: the pattern is no regular expression"),
            ({"responses": {"default": {}}}, "response default has no statusCode"),
        ],
    )
    def test_settings_out_of_bounds(self, change: dict[str, Any], text: str) -> None:
        found = refused(document({"/a": {"post": http_method(**change)}}))
        assert found.startswith("POST /a")
        assert text in found

    def test_a_template_that_lost_its_signs_names_path_method_media_type_and_line(self) -> None:
        source = '{\n"a": "input.path(\'.Data\')"\n}'
        paths = {"/streams/{name}/record": {"put": http_method(requestTemplates={"application/json": source})}}
        paths["/streams/{name}/record"]["put"]["parameters"] = [{"name": "name", "in": "path", "required": True}]
        found = refused(document(paths))
        assert found.startswith("PUT /streams/{name}/record, requestTemplates application/json, line 2, ")
        assert '"a": "input.path(\'.Data\')"' in found
        assert "has no $ sign" in found

    def test_a_response_template_is_checked_too(self) -> None:
        responses = {"4\\d{2}": {"statusCode": "400", "responseTemplates": {"application/json": "#if(x)a#end"}}}
        found = refused(document({"/a": {"post": http_method(responses=responses)}}))
        assert found.startswith("POST /a, response 4\\d{2}, responseTemplates application/json, line 1, ")

    def test_an_unknown_validator_and_an_unknown_model(self) -> None:
        method = {**http_method(), "x-amazon-apigateway-request-validator": "v"}
        assert "the request validator v is not defined" in refused(document({"/a": {"post": method}}))
        method["requestBody"] = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/No"}}}}
        validators = {"v": {"validateRequestBody": True}}
        extras = {"x-amazon-apigateway-request-validators": validators}
        assert "#/components/schemas/No is not a model" in refused(document({"/a": {"post": method}}, **extras))

    def test_a_gateway_response_that_is_never_sent(self) -> None:
        extras = {"x-amazon-apigateway-gateway-responses": {"THROTTLEDD": {"statusCode": "429"}}}
        assert "names THROTTLEDD" in refused(document(proxy_paths(), **extras))

    @pytest.mark.parametrize(("text", "expected"), [("a: [", "neither YAML nor JSON"), (None, "cannot be read")])
    def test_files_that_cannot_be_read(self, tmp_path: Path, text: str | None, expected: str) -> None:
        path = tmp_path / "d.yaml"
        if text is not None:
            path.write_text(text)
        with pytest.raises(DocumentError, match=expected):
            load(path)

    def test_the_document_itself_is_not_changed(self) -> None:
        content = document(proxy_paths())
        before = deepcopy(content)
        read(content)
        assert content == before
