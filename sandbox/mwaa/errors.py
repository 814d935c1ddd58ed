"""What can go wrong on the way to MWAA.

::

    MwaaError
    ├── BundleError      the bundle cannot be built or is not what it says
    ├── DeployError      the account or the environment refuses; the text says what was done before
    └── SecretsError     a connection or variable that cannot be written
"""

from __future__ import annotations


class MwaaError(RuntimeError):
    """The root of the tree.

    :param what: what went wrong, one sentence.
    :param why: the reason as far as it is known, one sentence.
    :param mend: what to do, ending in the next command.
    """

    def __init__(self, what: str, why: str, mend: str) -> None:
        super().__init__(f"{what} {why} {mend}")
        self.what, self.why, self.mend = what, why, mend


class BundleError(MwaaError):
    """The bundle cannot be built or is not what it says."""


class DeployError(MwaaError):
    """The account or the environment refuses; the text says what was done before."""


class SecretsError(MwaaError):
    """A connection or variable that cannot be written."""
