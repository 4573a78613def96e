"""LocalStack's request handling, without what finds out the service and the caller."""

# LocalStack is in another environment than the one that types are checked in.
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from functools import cache
from typing import Any

from localstack.aws import handlers
from localstack.aws.api import CommonServiceException, RequestContext
from localstack.aws.gateway import Gateway
from localstack.aws.handlers.service import ServiceRequestRouter
from localstack.aws.protocol.service_router import determine_aws_protocol
from localstack.aws.skeleton import Skeleton
from localstack.aws.spec import load_service
from localstack.services.iam.provider import IamProvider
from localstack.services.moto import MotoFallbackDispatcher
from localstack.services.s3.provider import S3Provider
from localstack.services.s3.storage.core import S3ObjectStore
from localstack.services.sts.provider import StsProvider
from rolo.gateway.wsgi import WsgiGateway

REQUEST = "habari.request"


def make_application(objects: S3ObjectStore, account: str) -> Any:
    """Return a WSGI application; the environment's `habari.request` says whom a request is for."""
    # LocalStack's caches of parsers and serializers hold a service's model for good: loaded for
    # each request, it cost 0.9 MB of memory a time, and looks for garbage that took seconds.
    model = cache(load_service)
    s3 = S3Provider(storage_backend=objects)
    s3.on_after_init()
    router = ServiceRequestRouter()
    router.add_provider(s3, "s3")
    for service, provider in (("iam", IamProvider()), ("sts", StsProvider())):
        router.add_skeleton(Skeleton(model(service), MotoFallbackDispatcher(provider)))

    def set_service(_chain: Any, context: RequestContext, _response: Any) -> None:
        context.service = model(context.request.environ[REQUEST].service)
        context.protocol = determine_aws_protocol(context.request, context.service)
        context.account_id = account

    def require_same_reading(_chain: Any, context: RequestContext, _response: Any) -> None:
        ours, read = context.request.environ[REQUEST], context.service_request or {}
        expected = (ours.operation, ours.bucket, ours.key)
        found = (context.operation.name, read.get("Bucket") or "", read.get("Key") or "")
        if found != (expected if ours.service == "s3" else (ours.operation, *found[1:])):
            raise CommonServiceException("NotImplemented", f"LocalStack reads {found}.", 501)

    gateway = Gateway(
        request_handlers=[
            set_service,
            handlers.content_decoder,
            handlers.add_region_from_header,
            handlers.rewrite_region,
            handlers.parse_service_request,
            require_same_reading,
            router,
        ],
        response_handlers=[handlers.modify_service_response],
        exception_handlers=[
            handlers.log_exception,
            handlers.handle_service_exception,
            handlers.handle_internal_failure,
        ],
        context_class=RequestContext,
    )
    return WsgiGateway(gateway)
