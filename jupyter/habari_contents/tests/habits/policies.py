"""What a bucket's settings ask of each request."""

from __future__ import annotations

from .message import Answer, Habit, Request


class DenyUnencrypted(Habit):
    """A policy denies writes that name no encryption.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """

    def request(self, request: Request) -> Request | Answer:
        if request.writes_object and "x-amz-server-side-encryption" not in request.headers:
            return Answer.error(403, "AccessDenied")
        return request


class ObjectLock(Habit):
    """A bucket with Object Lock wants a checksum with each object and part.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html (Content-MD5)
    """

    def request(self, request: Request) -> Request | Answer:
        names = request.headers
        if (
            request.method == "PUT"
            and "x-amz-copy-source" not in names
            and "content-md5" not in names
            and not any(name.startswith("x-amz-checksum-") for name in names)
        ):
            return Answer.error(400, "InvalidRequest")
        return request


class BatchesWantMd5(Habit):
    """DeleteObjects wants a Content-MD5, which botocore sends no more since 1.36.

    MinIO before 2025: https://github.com/minio/minio/issues/20845 ; OneFS:
    https://github.com/EnterpriseDB/barman/issues/1146
    """

    def request(self, request: Request) -> Request | Answer:
        batch = request.method == "POST" and request.target.partition("?")[2].startswith("delete")
        if batch and "content-md5" not in request.headers:
            return Answer.error(400, "MissingContentMD5")
        return request


class RequesterPays(Habit):
    """Who does not say that they pay is refused.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html
    """

    def request(self, request: Request) -> Request | Answer:
        if request.headers.pop("x-amz-request-payer", "") != "requester":
            return Answer.error(403, "AccessDenied")
        return request
