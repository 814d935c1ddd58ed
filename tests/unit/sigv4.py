"""What AWS works out of a request that it got, by its rules and not by botocore.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SIGNED = ("content-type", "host", "x-amz-date", "x-amz-security-token")


def authorization(method: str, path: str, headers: Mapping[str, str], body: bytes, region: str, query: str = "") -> str:
    """The header ``Authorization``, for API Gateway and the key above; the query is given in canonical order."""
    lower = {name.lower(): value for name, value in headers.items()}
    moment = lower["x-amz-date"]
    scope = f"{moment[:8]}/{region}/execute-api/aws4_request"
    names = [name for name in SIGNED if name in lower]
    lines = [f"{name}:{lower[name]}" for name in names]
    digest = hashlib.sha256(body).hexdigest()
    canonical = "\n".join([method, path, query, *lines, "", ";".join(names), digest])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    mark = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={';'.join(names)}, Signature={mark}"
