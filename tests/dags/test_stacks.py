"""`pinflow_provision` and `pinflow_teardown` by the settings of AWS and of the sandbox: what they do in which order."""

from __future__ import annotations

import ast
from itertools import pairwise
from typing import Any

import pytest

from include.config.settings import load as settings
from tests.dags.conftest import ROOT, load

MADE = ["database", "kafka", "rest_proxy", "connect", "gateway"]
ADOPTED = ["network", "storage", "roles", "secrets", "airflow", "budget", "databricks"]


@pytest.fixture(scope="module")
def aws() -> Any:
    """Both DAGs as an AWS account sees them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PINFLOW_SETTINGS", "aws")
        bags = [load(ROOT / "dags" / f"pinflow_{name}.py") for name in ("provision", "teardown")]
    for bag in bags:
        assert bag.import_errors == {}
    return {dag_id: dag for bag in bags for dag_id, dag in bag.dags.items()}


def before(dag: Any, first: str, second: str) -> bool:
    """Whether a task comes somewhere before another."""
    return first in {task.task_id for task in dag.get_task(second).get_flat_relatives(upstream=True)}


class TestProvisionInTheSandbox:
    def test_nothing_is_deployed_and_the_gateway_is_called_once(self, bag: Any) -> None:
        dag = bag.dags["pinflow_provision"]
        assert [name for name in dag.task_ids if name.startswith(("stacks", "gateway"))] == ["gateway.call"]
        call = dag.get_task("gateway.call")
        assert (call.path, call.method, call.upstream_task_ids) == ("/dev/topics", "GET", set())
        assert call.downstream_task_ids == {"announce"}


class TestProvisionInAws:
    def test_stacks_in_the_settings_order(self, aws: Any) -> None:
        dag = aws["pinflow_provision"]
        for first, second in pairwise([*ADOPTED, *MADE]):
            assert f"stacks.{second}" in dag.get_task(f"stacks.{first}").downstream_task_ids
        for name in ADOPTED:
            assert dag.get_task(f"stacks.{name}").operator_name == "CloudFormationDescribeStackOperator"
        for name in MADE:
            assert dag.get_task(f"stacks.{name}").operator_name == "CloudFormationDeployStackOperator"

    def test_a_stack(self, aws: Any) -> None:
        kafka = aws["pinflow_provision"].get_task("stacks.kafka")
        assert (kafka.stack_name, kafka.stack_prefix, kafka.tags) == (
            "pinflow-kafka",
            "pinflow",
            {"pinflow": "pinflow"},
        )
        assert kafka.parameters["VpcId"] == "${network.VpcId}"
        assert kafka.template_path.endswith("include/aws/cloudformation/kafka.yaml")
        assert (kafka.role_arn, kafka.capabilities) == ("${roles.CloudFormationRoleArn}", [])
        assert kafka.deferrable
        assert kafka.retries >= 2
        assert aws["pinflow_provision"].get_task("connect.connector").log_group == "/pinflow/connect"

    def test_the_gateway_is_imported_deployed_and_tried(self, aws: Any) -> None:
        dag = aws["pinflow_provision"]
        steps = ["gateway.import_document", "gateway.deploy", "gateway.try_out", "announce"]
        for first, second in pairwise(steps):
            assert second in dag.get_task(first).downstream_task_ids
        deploy = dag.get_task("gateway.deploy")
        assert (deploy.stage_name, deploy.rate_limit, deploy.burst_limit) == ("prod", 10_000, 5_000)
        assert deploy.access_log_arn == "${gateway.AccessLogGroupArn}"
        assert set(deploy.variables) == {"restProxy", "topicPrefix", "vpcLinkId", "kinesisRole"}
        deploy._check_variables()
        assert dag.get_task("gateway.import_document").document_path.endswith("include/aws/gateway.openapi.yaml")

    def test_all_else_comes_after_the_stacks(self, aws: Any) -> None:
        dag = aws["pinflow_provision"]
        later = ["landing.bucket", "kafka.topics", "kinesis.streams", "connect.plugin", "workspace.upload"]
        for name in [*later, "gateway.import_document", "announce"]:
            assert before(dag, "stacks.gateway", name)


class TestTeardown:
    ORDER = (
        "approve",
        "others_rest",
        "streaming.stop",
        "streaming.reset",
        "streaming.tables",
        "connect.connector",
        "connect.plugin",
        "kafka.cluster",
        "kafka.topics",
        "kafka.group",
        "kinesis.streams",
        "landing",
    )

    def test_order_in_the_sandbox(self, bag: Any) -> None:
        dag = bag.dags["pinflow_teardown"]
        assert set(dag.task_ids) == {*self.ORDER, "left"}, "no stack and no gateway is ours there"
        for first, second in pairwise([*self.ORDER, "left"]):
            assert dag.get_task(first).downstream_task_ids == {second}

    def test_order_in_aws(self, aws: Any) -> None:
        dag = aws["pinflow_teardown"]
        stacks = [f"stack_{name}" for name in reversed(MADE)]
        for first, second in pairwise([*self.ORDER, "gateway", *stacks, "left"]):
            assert dag.get_task(first).downstream_task_ids == {second}
        assert not any(f"stack_{name}" in dag.task_ids for name in ADOPTED)

    def test_nothing_happens_without_a_yes(self, bag: Any) -> None:
        dag = bag.dags["pinflow_teardown"]
        for name in dag.task_ids:
            assert name == "approve" or before(dag, "approve", name)
        approve = dag.get_task("approve")
        assert (approve.approved, approve.fail_on_reject) == ("{{ params.approved }}", True)
        assert approve.response_timeout.total_seconds() == 86_400
        assert dag.params.get_param("approved").resolve() is False

    def test_a_cluster_that_is_gone_skips_only_what_was_in_it(self, bag: Any) -> None:
        dag = bag.dags["pinflow_teardown"]
        assert dag.get_task("kafka.cluster").ignore_downstream_trigger_rules is False
        assert dag.get_task("kinesis.streams").trigger_rule == "none_failed"
        for name in ("kafka.topics", "kafka.group"):
            assert dag.get_task(name).trigger_rule == "all_success"

    def test_all_that_provision_makes_is_deleted(self, bag: Any) -> None:
        provision, teardown = bag.dags["pinflow_provision"], bag.dags["pinflow_teardown"]

        def expanded(dag: Any, name: str, key: str) -> Any:
            return dag.get_task(name).expand_input.value[key]

        assert expanded(teardown, "kafka.topics", "topic") == expanded(provision, "kafka.topics", "topic")
        streams = expanded(provision, "kinesis.streams", "stream_name")
        assert expanded(teardown, "kinesis.streams", "stream_name") == streams
        for name, key in [("connect.connector", "connector_name"), ("connect.plugin", "plugin_name")]:
            assert getattr(teardown.get_task(name), key) == getattr(provision.get_task(name), key)
        assert teardown.get_task("landing").bucket_name == provision.get_task("landing.bucket").bucket_name
        assert all(name.startswith(teardown.get_task("left").stream_prefix) for name in streams)

    def test_buckets_of_stacks_that_exist_are_only_emptied(self, bag: Any, aws: Any) -> None:
        ours, theirs = bag.dags["pinflow_teardown"], aws["pinflow_teardown"]
        assert (ours.get_task("landing").keep_bucket, theirs.get_task("landing").keep_bucket) == (False, True)
        assert ours.get_task("left").buckets == [settings("sandbox").landing.bucket]
        assert theirs.get_task("left").buckets == []
        assert theirs.get_task("left").kept_stacks == [f"pinflow-{name}" for name in ADOPTED]

    def test_every_schema_of_the_lake_is_dropped(self, bag: Any) -> None:
        source = (ROOT / "include" / "spark" / "tables.py").read_text()
        made = next(
            ast.literal_eval(node.value)
            for node in ast.parse(source).body
            if isinstance(node, ast.Assign) and node.targets[0].id == "SCHEMAS"  # type: ignore[attr-defined]
        )
        assert set(bag.dags["pinflow_teardown"].get_task("streaming.tables").schemas) == set(made)

    def test_checkpoints_are_reset_while_the_heartbeats_are_there(self, bag: Any) -> None:
        reset = bag.dags["pinflow_teardown"].get_task("streaming.reset")
        assert reset.parameters == {
            "checkpoint_root": settings("sandbox").streaming.checkpoint_root,
            "catalog": "spark_catalog",
        }
        seconds = reset.retries * reset.retry_delay.total_seconds()
        assert seconds > 30, "a job that was killed counts as alive for half a minute"


class TestOthersRest:
    def run(self, bag: Any, running: set[str]) -> None:
        class Instance:
            @staticmethod
            def get_dr_count(dag_id: str, states: list[str]) -> int:
                assert states == ["running", "queued"]
                return int(dag_id in running)

        bag.dags["pinflow_teardown"].get_task("others_rest").python_callable(ti=Instance())

    def test_rest(self, bag: Any) -> None:
        self.run(bag, set())

    @pytest.mark.parametrize("name", ["provision", "emulate", "batch", "streaming"])
    def test_one_runs(self, bag: Any, name: str) -> None:
        from pinflow.exceptions import Rejected

        with pytest.raises(Rejected, match=f"pinflow_{name} runs"):
            self.run(bag, {f"pinflow_{name}"})

    def test_all_other_dags_are_asked_for(self, bag: Any) -> None:
        from pinflow.exceptions import Rejected

        with pytest.raises(Rejected) as refused:
            self.run(bag, set(bag.dags))
        assert all(name in str(refused.value) for name in set(bag.dags) - {"pinflow_teardown"})


class TestCluster:
    @pytest.mark.parametrize("there", [True, False])
    def test_it_asks_msk(self, bag: Any, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
        from pinflow.exceptions import NotFound
        from pinflow.hooks.msk import MskHook

        def cluster(_: Any, name: str) -> None:
            assert name == "pinflow"
            if not there:
                raise NotFound("a", "b", "c")

        monkeypatch.setattr(MskHook, "cluster", cluster)
        assert bag.dags["pinflow_teardown"].get_task("kafka.cluster").python_callable() is there
