"""What there is of a platform, and whether any of it is billed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from pinflow.exceptions import NotFound, NotSent, ResourcesLeft, shortened
from pinflow.hooks.api_gateway import ApiGatewayHook
from pinflow.hooks.cloudformation import CloudFormationStackHook
from pinflow.hooks.inventory import TaggedResourcesHook
from pinflow.hooks.kafka_rest import KafkaRestHook
from pinflow.hooks.kinesis import KinesisStreamsHook
from pinflow.hooks.msk import MskHook
from pinflow.hooks.msk_connect import MskConnectHook
from pinflow.hooks.s3 import VersionedBucketHook

if TYPE_CHECKING:
    from airflow.sdk import Context

UNBILLED = ("plugins",)
TAG = "pinflow"


class PlatformInventoryOperator(AwsBaseOperator[TaggedResourcesHook]):
    """List what is left of a platform, by name and by the tag ``pinflow``, and fail if any of it is billed.

    What is left is looked for again for a while, as some services list for minutes what is gone. Topics are asked for
    only while there is a cluster.

    :param prefix: what names begin with; also the value of the tag. (templated)
    :param cluster_name: the MSK cluster whose topics count. (templated)
    :param connector_name: the connector. (templated)
    :param plugin_name: the custom plugin. (templated)
    :param stream_prefix: what the names of the streams begin with. (templated)
    :param api_name: the API. (templated)
    :param buckets: buckets that must be gone. (templated)
    :param kept_stacks: stacks that stay, with all that is in them. (templated)
    :param attempts: how many looks.
    :param delay: seconds between two looks.
    :param kafka_rest_conn_id: the connection. (templated)
    :raises ResourcesLeft: something that is billed is there.
    """

    aws_hook_class = TaggedResourcesHook
    ui_color = "#e3e3e3"
    template_fields: Sequence[str] = aws_template_fields(
        "prefix",
        "cluster_name",
        "connector_name",
        "plugin_name",
        "stream_prefix",
        "api_name",
        "buckets",
        "kept_stacks",
        "kafka_rest_conn_id",
    )

    def __init__(
        self,
        *,
        prefix: str,
        cluster_name: str,
        connector_name: str,
        plugin_name: str,
        stream_prefix: str,
        api_name: str,
        buckets: Sequence[str] = (),
        kept_stacks: Sequence[str] = (),
        attempts: int = 30,
        delay: float = 10,
        kafka_rest_conn_id: str = KafkaRestHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prefix = prefix
        self.cluster_name = cluster_name
        self.connector_name = connector_name
        self.plugin_name = plugin_name
        self.stream_prefix = stream_prefix
        self.api_name = api_name
        self.buckets = buckets
        self.kept_stacks = kept_stacks
        self.attempts = attempts
        self.delay = delay
        self.kafka_rest_conn_id = kafka_rest_conn_id

    def execute(self, context: Context) -> dict[str, list[str]]:
        """Look.

        :returns: what is left and costs nothing, names by kind.
        """
        left = self._left()
        for _ in range(self.attempts - 1):
            if not _billed(left):
                break
            self.log.info("Left, perhaps for a moment: %s", left)
            time.sleep(self.delay)
            left = self._left()
        for kind, names in left.items():
            self.log.info("Left, %s: %s", kind, ", ".join(names))
        for name in self.kept_stacks:
            self.log.info("Kept, because the settings say that it exists: the stack %s with all that is in it", name)
        if billed := _billed(left):
            told = [f"{kind} {shortened(names, 5)}" for kind, names in billed.items()]
            raise ResourcesLeft(
                f"{sum(map(len, billed.values()))} things that are billed are left of {self.prefix}.",
                f"{'; '.join(told)}.",
                "Clear the task that deletes them, or delete them by hand, then clear this one.",
                left=left,
            )
        return left

    def _left(self) -> dict[str, list[str]]:
        found = {kind: look() for kind, look in self._looks.items()}
        return {kind: sorted(names) for kind, names in found.items() if names}

    @property
    def _looks(self) -> dict[str, Callable[[], list[str]]]:
        given = self._hook_parameters
        return {
            "connectors": lambda: MskConnectHook(**given).connectors(self.connector_name),
            "plugins": lambda: MskConnectHook(**given).plugins(self.plugin_name),
            "topics": self._topics,
            "streams": lambda: KinesisStreamsHook(**given).streams(self.stream_prefix),
            "APIs": self._apis,
            "buckets": lambda: [name for name in self.buckets if VersionedBucketHook(**given).exists(name)],
            "stacks": self._stacks,
            "tagged": lambda: self.hook.tagged(TAG, self.prefix, self.kept_stacks),
        }

    def _topics(self) -> list[str]:
        try:
            MskHook(**self._hook_parameters).cluster(self.cluster_name)
            topics = KafkaRestHook(self.kafka_rest_conn_id).topics()
        except NotFound:
            self.log.info("There is no cluster %s, so there are no topics", self.cluster_name)
            return []
        except NotSent as error:
            self.log.warning("Topics cannot be listed: %s", error)
            return []
        return [topic.name for topic in topics if topic.name.startswith(f"{self.prefix}.")]

    def _apis(self) -> list[str]:
        apis = ApiGatewayHook(**self._hook_parameters).apis()
        ours = {TAG: self.prefix}.items()
        return [
            f"{entry['name']} ({entry['id']})"
            for entry in apis
            if entry.get("name") == self.api_name and (entry.get("tags") or {}).items() >= ours
        ]

    def _stacks(self) -> list[str]:
        stacks = CloudFormationStackHook(**self._hook_parameters).stacks(f"{self.prefix}-")
        return [entry["StackName"] for entry in stacks if entry["StackName"] not in self.kept_stacks]


def _billed(left: dict[str, list[str]]) -> dict[str, list[str]]:
    return {kind: names for kind, names in left.items() if kind not in UNBILLED}
