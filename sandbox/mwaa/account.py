"""Clients of an AWS account, and its refusals in words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
)
from botocore.exceptions import ConnectionError as NotReached

from sandbox.mwaa.errors import DeployError


def client(service: str, region: str | None = None) -> Any:
    """A client that takes credentials, profile, region and ``AWS_ENDPOINT_URL*`` from the environment.

    MWAA's calls go to ``api.<endpoint>``; an endpoint that the environment names is taken as it is.
    """
    own = {"AWS_ENDPOINT_URL", f"AWS_ENDPOINT_URL_{service.upper()}"} & os.environ.keys()
    config = Config(
        retries={"mode": "standard"}, connect_timeout=10, read_timeout=60, inject_host_prefix=False if own else None
    )
    with said_plainly():
        return boto3.client(service, region_name=region, config=config)


@contextmanager
def said_plainly() -> Iterator[None]:
    """Tell what botocore raises in three parts.

    :raises DeployError: AWS refused, or was not reached.
    """
    try:
        yield
    except (NoCredentialsError, NoRegionError) as error:
        raise DeployError(
            "There is no access to AWS.",
            f"{error}." if not str(error).endswith(".") else str(error),
            "Sign in (aws sso login) or set AWS_PROFILE and AWS_REGION, then run the command again.",
        ) from error
    except ClientError as error:
        detail = error.response["Error"]
        raise DeployError(
            f"AWS refused {error.operation_name}.",
            f"It says {detail['Code']}: {detail.get('Message', '')}.",
            "Look at your role's permissions (docs/mwaa.md), then run the command again; it goes on where it was.",
        ) from error
    except (NotReached, HTTPClientError) as error:
        raise DeployError(
            "AWS was not reached.", f"{error}.", "Look at the network and AWS_ENDPOINT_URL, then run it again."
        ) from error
    except BotoCoreError as error:
        raise DeployError("The call could not be made.", f"{error}.", "Mend it, then run the command again.") from error
