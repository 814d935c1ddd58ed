"""Deploy one of the stacks: shows what would change, and acts with --yes.

Parameters that other stacks tell are filled in; the rest is given as Key=Value.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from include.aws.cloudformation import ORDER, TemplateError
from include.aws.cloudformation.deployment import Deployment, DeploymentError


def main(arguments: Sequence[str] | None = None, client: Any = None, wait: dict[str, int] | None = None) -> int:
    """Run the command; 0 on success, 1 when the stack did not come about or the call was wrong."""
    parser = argparse.ArgumentParser(prog="python -m include.aws.cloudformation", description=__doc__)
    parser.add_argument("stack", choices=ORDER)
    parser.add_argument("parameters", nargs="*", metavar="Key=Value")
    parser.add_argument("--prefix", default="pinflow")
    parser.add_argument("--region", help="otherwise AWS_REGION or the profile's")
    parser.add_argument("--yes", action="store_true", help="do it")
    given = parser.parse_args(arguments)
    try:
        parameters = dict(_pair(text) for text in given.parameters)
        return _run(Deployment(client or _client(given.region), given.prefix, wait), given.stack, parameters, given.yes)
    except (DeploymentError, TemplateError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _run(deployment: Deployment, name: str, parameters: dict[str, str], yes: bool) -> int:
    plan = deployment.plan(name, parameters)
    for change in plan.changes:
        sys.stdout.write(f"{change}\n")
    if not plan.changes or not yes:
        deployment.drop(plan)
        sys.stdout.write(f"{plan.stack}: {'nothing was done; add --yes' if plan.changes else 'nothing to do'}.\n")
        return 0
    for key, value in deployment.execute(plan).items():
        sys.stdout.write(f"{key} = {value}\n")
    return 0


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise DeploymentError(f"{text!r} is no parameter. Parameters have a name and a value. Write Key=Value.")
    return key, value


def _client(region: str | None) -> Any:
    import boto3

    return boto3.client("cloudformation", region_name=region)


if __name__ == "__main__":
    sys.exit(main())
