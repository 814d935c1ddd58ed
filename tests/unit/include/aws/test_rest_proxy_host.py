"""What the REST proxy's hosts do at their first start: the stack's own script, run by bash with stand-ins for AWS."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from include.aws import cloudformation
from include.aws.cloudformation import load, stack

AWS = Path(cloudformation.__file__).parents[1]
BROKERS = "b-1.pinflow.a1.c2.kafka.us-east-1.amazonaws.com:9098,b-2.pinflow.a1.c2.kafka.us-east-1.amazonaws.com:9098"
JAR = b"not really a jar"
GIVEN = {
    "VpcId": "v",
    "SubnetIds": "s",
    "KafkaClientSecurityGroupId": "g",
    "RestProxyClientSecurityGroupId": "h",
    "ClusterArn": "arn:aws:kafka:us-east-1:123456789012:cluster/pinflow/0c1f-7",
    "InstanceProfileArn": "p",
    "ArtifactsBucket": "bucket",
}
AWS_CLI = """\
case "$1 $2" in
  "s3 cp") cp "$BUCKET/${4#s3://bucket/}" "$5" ;;
  "kafka get-bootstrap-brokers") echo "$BROKERS" ;;
  *) echo "no such command: $*" >&2; exit 9 ;;
esac
"""


def archive() -> bytes:
    """Confluent's archive in small: one folder, named by its version, with the start script in it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as packed:
        body = b"#!/bin/bash\n"
        entry = tarfile.TarInfo("confluent-7.9.0/bin/kafka-rest-start")
        entry.size, entry.mode = len(body), 0o755
        packed.addfile(entry, io.BytesIO(body))
    return made.getvalue()


@dataclass
class Host:
    """A folder in place of ``/``, and stand-ins for the programs of a host."""

    root: Path
    bucket: Path
    tools: Path
    log: Path

    def run(self, script: str, brokers: str = BROKERS) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.tools}:/usr/bin:/bin",
            "PINFLOW_ROOT": str(self.root),
            "BUCKET": str(self.bucket),
            "BROKERS": brokers,
            "CALLS": str(self.log),
        }
        return subprocess.run(
            ["bash", "-c", script], env=environment, capture_output=True, text=True, check=False, timeout=20
        )

    def calls(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []

    def read(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path / "root", tmp_path / "bucket", tmp_path / "tools", tmp_path / "calls")
    told = '#!/bin/bash\necho "$(basename "$0") $*" >> "$CALLS"\n'
    agent = made.root / "opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"
    signal = made.root / "opt/aws/bin/cfn-signal"
    plain = [made.tools / name for name in ("dnf", "systemctl", "useradd", "chown", "id", "curl")]
    for path in (*plain, agent, signal):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(told, encoding="utf-8")
    (made.tools / "aws").write_text(f"#!/bin/bash\n{AWS_CLI}", encoding="utf-8")
    for path in (*made.tools.iterdir(), agent, signal):
        path.chmod(0o755)
    folder = made.bucket / "rest-proxy"
    folder.mkdir(parents=True)
    (folder / "confluent-community.tar.gz").write_bytes(archive())
    (folder / "aws-msk-iam-auth-2.3.9-all.jar").write_bytes(JAR)
    return made


def user_data(**parameters: str) -> str:
    hashes = {
        "ConfluentSha256": hashlib.sha256(archive()).hexdigest(),
        "IamAuthSha256": hashlib.sha256(JAR).hexdigest(),
    }
    made = stack("rest-proxy", {**GIVEN, **hashes, **parameters}).resources["LaunchTemplate"]
    return str(made["Properties"]["LaunchTemplateData"]["UserData"])


def exit_codes(host: Host) -> list[str]:
    return [call.split("--exit-code ")[1].split()[0] for call in host.calls() if call.startswith("cfn-signal")]


def test_everything_is_in_its_place(host: Host) -> None:
    done = host.run(user_data())
    assert done.returncode == 0, done.stderr
    assert (host.root / "opt/confluent/bin/kafka-rest-start").stat().st_mode & 0o111
    assert (host.root / "opt/pinflow/aws-msk-iam-auth-all.jar").read_bytes() == JAR
    assert "systemctl enable --now kafka-rest.service" in host.calls()
    assert exit_codes(host) == ["0"]


def test_properties_are_those_of_the_repository(host: Host) -> None:
    host.run(user_data())
    written = host.read("etc/kafka-rest/kafka-rest.properties.template")
    assert written == (AWS / "kafka/kafka-rest.properties").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", ["confluent-community.tar.gz", "aws-msk-iam-auth-2.3.9-all.jar"])
def test_a_changed_file_is_not_installed(host: Host, file: str) -> None:
    """The stack learns it by the signal, and rolls back."""
    path = host.bucket / "rest-proxy" / file
    path.write_bytes(path.read_bytes() + b"!")
    done = host.run(user_data())
    assert done.returncode == 3
    assert f"rest-proxy/{file} is not the file with SHA-256" in done.stderr
    assert not (host.root / "opt/confluent").exists()
    assert not (host.root / "opt/pinflow").exists()
    assert not [call for call in host.calls() if call.startswith("systemctl")]
    assert exit_codes(host) == ["3"]


def test_a_missing_file_fails_the_stack(host: Host) -> None:
    (host.bucket / "rest-proxy/confluent-community.tar.gz").unlink()
    assert host.run(user_data()).returncode != 0
    assert exit_codes(host) not in ([], ["0"])


class TestBootstrap:
    """What runs before each start of the service."""

    def script(self, host: Host) -> str:
        host.run(user_data())
        return host.read("opt/pinflow/bootstrap").replace("/etc/kafka-rest", str(host.root / "etc/kafka-rest"))

    def test_brokers_are_filled_in(self, host: Host) -> None:
        assert host.run(self.script(host)).returncode == 0
        lines = host.read("etc/kafka-rest/kafka-rest.properties").splitlines()
        assert f"bootstrap.servers={BROKERS}" in lines
        assert "client.sasl.mechanism=AWS_MSK_IAM" in lines

    @pytest.mark.parametrize("answer", ["None", "b-1.pinflow.a1.c2.kafka.us-east-1.amazonaws.com:9094"])
    def test_a_cluster_without_iam_is_refused(self, host: Host, answer: str) -> None:
        done = host.run(self.script(host), brokers=answer)
        assert (done.returncode, "MSK offers no brokers with IAM" in done.stderr) == (4, True)
        assert not (host.root / "etc/kafka-rest/kafka-rest.properties").exists()


def test_service_runs_as_nobody_special_and_comes_back(host: Host) -> None:
    host.run(user_data())
    unit = host.read("etc/systemd/system/kafka-rest.service").splitlines()
    assert {"User=kafka-rest", "Restart=always", "NoNewPrivileges=yes", "ProtectSystem=strict"} <= set(unit)
    assert "Environment=CLASSPATH=/opt/pinflow/aws-msk-iam-auth-all.jar" in unit


def test_the_jar_is_the_pinned_one() -> None:
    """SHA-256 of software.amazon.msk:aws-msk-iam-auth:2.3.9:all as Maven fetched it on 2026-11-21."""
    default = load("rest-proxy")["Parameters"]["IamAuthSha256"]["Default"]
    assert default == "922064f312ddc8a5f3dbe65fcef3d02ddbd588a02e3a6f0fca4b5a4dbec1ba43"


def test_hosts_are_private_and_hold_no_key() -> None:
    resources = stack("rest-proxy", {**GIVEN, "ConfluentSha256": "0" * 64}).resources
    data = resources["LaunchTemplate"]["Properties"]["LaunchTemplateData"]
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert "NetworkInterfaces" not in data
    assert "KeyName" not in data
    assert resources["LoadBalancer"]["Properties"]["Scheme"] == "internal"


def test_port_8082_is_open_to_the_load_balancer_only() -> None:
    resources = stack("rest-proxy", {**GIVEN, "ConfluentSha256": "0" * 64}).resources
    (host_rule,) = resources["HostSecurityGroup"]["Properties"]["SecurityGroupIngress"]
    (balancer_rule,) = resources["LoadBalancerSecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert (host_rule["FromPort"], host_rule["SourceSecurityGroupId"]) == (8082, "<LoadBalancerSecurityGroup>")
    assert (balancer_rule["FromPort"], balancer_rule["SourceSecurityGroupId"]) == (8082, "h")


def test_user_data_fits() -> None:
    """16 KB before base64: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html."""
    assert len(user_data().encode()) <= 16_384
