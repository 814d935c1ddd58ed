"""Links to the AWS console's pages of Kinesis Data Streams."""

from __future__ import annotations

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink


class KinesisStreamLink(BaseAwsLink):
    """The page of a stream."""

    name = "Kinesis data stream"
    key = "_kinesis_stream"
    format_str = BASE_AWS_CONSOLE_LINK + "/kinesis/home?region={region_name}#/streams/details/{stream_name}/monitoring"
