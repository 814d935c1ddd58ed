"""What can go wrong with an estimate.

::

    CostError
    ├── PricesError       the prices file cannot be used
    ├── NoPriceError      it has no price for a type
    ├── ParameterError    a template has no such parameter, or it refuses the value
    ├── WorkloadError     the amounts make no sense
    └── NotCostedError    the estimate does not know this resource or setting
"""

from __future__ import annotations


class CostError(ValueError):
    """The root of the tree.

    :param what: what went wrong, one sentence.
    :param why: the reason, one sentence.
    :param mend: what to do.
    """

    def __init__(self, what: str, why: str, mend: str) -> None:
        super().__init__(f"{what} {why} {mend}")
        self.what, self.why, self.mend = what, why, mend


class PricesError(CostError):
    """The prices file cannot be used."""


class NoPriceError(CostError):
    """The prices file has no price for a type."""


class ParameterError(CostError):
    """A template has no such parameter, or refuses the value."""


class WorkloadError(CostError):
    """The amounts make no sense."""


class NotCostedError(CostError):
    """The estimate does not know this resource or setting."""
