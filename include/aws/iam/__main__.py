"""Print the policies of one role, or the names of all: ``python -m include.aws.iam [ROLE]``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from include.aws.iam import roles


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 on success, 2 when there is no such role."""
    parser = argparse.ArgumentParser(prog="python -m include.aws.iam", description=__doc__)
    parser.add_argument("role", nargs="?", help="logical id in the template, for example ConnectRole")
    parser.add_argument("--account", default="123456789012")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--prefix", default="pinflow")
    given = parser.parse_args(arguments)
    pseudo = {"AWS::AccountId": given.account, "AWS::Region": given.region}
    found = roles({"Prefix": given.prefix}, pseudo)
    if given.role is None:
        sys.stdout.write("".join(f"{role.logical_id:20} {role.name}\n" for role in found.values()))
        return 0
    if given.role not in found:
        sys.stderr.write(f"There is no role {given.role!r} in the templates. Use one of: {', '.join(found)}.\n")
        return 2
    role = found[given.role]
    document = {"name": role.name, "trust": role.trust, "policies": role.policies, "managed": role.managed}
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
