"""Connectors and custom plugins of Amazon MSK Connect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from pinflow.exceptions import CannotReconcile, ConnectorFailed, NotFound, PluginFailed, WaitTimedOut
from pinflow.hooks.msk import Cluster, MskHook
from pinflow.hooks.msk_connect import ConnectorSpec, MskConnectHook
from pinflow.links.msk_connect import MskConnectConnectorLink
from pinflow.links.persisted import persist
from pinflow.operators.waiting import AwsWaitingOperator
from pinflow.triggers.msk_connect import MskConnectConnectorTrigger, MskConnectCustomPluginTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

RUNNING = "connector_running"
DELETED = "connector_deleted"
PLUGIN_ACTIVE = "plugin_active"
PLUGIN_DELETED = "plugin_deleted"


class OnFailed(StrEnum):
    """What to do with a connector that is FAILED."""

    FAIL = "fail"
    RESTART = "restart"


class MskConnectBaseOperator(AwsWaitingOperator[MskConnectHook]):
    """What all operators of this service share: the wait trio."""

    service = "MSK Connect"
    BUSY = ("ConflictException", "ServiceUnavailableException", "TooManyRequestsException")
    MISSING = ("NotFoundException",)
    aws_hook_class = MskConnectHook
    ui_color = "#f0d9b5"
    template_fields: Sequence[str] = aws_template_fields()
    connector_name: str

    @property
    def target(self) -> str:
        """What is worked on, as errors call it."""
        return f"the connector {self.connector_name}"

    def _await(self, waiter: str, arn: str, **resume: Any) -> None:
        kind = MskConnectConnectorTrigger if waiter in (RUNNING, DELETED) else MskConnectCustomPluginTrigger
        self._wait(kind(arn, waiter_name=waiter, **self.trigger_arguments), **resume)


class MskConnectPluginBaseOperator(MskConnectBaseOperator):
    """What the operators of plugins share."""

    plugin_name: str

    @property
    def target(self) -> str:
        """What is worked on, as errors call it."""
        return f"the plugin {self.plugin_name}"


class MskConnectCreateCustomPluginOperator(MskConnectPluginBaseOperator):
    """Make a custom plugin from a file in S3, or adopt the one of this name.

    One that could not be made before is deleted and made again. It does not upload the file.

    :param plugin_name: the plugin's name. (templated)
    :param bucket: the bucket of the file. (templated)
    :param key: the file, ending in ``.zip`` or ``.jar``. (templated)
    :raises CannotReconcile: a plugin of this name was made from another file.
    :raises PluginFailed: MSK Connect could not read the file.
    :raises WaitTimedOut: it is not active in time.
    """

    template_fields: Sequence[str] = aws_template_fields("plugin_name", "bucket", "key")

    def __init__(
        self,
        *,
        plugin_name: str,
        bucket: str,
        key: str,
        waiter_delay: int = 5,
        waiter_max_attempts: int = 60,
        **kwargs: Any,
    ) -> None:
        super().__init__(waiter_delay=waiter_delay, waiter_max_attempts=waiter_max_attempts, **kwargs)
        self.plugin_name = plugin_name
        self.bucket = bucket
        self.key = key

    def execute(self, context: Context) -> dict[str, Any]:
        """Make or adopt.

        :returns: ``custom_plugin_arn``, ``revision`` and ``state``.
        """
        return self._converge([])

    def execute_complete(
        self, context: Context, event: Mapping[str, Any] | None = None, done: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Look again and go on."""
        described = self.hook.plugin(self.plugin_name)
        if described is None or described["customPluginState"] != "CREATE_FAILED":
            self._look_at(event)
        return self._converge(list(done))

    def _converge(self, done: list[str]) -> dict[str, Any]:
        while True:
            described = self.hook.plugin(self.plugin_name)
            if described is not None and (found := self._settled(described, done)):
                return found
            waiter, arn, state = self._step(described, done)
            if not self.waits:
                return {"custom_plugin_arn": arn, "revision": 1, "state": state}
            try:
                self._await(waiter, arn, done=done)
            except WaitTimedOut:
                found = self.hook.plugin(self.plugin_name)
                if waiter != PLUGIN_ACTIVE or found is None or found["customPluginState"] != "CREATE_FAILED":
                    raise

    def _settled(self, described: Mapping[str, Any], done: Sequence[str]) -> dict[str, Any] | None:
        state = described["customPluginState"]
        if state == "CREATE_FAILED" and "create" in done:
            raise self._failed(described)
        if state != "ACTIVE":
            return None
        self._check_file(described)
        revision = described["latestRevision"]["revision"]
        return {"custom_plugin_arn": described["customPluginArn"], "revision": revision, "state": state}

    def _step(self, described: Mapping[str, Any] | None, done: list[str]) -> tuple[str, str, str]:
        """Do what is to be done next.

        :returns: the waiter, the ARN that it is for, and the state until then.
        """
        if described is None:
            done.append("create")
            return PLUGIN_ACTIVE, self._create(), "CREATING"
        arn, state = described["customPluginArn"], described["customPluginState"]
        if state == "CREATE_FAILED":
            self.log.info("%s could not be made before: deleting it", self.plugin_name)
            self._delete("delete_custom_plugin", customPluginArn=arn)
            return PLUGIN_DELETED, arn, "DELETING"
        return (PLUGIN_DELETED if state == "DELETING" else PLUGIN_ACTIVE), arn, state

    def _create(self) -> str:
        location = {"bucketArn": f"arn:{self.hook.conn_partition}:s3:::{self.bucket}", "fileKey": self.key}
        answer = self._call(
            "create_custom_plugin",
            name=self.plugin_name,
            contentType="JAR" if self.key.endswith(".jar") else "ZIP",
            location={"s3Location": location},
        )
        self.log.info("Made the custom plugin %s", answer["customPluginArn"])
        return str(answer["customPluginArn"])

    def _check_file(self, described: Mapping[str, Any]) -> None:
        found = described["latestRevision"].get("location", {}).get("s3Location")
        if found is None:
            return
        bucket = found["bucketArn"].rpartition(":")[2]
        if (bucket, found["fileKey"]) != (self.bucket, self.key):
            raise CannotReconcile(
                f"The custom plugin {self.plugin_name} was made from another file.",
                f"It is s3://{bucket}/{found['fileKey']}, and s3://{self.bucket}/{self.key} was asked for.",
                "Give connect.plugin_name a new name in the settings, then clear the task.",
                found=found,
            )

    def _failed(self, described: Mapping[str, Any]) -> PluginFailed:
        why = described.get("stateDescription", {})
        return PluginFailed(
            f"MSK Connect could not make the custom plugin {self.plugin_name}.",
            f"It says: {why.get('message') or 'nothing'} ({why.get('code') or 'no code'}).",
            f"Check s3://{self.bucket}/{self.key}, then clear the task.",
            state=described["customPluginState"],
        )


class MskConnectDeleteCustomPluginOperator(MskConnectPluginBaseOperator):
    """Delete a custom plugin; nothing happens when there is none.

    :param plugin_name: the plugin's name. (templated)
    :raises WaitTimedOut: it is not gone in time; a connector that uses it holds it.
    """

    template_fields: Sequence[str] = aws_template_fields("plugin_name")

    def __init__(self, *, plugin_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plugin_name = plugin_name

    def execute(self, context: Context) -> bool:
        """Delete.

        :returns: whether there was one.
        """
        described = self.hook.plugin(self.plugin_name)
        if described is None:
            return False
        if described["customPluginState"] != "DELETING":
            self._delete("delete_custom_plugin", customPluginArn=described["customPluginArn"])
        if self.waits:
            self._await(PLUGIN_DELETED, described["customPluginArn"])
        return True

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> bool:
        """Look again."""
        if self.hook.plugin(self.plugin_name) is not None:
            self._look_at(event)
        return True


class MskConnectCreateConnectorOperator(MskConnectBaseOperator):
    """Create a connector, or adopt the one of this name and bring it to what is asked for.

    The name is the identity, so there are never two. Configuration and capacity are changed by ``UpdateConnector``, one
    after the other as the API wants it. Without waiting only the first change is made.

    :param connector_name: the connector's name. (templated)
    :param cluster_name: the MSK cluster's name; the connector runs in the cluster's network. (templated)
    :param plugin_name: the custom plugin's name; its latest revision is taken. (templated)
    :param configuration: Kafka Connect's configuration. (templated)
    :param service_role_arn: the role that the workers run as. (templated)
    :param mcu_count: MCU per worker.
    :param worker_count: how many workers.
    :param kafkaconnect_version: the Kafka Connect version.
    :param subnets: subnets of the workers; the cluster's own when not given. (templated)
    :param security_groups: security groups of the workers; the cluster's own when not given. (templated)
    :param log_group: a CloudWatch log group for the workers' log. (templated)
    :param on_failed: ``fail``, or ``restart`` to make a connector anew that is FAILED or has failed tasks; its group
        keeps the committed offsets. (templated)
    :raises ConnectorFailed: it is FAILED or has failed tasks, with the reason and trace if the service gives them.
    :raises CannotReconcile: its plugin, role, servers or version differ, or it did not take a change.
    :raises NotFound: there is no such cluster or no active plugin of that name.
    :raises WaitTimedOut: it is not running in time.
    """

    operator_extra_links = (MskConnectConnectorLink(),)
    template_fields: Sequence[str] = aws_template_fields(
        "connector_name",
        "cluster_name",
        "plugin_name",
        "configuration",
        "service_role_arn",
        "subnets",
        "security_groups",
        "log_group",
        "on_failed",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"configuration": "json"}

    def __init__(
        self,
        *,
        connector_name: str,
        cluster_name: str,
        plugin_name: str,
        configuration: Mapping[str, str],
        service_role_arn: str,
        mcu_count: int = 1,
        worker_count: int = 1,
        kafkaconnect_version: str = "3.7.x",
        subnets: Sequence[str] | None = None,
        security_groups: Sequence[str] | None = None,
        log_group: str | None = None,
        on_failed: str = OnFailed.FAIL,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.connector_name = connector_name
        self.cluster_name = cluster_name
        self.plugin_name = plugin_name
        self.configuration = configuration
        self.service_role_arn = service_role_arn
        self.mcu_count = mcu_count
        self.worker_count = worker_count
        self.kafkaconnect_version = kafkaconnect_version
        self.subnets = subnets
        self.security_groups = security_groups
        self.log_group = log_group
        self.on_failed = on_failed

    def execute(self, context: Context) -> dict[str, Any]:
        """Create or adopt.

        :returns: ``connector_arn``, ``state`` and ``changed``, the steps that were taken.
        """
        return self._converge(context, [])

    def execute_complete(
        self, context: Context, event: Mapping[str, Any] | None = None, done: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Look again and go on; a FAILED connector is told with its reason rather than with the event's."""
        described = self.hook.connector(self.connector_name)
        if described is not None and not has_failed(described):
            self._look_at(event)
        return self._converge(context, list(done))

    @cached_property
    def cluster(self) -> Cluster:
        """The cluster, found by its name on first use."""
        return MskHook(**self._hook_parameters).cluster(self.cluster_name)

    @cached_property
    def spec(self) -> ConnectorSpec:
        """What the connector should be; the plugin is looked up on first use."""
        plugin = self.hook.plugin(self.plugin_name)
        if plugin is None or plugin["customPluginState"] != "ACTIVE":
            raise NotFound(
                f"There is no active custom plugin {self.plugin_name}.",
                f"MSK Connect says: {plugin['customPluginState'] if plugin else 'not there'}.",
                "Run the task that makes it, then clear this one.",
            )
        return ConnectorSpec(
            name=self.connector_name,
            configuration=self.configuration,
            plugin_arn=plugin["customPluginArn"],
            plugin_revision=plugin["latestRevision"]["revision"],
            service_role_arn=self.service_role_arn,
            mcu_count=int(self.mcu_count),
            worker_count=int(self.worker_count),
            kafkaconnect_version=self.kafkaconnect_version,
            log_group=self.log_group,
        )

    def _converge(self, context: Context, done: list[str]) -> dict[str, Any]:
        while True:
            described = self.hook.connector(self.connector_name)
            step = self._step(described, done)
            if step is None:
                assert described is not None  # noqa: S101  narrows the type: only a running connector needs no step
                return self._finished(context, described["connectorArn"], described["connectorState"], done)
            waiter, arn, state = step
            if not self.waits:
                return self._finished(context, arn, state, done)
            try:
                self._await(waiter, arn, done=done)
            except WaitTimedOut:
                found = self.hook.connector(self.connector_name)
                if found is None or not has_failed(found):
                    raise

    def _step(self, described: Mapping[str, Any] | None, done: list[str]) -> tuple[str, str, str] | None:
        """Do what is to be done next, if anything.

        :returns: the waiter, the ARN that it is for, and the state until then.
        """
        if described is None:
            done.append("create")
            return RUNNING, self._create(), "CREATING"
        arn, state = described["connectorArn"], described["connectorState"]
        if has_failed(described):
            return self._failed(described, done)
        if state == "DELETING":
            return DELETED, arn, state
        if state != "RUNNING":
            return RUNNING, arn, state
        return (RUNNING, arn, "UPDATING") if self._update(described, done) else None

    def _create(self) -> str:
        spec = self.spec
        answer = self._call(
            "create_connector",
            connectorName=spec.name,
            connectorConfiguration=dict(spec.configuration),
            capacity=spec.capacity,
            plugins=[{"customPlugin": {"customPluginArn": spec.plugin_arn, "revision": spec.plugin_revision}}],
            serviceExecutionRoleArn=spec.service_role_arn,
            kafkaConnectVersion=spec.kafkaconnect_version,
            **self._connection(),
            **_log_delivery(spec.log_group),
        )
        self.log.info("Made the connector %s", answer["connectorArn"])
        return str(answer["connectorArn"])

    def _connection(self) -> dict[str, Any]:
        cluster = self.cluster
        vpc = {
            "subnets": list(self.subnets or cluster.subnets),
            "securityGroups": list(self.security_groups or cluster.security_groups),
        }
        return {
            "kafkaCluster": {"apacheKafkaCluster": {"bootstrapServers": cluster.bootstrap_servers, "vpc": vpc}},
            "kafkaClusterClientAuthentication": {"authenticationType": cluster.authentication},
            "kafkaClusterEncryptionInTransit": {"encryptionType": cluster.encryption},
        }

    def _failed(self, described: Mapping[str, Any], done: list[str]) -> tuple[str, str, str]:
        failure = failed(described)
        if self.on_failed != OnFailed.RESTART or "restart" in done or "create" in done:
            raise failure
        self.log.warning("%s It is made anew.", failure)
        done.append("restart")
        self._delete("delete_connector", connectorArn=described["connectorArn"])
        return DELETED, described["connectorArn"], "DELETING"

    def _update(self, described: Mapping[str, Any], done: list[str]) -> bool:
        self._check_fixed(described)
        changes = self.spec.differing(described)
        if not changes:
            return False
        argument = next((name for name in changes if name not in done), None)
        if argument is None:
            raise CannotReconcile(
                f"The connector {self.connector_name} did not take the change of {', '.join(sorted(changes))}.",
                "MSK Connect reports the old value after the update; it rolls back what its workers refuse.",
                "Look at the connector's operations and log, correct the configuration, then clear the task.",
                changes=changes,
            )
        self.log.info("Updating %s of %s", argument, self.connector_name)
        self._call(
            "update_connector",
            connectorArn=described["connectorArn"],
            currentVersion=described["currentVersion"],
            **{argument: changes[argument]},
        )
        done.append(argument)
        return True

    def _check_fixed(self, described: Mapping[str, Any]) -> None:
        fixed = self.spec.fixed(described, self.cluster.bootstrap_servers)
        if fixed:
            told = "; ".join(f"{name} is {found} and should be {wanted}" for name, (found, wanted) in fixed.items())
            raise CannotReconcile(
                f"The connector {self.connector_name} cannot be brought to what was asked for.",
                f"{told}: MSK Connect cannot change that in place.",
                "Delete the connector (its committed offsets stay in its consumer group), then clear the task.",
                differences=fixed,
            )

    def _finished(self, context: Context, arn: str, state: str, done: Sequence[str]) -> dict[str, Any]:
        persist(MskConnectConnectorLink, context, self, connector_arn=arn)
        self.log.info("Connector %s: %s, steps: %s", self.connector_name, state, ", ".join(done) or "none")
        return {"connector_arn": arn, "state": state, "changed": list(done)}


class MskConnectDeleteConnectorOperator(MskConnectBaseOperator):
    """Delete a connector; nothing happens when there is none. Its consumer group keeps the committed offsets.

    :param connector_name: the connector's name. (templated)
    :raises WaitTimedOut: it is not gone in time.
    """

    template_fields: Sequence[str] = aws_template_fields("connector_name")

    def __init__(self, *, connector_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.connector_name = connector_name

    def execute(self, context: Context) -> bool:
        """Delete.

        :returns: whether there was one.
        """
        described = self.hook.connector(self.connector_name)
        if described is None:
            return False
        if described["connectorState"] != "DELETING":
            self._delete("delete_connector", connectorArn=described["connectorArn"])
        if self.waits:
            self._await(DELETED, described["connectorArn"])
        return True

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> bool:
        """Look again."""
        if self.hook.connector(self.connector_name) is not None:
            self._look_at(event)
        return True


class MskConnectRestartConnectorOperator(MskConnectBaseOperator):
    """Make a connector anew from its own definition, as MSK Connect has no restart.

    The definition, with the connector's ARN, is put into the task state store before the connector is deleted, so a
    crash in between loses nothing, and a retry knows whether what it finds is the old one or the new one. Committed
    offsets stay in the consumer group: no record is read twice or skipped. Tags are no part of the definition that MSK
    Connect tells: the new connector has none.

    :param connector_name: the connector's name. (templated)
    :raises NotFound: there is no such connector and no stored definition, or it is gone at the end.
    :raises ConnectorFailed: it is FAILED again.
    :raises WaitTimedOut: it is not gone, or not running, in time.
    """

    STORED = "connector_definition"
    OLD = "connector_arn"
    operator_extra_links = (MskConnectConnectorLink(),)
    template_fields: Sequence[str] = aws_template_fields("connector_name")

    def __init__(self, *, connector_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.connector_name = connector_name

    def execute(self, context: Context) -> dict[str, Any]:
        """Delete and make anew.

        :returns: ``connector_arn`` and ``state``.
        """
        described = self.hook.connector(self.connector_name)
        stored = self._stored(context)
        if described is not None and (stored is None or described["connectorArn"] == self._old(context)):
            stored = stored or definition(described)
            self._store(context, stored, described["connectorArn"])
            if described["connectorState"] != "DELETING":
                self._delete("delete_connector", connectorArn=described["connectorArn"])
            self._await(DELETED, described["connectorArn"], stored=stored)
        if stored is None:
            raise self._absent("and this task has not deleted it", "Run ./pinflow trigger pinflow_provision.")
        return self._create(context, stored)

    def execute_complete(
        self,
        context: Context,
        event: Mapping[str, Any] | None = None,
        stored: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Look again: after the delete, which has a definition, comes the create, after the create the end."""
        described = self.hook.connector(self.connector_name)
        if stored is not None:
            if described is not None:
                self._look_at(event)
            return self._create(context, stored)
        if described is not None and has_failed(described):
            raise self._failed(context, described)
        self._look_at(event)
        return self._finished(context)

    def _create(self, context: Context, stored: Mapping[str, Any]) -> dict[str, Any]:
        arn = self.hook.connector_arn(self.connector_name)
        if arn is None:
            arn = self._call("create_connector", **stored)["connectorArn"]
        if self.waits:
            try:
                self._await(RUNNING, arn)
            except WaitTimedOut:
                described = self.hook.connector(self.connector_name)
                if described is not None and has_failed(described):
                    raise self._failed(context, described) from None
                raise
        return self._finished(context)

    def _failed(self, context: Context, described: Mapping[str, Any]) -> ConnectorFailed:
        """The restart is over: the next try makes another one."""
        self._forget(context)
        return failed(described)

    def _finished(self, context: Context) -> dict[str, Any]:
        described = self.hook.connector(self.connector_name)
        if described is None:
            raise self._absent(
                "though this task has made it", "Clear the task: it makes it from its stored definition."
            )
        self._forget(context)
        return {"connector_arn": described["connectorArn"], "state": described["connectorState"]}

    def _absent(self, why: str, mend: str) -> NotFound:
        return NotFound(f"There is no connector {self.connector_name}.", f"MSK Connect does not list it, {why}.", mend)

    def _stored(self, context: Context) -> dict[str, Any] | None:
        store = context.get("task_state_store")
        found = store.get(self.STORED) if store is not None else None
        return found if isinstance(found, dict) else None

    def _old(self, context: Context) -> str | None:
        store = context.get("task_state_store")
        found = store.get(self.OLD) if store is not None else None
        return str(found) if found else None

    def _store(self, context: Context, stored: dict[str, Any], arn: str) -> None:
        if (store := context.get("task_state_store")) is not None:
            store.set(self.OLD, arn)
            store.set(self.STORED, stored)

    def _forget(self, context: Context) -> None:
        if (store := context.get("task_state_store")) is not None:
            store.delete(self.STORED)
            store.delete(self.OLD)


def has_failed(described: Mapping[str, Any]) -> bool:
    """Whether a connector is FAILED, or runs with a state description, which is how failed tasks are told."""
    state = described["connectorState"]
    return state == "FAILED" or (state == "RUNNING" and bool(described.get("stateDescription", {}).get("code")))


def failed(described: Mapping[str, Any]) -> ConnectorFailed:
    """The error for a connector that ``has_failed``."""
    why = described.get("stateDescription", {})
    return ConnectorFailed(described["connectorName"], why.get("code", ""), why.get("message", ""))


def definition(described: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of ``CreateConnector`` that make the described connector again."""
    same = (
        "connectorName",
        "connectorConfiguration",
        "connectorDescription",
        "kafkaCluster",
        "kafkaClusterClientAuthentication",
        "kafkaClusterEncryptionInTransit",
        "kafkaConnectVersion",
        "plugins",
        "serviceExecutionRoleArn",
        "workerConfiguration",
        "logDelivery",
        "capacity",
        "networkType",
    )
    return {name: described[name] for name in same if described.get(name)}


def _log_delivery(log_group: str | None) -> dict[str, Any]:
    if not log_group:
        return {}
    return {"logDelivery": {"workerLogDelivery": {"cloudWatchLogs": {"enabled": True, "logGroup": log_group}}}}
