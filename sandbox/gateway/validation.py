"""Request validators: required parameters and the body's model.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html
"""

from __future__ import annotations

from jsonschema.exceptions import ValidationError

from sandbox.gateway.document import Method
from sandbox.gateway.exchange import Request
from sandbox.gateway.faults import Fault, Kind
from sandbox.gateway.parameters import missing


def check(method: Method, request: Request) -> None:
    """Refuse a request that its method's validator refuses.

    A media type without a model is not validated, as on AWS.

    :raises Fault: 400 with API Gateway's message.
    """
    if absent := missing(method.required, request):
        raise Fault(Kind.BAD_REQUEST_PARAMETERS, f"Missing required request parameters: [{', '.join(absent)}]")
    model = method.models.get(request.media_type)
    if model is None:
        return
    try:
        document = request.document
    except ValueError as error:
        raise Fault(Kind.BAD_REQUEST_BODY, detail=f"[the body is not JSON: {error}]") from None
    if problems := sorted(_text(error) for error in model.iter_errors(document)):
        raise Fault(Kind.BAD_REQUEST_BODY, detail=f"[{', '.join(problems)}]")


def _text(error: ValidationError) -> str:
    path = ".".join(str(step) for step in error.absolute_path)
    message = _message(error)
    shown = message if len(message) <= 200 else f"{message[:80]} ... {message[-117:]}"
    return f"{path}: {shown}" if path else shown


def _message(error: ValidationError) -> str:
    causes = error.context or ()
    if error.validator == "anyOf" and all(cause.validator == "required" for cause in causes):
        return " or ".join(cause.message for cause in causes)
    return error.message
