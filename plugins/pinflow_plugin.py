"""What this package adds to Airflow's user interface."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from pinflow.links.api_gateway import ApiGatewayApiLink, ApiGatewayStageLink
from pinflow.links.cloudformation import CloudFormationStackLink
from pinflow.links.kinesis import KinesisStreamLink
from pinflow.links.msk import MskClusterLink
from pinflow.links.msk_connect import MskConnectConnectorLink
from pinflow.timetables import CronDataIntervalFromTimetable


class PinflowPlugin(AirflowPlugin):
    """Links of our operators, and the timetable of the batch DAG."""

    name = "pinflow"
    operator_extra_links = [  # noqa: RUF012  Airflow's own form
        ApiGatewayApiLink(),
        ApiGatewayStageLink(),
        CloudFormationStackLink(),
        KinesisStreamLink(),
        MskClusterLink(),
        MskConnectConnectorLink(),
    ]
    timetables = [CronDataIntervalFromTimetable]  # noqa: RUF012  Airflow's own form
