"""AWS::ApiGateway's types. APIs are kept and shown; none is served (docs/limits.md)."""

from __future__ import annotations

from neargate.resources import apigateway_apis, apigateway_stages

TYPES = {**apigateway_apis.TYPES, **apigateway_stages.TYPES}
