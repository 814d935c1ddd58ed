"""ministack on loopback: S3, Kinesis, IAM, STS, Secrets Manager and CloudFormation."""

from __future__ import annotations
