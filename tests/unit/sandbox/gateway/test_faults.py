from __future__ import annotations

import json

import pytest

from sandbox.gateway.exchange import Response, header
from sandbox.gateway.faults import CustomResponse, Fault, Kind, answer

CONTEXT = {"requestId": "r-1", "identity": {"sourceIp": "10.0.0.9"}, "stage": "dev"}

# From API Gateway's page of gateway response types and from recorded answers.
EXPECTED = [
    (
        Kind.MISSING_AUTHENTICATION_TOKEN,
        403,
        "MissingAuthenticationTokenException",
        '{"message":"Missing Authentication Token"}',
    ),
    (Kind.FORBIDDEN, 403, "ForbiddenException", '{"message":"Forbidden"}'),
    (Kind.BAD_REQUEST_BODY, 400, "BadRequestException", '{"message":"Invalid request body"}'),
    (Kind.UNSUPPORTED_MEDIA_TYPE, 415, "UnsupportedMediaTypeException", '{"message":"Unsupported Media Type"}'),
    (Kind.REQUEST_TOO_LARGE, 413, "RequestTooLargeException", "HTTP content length exceeded 10485760 bytes."),
    (Kind.API_CONFIGURATION_ERROR, 500, "InternalServerErrorException", '{"message":"Internal server error"}'),
    (Kind.BAD_GATEWAY, 502, "InternalServerErrorException", '{"message":"Internal server error"}'),
    (
        Kind.INTEGRATION_FAILURE,
        504,
        "InternalServerErrorException",
        '{"message":"Network error communicating with endpoint"}',
    ),
    (Kind.INTEGRATION_TIMEOUT, 504, "InternalServerErrorException", '{"message":"Endpoint request timed out"}'),
]


def custom(fault: Fault, **entries: CustomResponse) -> Response:
    return answer(fault, CONTEXT, entries)


@pytest.mark.parametrize(("kind", "status", "error_type", "body"), EXPECTED)
def test_api_gateways_own_answers(kind: Kind, status: int, error_type: str, body: str) -> None:
    made = answer(Fault(kind), CONTEXT, {})
    assert (made.status, made.body.decode()) == (status, body)
    assert header(made.headers, "x-amzn-errortype") == error_type
    assert header(made.headers, "content-type") == (
        "text/plain" if kind is Kind.REQUEST_TOO_LARGE else "application/json"
    )


def test_the_cause_is_not_told_to_the_client() -> None:
    made = answer(Fault(Kind.INTEGRATION_FAILURE, cause="connection refused by 10.1.2.3"), CONTEXT, {})
    assert b"10.1.2.3" not in made.body


class TestCustomised:
    def test_variables_are_filled_in_and_quoted_ones_escaped(self) -> None:
        template = (
            '{"m":$context.error.messageString,"d":"$context.error.validationErrorString",'
            '"t":"$context.error.responseType","r":"${context.requestId}","ip":"$context.identity.sourceIp",'
            '"mixed":"id $context.requestId.","none":"$context.nope"}'
        )
        fault = Fault(Kind.BAD_REQUEST_BODY, detail='["a" is \\ missing]')
        made = custom(fault, BAD_REQUEST_BODY=CustomResponse(templates={"application/json": template}))
        assert json.loads(made.body) == {
            "m": "Invalid request body",
            "d": '["a" is \\ missing]',
            "t": "BAD_REQUEST_BODY",
            "r": "r-1",
            "ip": "10.0.0.9",
            "mixed": "id r-1.",
            "none": "",
        }

    def test_directives_are_not_run(self) -> None:
        made = custom(
            Fault(Kind.BAD_REQUEST_BODY), DEFAULT_4XX=CustomResponse(templates={"text/plain": "#if($x)a#end"})
        )
        assert (made.body, header(made.headers, "content-type")) == (b"#if($x)a#end", "text/plain")

    def test_status_and_static_headers(self) -> None:
        entry = CustomResponse(status=422, parameters={"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"})
        made = custom(Fault(Kind.BAD_REQUEST_BODY), BAD_REQUEST_BODY=entry)
        assert (made.status, header(made.headers, "access-control-allow-origin")) == (422, "*")

    def test_a_type_wins_over_its_family(self) -> None:
        entries = {"DEFAULT_5XX": CustomResponse(status=599), "INTEGRATION_TIMEOUT": CustomResponse(status=598)}
        assert custom(Fault(Kind.INTEGRATION_TIMEOUT), **entries).status == 598
        assert custom(Fault(Kind.INTEGRATION_FAILURE), **entries).status == 599
        assert custom(Fault(Kind.BAD_REQUEST_BODY), **entries).status == 400

    def test_an_unknown_stage_has_no_api_to_customise_it(self) -> None:
        assert custom(Fault(Kind.FORBIDDEN), DEFAULT_4XX=CustomResponse(status=499)).status == 403
