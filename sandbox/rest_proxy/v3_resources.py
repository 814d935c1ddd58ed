"""v3's form of resources: kind, metadata, related links."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from starlette.requests import Request

from sandbox.rest_proxy.errors import RestError
from sandbox.rest_proxy.http import proxy

Resource = dict[str, Any]


async def cluster_links(request: Request) -> Links:
    """The links of the cluster in the path.

    :raises RestError: 404: the proxy has another cluster.
    """
    known, wanted = await proxy(request).cluster.cluster_id(), request.path_params["cluster"]
    if wanted != known:
        raise RestError(404, 404, f"Cluster {wanted} cannot be found.")
    return Links(request, known)


class Links:
    """Builds the URLs and names of one cluster's resources from the request's own address."""

    def __init__(self, request: Request, cluster: str) -> None:
        self.base = f"{request.url.scheme}://{request.url.netloc}/v3/clusters"
        self.cluster = cluster

    def url(self, *steps: str | int) -> str:
        """The URL of something below the cluster."""
        return "/".join([self.base, self.cluster, *(quote(str(step), safe=":-._~") for step in steps)])

    def related(self, *steps: str | int) -> dict[str, str]:
        """A link to something below the cluster."""
        return {"related": self.url(*steps)}

    def resource(self, kind: str, steps: Iterable[str | int], names: dict[str, str | int], **fields: Any) -> Resource:
        """A resource.

        :param kind: without ``Kafka``.
        :param steps: its path below the cluster.
        :param names: what its resource name is made of, after the cluster.
        """
        crn = "".join(f"/{name}={value}" for name, value in {"kafka": self.cluster, **names}.items())
        metadata = {"self": self.url(*steps), "resource_name": f"crn://{crn}"}
        return {"kind": f"Kafka{kind}", "metadata": metadata, "cluster_id": self.cluster, **fields}

    def listing(self, kind: str, steps: Iterable[str | int], data: list[Resource]) -> Resource:
        """A list of resources.

        :param kind: of one of them, without ``Kafka``.
        """
        return {"kind": f"Kafka{kind}List", "metadata": {"self": self.url(*steps), "next": None}, "data": data}
