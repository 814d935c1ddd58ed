"""Runs ``include/aws/gateway.openapi.yaml`` on this machine, as API Gateway's REST APIs run it."""
