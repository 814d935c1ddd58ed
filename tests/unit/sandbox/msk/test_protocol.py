from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from sandbox.msk.errors import ApiError
from sandbox.msk.protocol import Routes, iso_time, read_input, write_output

CONNECTOR = "arn:aws:kafkaconnect:us-east-1:000000000000:connector/a/0-1"
CLUSTER = "arn:aws:kafka:us-east-1:000000000000:cluster/a/0-1"
ROUTES = Routes()


def found(method: str, path: str) -> tuple[str, str, dict[str, str]]:
    operation, parameters = ROUTES.find(method, path)
    return operation.service, operation.name, parameters


class TestRoutes:
    @pytest.mark.parametrize(
        ("method", "path", "service", "name"),
        [
            ("GET", "/api/v2/clusters", "kafka", "ListClustersV2"),
            ("GET", f"/v1/clusters/{quote(CLUSTER, safe='')}", "kafka", "DescribeCluster"),
            ("PUT", f"/v1/clusters/{quote(CLUSTER, safe='')}/topics/t", "kafka", "UpdateTopic"),
            ("POST", "/v1/connectors", "kafkaconnect", "CreateConnector"),
            ("PUT", f"/v1/connectors/{quote(CONNECTOR, safe='')}", "kafkaconnect", "UpdateConnector"),
            ("PUT", f"/v1/connectors/{quote(CONNECTOR, safe='')}/pause", "kafkaconnect", "PauseConnector"),
            ("POST", f"/v1/connectors/{quote(CONNECTOR, safe='')}/restart", "kafkaconnect", "RestartConnector"),
            ("GET", f"/v1/tags/{quote(CONNECTOR, safe='')}", "kafkaconnect", "ListTagsForResource"),
            ("GET", f"/v1/tags/{quote(CLUSTER, safe='')}", "kafka", "ListTagsForResource"),
        ],
    )
    def test_find(self, method: str, path: str, service: str, name: str) -> None:
        assert found(method, path)[:2] == (service, name)

    def test_parameters_are_decoded(self) -> None:
        assert found("GET", f"/v1/connectors/{quote(CONNECTOR, safe='')}")[2] == {"connectorArn": CONNECTOR}

    @pytest.mark.parametrize(("method", "path"), [("GET", "/v1/none"), ("PATCH", "/v1/connectors"), ("GET", "/")])
    def test_unknown(self, method: str, path: str) -> None:
        with pytest.raises(ApiError, match="no operation") as caught:
            ROUTES.find(method, path)
        assert caught.value.status == 404


class TestInput:
    def test_wire_names_become_the_models(self) -> None:
        operation, path = ROUTES.find("POST", f"/v1/clusters/{quote(CLUSTER, safe='')}/topics")
        body = {"topicName": "t", "partitionCount": 3, "replicationFactor": 1, "configs": None, "unknown": 1}
        given = read_input(operation, path, "", body)
        assert given == {"ClusterArn": CLUSTER, "TopicName": "t", "PartitionCount": 3, "ReplicationFactor": 1}

    def test_query(self) -> None:
        operation, path = ROUTES.find("GET", "/v1/clusters")
        assert read_input(operation, path, "maxResults=5&clusterNameFilter=a%20b", None) == {
            "MaxResults": 5,
            "ClusterNameFilter": "a b",
        }

    def test_lists_in_the_query(self) -> None:
        operation, path = ROUTES.find("DELETE", f"/v1/tags/{quote(CONNECTOR, safe='')}")
        assert read_input(operation, path, "tagKeys=a&tagKeys=b", None)["tagKeys"] == ["a", "b"]

    def test_an_operation_that_the_model_lacks(self) -> None:
        operation, path = ROUTES.find("POST", f"/v1/connectors/{quote(CONNECTOR, safe='')}/restart")
        given = read_input(operation, path, "", {"onlyFailedTasks": True})
        assert given == {"connectorArn": CONNECTOR, "onlyFailedTasks": True}

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"name": None}, 'Missing required parameter in input: "name"'),
            ({"name": 5}, "Invalid type for parameter name"),
            ({"name": "n" * 129}, "name: is longer than 128 characters"),
            ({"contentType": "RAR"}, "contentType: 'RAR' is not one of JAR, ZIP"),
            ({"location": {}}, 'Missing required parameter in location: "s3Location"'),
        ],
    )
    def test_wrong(self, changes: dict[str, Any], words: str) -> None:
        operation, path = ROUTES.find("POST", "/v1/custom-plugins")
        place = {"s3Location": {"bucketArn": "arn:aws:s3:::b", "fileKey": "k"}}
        body = {"name": "n", "contentType": "ZIP", "location": place}
        assert read_input(operation, path, "", body) == body
        with pytest.raises(ApiError) as caught:
            read_input(operation, path, "", {**body, **changes})
        assert caught.value.name == "BadRequestException"
        assert words in caught.value.message

    @pytest.mark.parametrize("body", [[], "x", 1])
    def test_a_body_that_is_no_object(self, body: Any) -> None:
        operation, path = ROUTES.find("POST", "/v1/custom-plugins")
        with pytest.raises(ApiError, match="JSON object"):
            read_input(operation, path, "", body)

    def test_a_number_in_the_query_that_is_none(self) -> None:
        operation, path = ROUTES.find("GET", "/v1/clusters")
        with pytest.raises(ApiError, match="whole number"):
            read_input(operation, path, "maxResults=x", None)


class TestOutput:
    def test_names_times_and_what_is_not_in_the_model(self) -> None:
        operation, _ = ROUTES.find("GET", f"/v1/connectors/{quote(CONNECTOR, safe='')}")
        output = {"connectorArn": CONNECTOR, "creationTime": 1646111167.1234, "private": 1, "currentVersion": None}
        wanted = {"connectorArn": CONNECTOR, "creationTime": "2022-03-01T05:06:07.123Z"}
        assert write_output(operation, output) == wanted

    def test_kafka_has_lower_case_on_the_wire(self) -> None:
        operation, _ = ROUTES.find("GET", "/v1/clusters")
        output = {"ClusterInfoList": [{"ClusterArn": "a"}], "NextToken": None}
        assert write_output(operation, output) == {"clusterInfoList": [{"clusterArn": "a"}]}

    def test_time(self) -> None:
        assert iso_time(0) == "1970-01-01T00:00:00.000Z"
