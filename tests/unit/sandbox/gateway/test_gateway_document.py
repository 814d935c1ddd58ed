"""The document that AWS imports: its form, and that the parts of it that we can check agree with each other."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator

from include import contracts
from sandbox.gateway.__main__ import DOCUMENT
from sandbox.gateway.document import DocumentError, load, read
from sandbox.gateway.faults import Fault, Kind
from sandbox.gateway.router import Router
from sandbox.gateway.stages import Stages

TEXT = DOCUMENT.read_text(encoding="utf-8")
CONTENT: dict[str, Any] = yaml.safe_load(TEXT)
ANY = "x-amazon-apigateway-any-method"
INTEGRATION = "x-amazon-apigateway-integration"
VARIABLES = {"restProxy", "topicPrefix", "vpcLinkId", "kinesisRole"}
KINESIS = {
    ("/streams", "get"): "ListStreams",
    ("/streams/{stream-name}", "get"): "DescribeStream",
    ("/streams/{stream-name}", "post"): "CreateStream",
    ("/streams/{stream-name}", "delete"): "DeleteStream",
    ("/streams/{stream-name}/record", "put"): "PutRecord",
    ("/streams/{stream-name}/records", "get"): "GetRecords",
    ("/streams/{stream-name}/records", "put"): "PutRecords",
    ("/streams/{stream-name}/sharditerator", "get"): "GetShardIterator",
}


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, verb, operation) for path, item in CONTENT["paths"].items() for verb, operation in item.items()]


OPERATIONS = operations()
NAMES = [f"{verb.removeprefix('x-amazon-apigateway-')} {path}" for path, verb, _ in OPERATIONS]
each_operation = pytest.mark.parametrize(("path", "verb", "operation"), OPERATIONS, ids=NAMES)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from [value["$ref"]] if "$ref" in value else []
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


class TestForm:
    def test_is_openapi_3_0_1_with_what_aws_asks_for(self) -> None:
        assert CONTENT["openapi"] == "3.0.1"
        assert set(CONTENT["info"]) == {"title", "version", "description"}
        assert isinstance(CONTENT["info"]["version"], str)

    def test_has_no_yaml_anchors_and_no_binary_media_types(self) -> None:
        assert not re.search(r"(:\s|-\s)[&*]\w", TEXT)
        assert "x-amazon-apigateway-binary-media-types" not in CONTENT

    def test_every_path_has_segments_that_api_gateway_takes(self) -> None:
        for path in CONTENT["paths"]:
            for segment in path.strip("/").split("/"):
                assert re.fullmatch(r"[\w.,:-]*|\{[\w.-]+\+?\}", segment), path
            assert path == "/" or not path.endswith("/"), "API Gateway has no resources with a last slash"
            assert path.find("+}") in (-1, len(path) - 2), "a greedy parameter must be the last one"

    def test_status_codes_are_texts(self) -> None:
        for _, _, operation in OPERATIONS:
            assert all(isinstance(code, str) for code in operation["responses"])
            assert all(isinstance(entry["statusCode"], str) for entry in operation[INTEGRATION]["responses"].values())

    def test_references_lead_somewhere(self) -> None:
        found = set(references(CONTENT["paths"]))
        assert found == {f"#/components/schemas/{name}" for name in CONTENT["components"]["schemas"]}

    def test_no_address_account_or_key_is_written_down(self) -> None:
        assert not re.search(r"127\.0\.0\.1|localhost|amazonaws\.com|AKIA|\d{12}", TEXT)


class TestOperations:
    @each_operation
    def test_path_parameters_are_declared_and_mapped(self, path: str, verb: str, operation: dict[str, Any]) -> None:
        in_path = set(re.findall(r"\{([^}+]+)\+?\}", path))
        declared = {entry["name"] for entry in operation.get("parameters", []) if entry["in"] == "path"}
        assert declared == in_path
        uri = re.sub(r"\$\{[^}]*\}", "", operation[INTEGRATION]["uri"])
        for name in re.findall(r"\{([^}]+)\}", uri):
            assert f"integration.request.path.{name}" in operation[INTEGRATION]["requestParameters"]

    @each_operation
    def test_mapped_request_parameters_are_declared(self, path: str, verb: str, operation: dict[str, Any]) -> None:
        places = {"path": "path", "query": "querystring", "header": "header"}
        declared = {
            f"method.request.{places[entry['in']]}.{entry['name']}" for entry in operation.get("parameters", [])
        }
        used = {
            source
            for source in operation[INTEGRATION].get("requestParameters", {}).values()
            if not source.startswith("'")
        }
        assert used <= declared

    @each_operation
    def test_the_integration_is_whole(self, path: str, verb: str, operation: dict[str, Any]) -> None:
        integration = operation[INTEGRATION]
        assert integration["timeoutInMillis"] == 29_000
        assert "default" in integration["responses"]
        if path.startswith("/streams"):
            assert (integration["type"], integration["httpMethod"]) == ("aws", "POST")
            assert integration["uri"].rpartition("/")[2] == KINESIS[path, verb]
            assert integration["credentials"].endswith(":role/${stageVariables.kinesisRole}")
            assert list(integration["requestTemplates"]) == ["application/json"]
        else:
            assert integration["type"] in {"http_proxy", "http"}
            assert integration["connectionType"] == "VPC_LINK"
            assert integration["connectionId"] == "${stageVariables.vpcLinkId}"

    def test_all_routes_of_kinesis_are_there(self) -> None:
        assert {(path, verb) for path, verb, _ in OPERATIONS if path.startswith("/streams")} == set(KINESIS)

    @pytest.mark.parametrize("route", KINESIS, ids=" ".join)
    @pytest.mark.parametrize("status", [201, 302, 400, 403, 404, 429, 500, 503])
    def test_no_answer_of_kinesis_but_200_becomes_200(self, route: tuple[str, str], status: int) -> None:
        responses = CONTENT["paths"][route[0]][route[1]][INTEGRATION]["responses"]
        chosen = next((entry for key, entry in responses.items() if re.fullmatch(key, str(status))), None)
        assert (chosen or responses["default"])["statusCode"] == (str(status) if chosen else "502")
        assert "responseTemplates" not in (chosen or responses["default"]), "the error passes as Kinesis wrote it"

    @each_operation
    def test_every_status_that_a_mapping_gives_is_a_method_response(
        self, path: str, verb: str, operation: dict[str, Any]
    ) -> None:
        mapped = {entry["statusCode"] for entry in operation[INTEGRATION]["responses"].values()}
        overridden = set(re.findall(r"responseOverride\.status = (\d+)", str(operation[INTEGRATION])))
        assert mapped | overridden <= set(operation["responses"])

    @each_operation
    def test_only_documented_stage_variables_are_used(self, path: str, verb: str, operation: dict[str, Any]) -> None:
        assert set(re.findall(r"stageVariables\.(\w+)", str(operation))) <= VARIABLES
        assert all(name in CONTENT["info"]["description"] for name in VARIABLES)

    @each_operation
    def test_response_patterns_do_not_overlap(self, path: str, verb: str, operation: dict[str, Any]) -> None:
        patterns = [pattern for pattern in operation[INTEGRATION]["responses"] if pattern != "default"]
        for status in range(100, 600):
            assert sum(bool(re.fullmatch(pattern, str(status))) for pattern in patterns) <= 1

    @each_operation
    def test_validators_exist(self, path: str, verb: str, operation: dict[str, Any]) -> None:
        name = operation.get("x-amazon-apigateway-request-validator")
        assert name is None or name in CONTENT["x-amazon-apigateway-request-validators"]


class TestModels:
    def test_the_pin_model_is_the_contract(self) -> None:
        assert CONTENT["components"]["schemas"]["Pin"] == contracts.model("pin")

    @pytest.mark.parametrize("name", list(CONTENT["components"]["schemas"]))
    def test_models_are_draft_4_without_lists_of_types_and_without_null(self, name: str) -> None:
        schema = CONTENT["components"]["schemas"][name]
        Draft4Validator.check_schema(schema)
        assert re.fullmatch(r"[A-Za-z0-9]+", name)
        assert not re.search(r"'type': (\[|'null')|'nullable'|'const'|'\$id'|'\$schema'", str(schema))


class TestRunner:
    def test_loads_and_knows_the_stage_variables(self) -> None:
        api = load(DOCUMENT)
        assert api.title == "pinflow"
        assert {name for method in api.methods for name in method.integration.stage_variables} == VARIABLES - {
            "vpcLinkId",
            "kinesisRole",
        }
        assert Stages.of(("dev",), {"restProxy": "h:1", "topicPrefix": "p"}, api).names == {"dev"}

    @pytest.mark.parametrize(
        ("verb", "path", "resource"),
        [
            ("GET", "/", "/"),
            ("GET", "/topics", "/{proxy+}"),
            ("POST", "/topics/pinflow.pin", "/{proxy+}"),
            ("POST", "/v3/clusters/c/topics/t/records:batch", "/{proxy+}"),
            ("DELETE", "/consumers/g/instances/i", "/{proxy+}"),
            ("POST", "/pin", "/pin"),
            ("POST", "/pin/", "/pin"),
            ("POST", "/send_data", "/send_data"),
            ("GET", "/streams", "/streams"),
            ("GET", "/streams/", "/streams"),
            ("PUT", "/streams/s/records/", "/streams/{stream-name}/records"),
            ("PUT", "/streams/s/record", "/streams/{stream-name}/record"),
            ("POST", "/streams/record", "/streams/{stream-name}"),
            ("GET", "/streams/s/sharditerator", "/streams/{stream-name}/sharditerator"),
            ("PUT", "/kinesis/streams/s/record", "/{proxy+}"),
        ],
    )
    def test_routes(self, verb: str, path: str, resource: str) -> None:
        assert Router(load(DOCUMENT)).match(verb, path)[0].path == resource

    @pytest.mark.parametrize(("verb", "path"), [("PATCH", "/streams"), ("PUT", "/streams/record"), ("PUT", "/streams")])
    def test_a_resource_of_kinesis_never_falls_through_to_the_proxy(self, verb: str, path: str) -> None:
        with pytest.raises(Fault) as caught:
            Router(load(DOCUMENT)).match(verb, path)
        assert caught.value.kind is Kind.MISSING_AUTHENTICATION_TOKEN

    def test_the_pseudo_parameters_are_filled_in(self) -> None:
        method = Router(load(DOCUMENT)).match("GET", "/streams")[0]
        assert method.integration.uri == "arn:aws:apigateway:us-east-1:kinesis:action/ListStreams"
        assert set(re.findall(r"\$\{(AWS::\w+)\}", TEXT)) == {"AWS::Region", "AWS::AccountId"}

    def test_another_placeholder_is_refused(self, tmp_path: Path) -> None:
        changed = tmp_path / "gateway.yaml"
        changed.write_text(TEXT.replace("${AWS::Region}", "${AWS::StackName}"))
        with pytest.raises(DocumentError, match=r"\$\{AWS::StackName\} in the uri is not filled in"):
            load(changed)

    @pytest.mark.parametrize("route", KINESIS, ids=" ".join)
    def test_a_template_that_lost_its_signs_is_refused_with_its_place(self, route: tuple[str, str]) -> None:
        broken = copy.deepcopy(CONTENT)
        integration = broken["paths"][route[0]][route[1]][INTEGRATION]
        template = integration["requestTemplates"]["application/json"]
        integration["requestTemplates"]["application/json"] = template.replace("$", "")
        with pytest.raises(DocumentError) as caught:
            read(broken)
        assert str(caught.value).startswith(f"{route[1].upper()} {route[0]}, requestTemplates application/json, line ")
        assert "the template has lost its $ signs" in str(caught.value)
