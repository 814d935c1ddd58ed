"""A person's word before something that cannot be undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.exceptions import HITLRejectException, HITLTimeoutError
from airflow.providers.standard.operators.hitl import ApprovalOperator

from pinflow.exceptions import NotApproved

if TYPE_CHECKING:
    from airflow.sdk import Context


class ApprovalGateOperator(ApprovalOperator):
    """Ask a person in Airflow's user interface, unless the run was approved when it was triggered.

    A no, or no answer within ``response_timeout``, fails the task, and it is not tried again under ``FAIL_FAST``.

    :param approved: ``True`` or ``true`` when nobody needs to be asked, for instance a DAG's parameter that CI sets.
        (templated)
    :param subject: the question. (templated)
    :raises NotApproved: the answer was no, or there was none.
    """

    template_fields: Sequence[str] = (*ApprovalOperator.template_fields, "approved")

    def __init__(self, *, approved: bool | str = False, **kwargs: Any) -> None:
        super().__init__(fail_on_reject=True, **kwargs)
        self.approved = approved

    def execute(self, context: Context) -> Any:
        """Ask, or go on.

        :returns: what was answered, nothing when nobody was asked.
        """
        if str(self.approved).lower() == "true":
            self.log.info("Approved when the run was triggered")
            return None
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Take the answer."""
        try:
            return super().execute_complete(context, event)
        except (HITLRejectException, HITLTimeoutError) as error:
            raise NotApproved(
                f"{self.subject} was not approved.",
                "The answer was no." if isinstance(error, HITLRejectException) else "Nobody answered in time.",
                "Nothing was changed. Trigger the DAG again to be asked again.",
            ) from error
