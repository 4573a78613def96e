"""The outcome of a write: done if S3 says so, not done if it refuses, else the object is looked at.

Each operation under each outcome: it was carried out and nobody said so, so it is told as done.
"""

from __future__ import annotations

import asyncio

import pytest
from habari_contents import errors, operation

from .habits.outcomes import NOT_APPLIED, OUTCOMES

LAKE, NOTEBOOKS = "habari-lake", "habari-notebooks"
APPLIED = [each for each in OUTCOMES if each not in NOT_APPLIED]


@pytest.fixture
def path(jupyter, name):
    """A saved file that this server knows, its store's conditions asked for."""
    path = f"lake/{name}.txt"
    assert jupyter.text(path, "one").ok
    assert jupyter.get(path).ok
    return path


@pytest.mark.parametrize("outcome", [*APPLIED, "lose-answer"])
def test_save_that_landed_is_told_as_good_and_the_next_one_is_no_conflict(
    jupyter, proxy, path, name, body, outcome
):
    proxy.fail(outcome, only="PUT", times=1)
    saved = jupyter.text(path, "two")
    assert saved.status_code == 200, saved.text
    assert body(LAKE, f"{name}.txt") == b"two"
    assert jupyter.text(path, "three").status_code == 200


@pytest.mark.parametrize("outcome", sorted(NOT_APPLIED))
def test_save_that_something_in_between_took_is_not_confirmed(
    jupyter, proxy, path, name, body, outcome
):
    proxy.fail(outcome, only="PUT", times=1)
    failed = jupyter.text(path, "two")
    assert failed.status_code in {502, 503}
    # aiobotocore follows a redirect, and there is nothing where it leads.
    said = "nothing was saved" if outcome == "redirect" else "so the save is not confirmed"
    assert said in failed.json()["message"]
    assert "secret-endpoint" not in failed.text
    assert body(LAKE, f"{name}.txt") == b"one"
    assert jupyter.text(path, "three").status_code == 200


def test_save_in_doubt_that_could_not_be_looked_at_is_no_conflict_later(
    jupyter, proxy, path, name, body
):
    """It landed, and S3 was gone right after: what this server finds later is its own."""
    proxy.fail_after(1, "html-504", only="")
    failed = jupyter.text(path, "two")
    assert "not confirmed" in failed.json()["message"], failed.text
    proxy.heal()
    assert body(LAKE, f"{name}.txt") == b"two"
    assert jupyter.text(path, "three").status_code == 200
    assert body(LAKE, f"{name}.txt") == b"three"


def test_somebody_elses_save_after_one_in_doubt_is_a_conflict(jupyter, proxy, s3, path, name, body):
    proxy.fail_after(1, "html-504", only="")
    assert not jupyter.text(path, "two").ok
    proxy.heal()
    s3.put_object(Bucket=LAKE, Key=f"{name}.txt", Body=b"2nd")
    assert jupyter.text(path, "three").status_code == 409
    assert body(LAKE, f"{name}.txt") == b"2nd"


@pytest.mark.parametrize("outcome", ["internal-error", "reset", "error-in-200", "cut-status"])
def test_large_upload_whose_completion_was_not_answered_is_there(
    jupyter, proxy, name, body, outcome
):
    content = b"0123456789abcdef" * (17 * 1024 * 1024 // 16)
    proxy.fail_after(1, outcome, only="POST", times=1)
    assert jupyter.upload(f"lake/{name}.bin", content, 9 * 1024 * 1024).status_code == 200
    assert proxy.hit.is_set()
    assert body(LAKE, f"{name}.bin") == content


@pytest.mark.parametrize("outcome", ["internal-error", "reset", "html-502"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_move_finds_its_own_copy_and_deletion(jupyter, proxy, path, name, s3, outcome, method):
    """A retry of what was done found its own copy, and said 409."""
    proxy.fail(outcome, only=method, times=1)
    moved = jupyter.move(path, f"notebooks/{name}.txt")
    assert moved.status_code == 200, moved.text
    moved = s3.get_object(Bucket=NOTEBOOKS, Key=f"team/one/{name}.txt")["Body"].read()
    assert moved == b"one"
    assert s3.list_objects_v2(Bucket=LAKE, Prefix=name)["KeyCount"] == 0


@pytest.mark.parametrize("outcome", ["html-502", "reset", "slow-down-applied"])
def test_deletion_and_new_folder_that_were_not_answered_are_done(
    jupyter, proxy, path, name, keys, outcome
):
    proxy.fail(outcome, only="DELETE", times=1)
    assert jupyter.call("DELETE", path).status_code == 204
    assert keys(LAKE, name) == []
    proxy.fail(outcome, only="PUT", times=1)
    assert jupyter.put(f"lake/{name}", {"type": "directory"}).status_code == 201
    assert keys(LAKE, name) == [f"{name}/"]


@pytest.mark.parametrize("outcome", sorted(NOT_APPLIED))
def test_deletion_that_something_in_between_took_is_not_told_as_done(
    jupyter, proxy, path, name, keys, outcome
):
    proxy.fail(outcome, only="DELETE", times=1)
    failed = jupyter.call("DELETE", path)
    assert failed.status_code in {502, 503}, failed.text
    assert keys(LAKE, name) == [f"{name}.txt"]


@pytest.mark.parametrize("outcome", sorted(NOT_APPLIED))
def test_batch_of_deletions_that_something_in_between_took_is_not_told_as_done(
    jupyter, proxy, s3, name, keys, outcome
):
    """Of a folder that was moved."""
    for number in range(20):
        s3.put_object(Bucket=LAKE, Key=f"{name}/{number}.txt", Body=b"x")
    proxy.fail(outcome, only="POST", times=1)
    failed = jupyter.move(f"lake/{name}", f"lake/{name}-2")
    assert "could not be deleted here" in failed.json()["message"]
    assert len(keys(LAKE, f"{name}/")) == len(keys(LAKE, f"{name}-2/")) == 20


def test_sentences_speak_of_what_was_asked(jupyter, proxy, path, name):
    asked = {
        "save": lambda: jupyter.text(path, "two"),
        "deletion": lambda: jupyter.call("DELETE", path),
        "checkpoint": lambda: jupyter.call("POST", f"{path}/checkpoints"),
    }
    for what, ask in asked.items():
        proxy.fail("hang", only="DELETE" if what == "deletion" else "PUT")
        assert f"the {what} is not confirmed" in ask().json()["message"]
        proxy.heal()


@pytest.mark.parametrize("options", [{"type": "directory"}, {"content": 0}, {"type": "file"}])
def test_sign_in_page_in_between_is_no_empty_folder_and_no_file(jupyter, proxy, path, options):
    jupyter.get(path, content=0)  # the look right after a save is answered without S3
    proxy.fail("portal")
    at = "lake" if "type" in options and options["type"] == "directory" else path
    answer = jupyter.get(at, **options)
    assert answer.status_code == 502, answer.text
    assert "what answered is not S3" in answer.json()["message"]


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("InvalidObjectState", 403, "is archived"),
        ("KeyTooLongError", 400, "too long"),
        ("RequestTimeTooSkewed", 503, "clock"),
        ("QuotaExceeded", 507, "full"),
        ("ConditionalRequestConflict", 409, "right now"),
        ("ServiceUnavailable", 503, "too busy"),
        ("SlowDown", 503, "more requests than it takes"),
        ("TooManyRequests", 503, "more requests than it takes"),
        ("429", 503, "more requests than it takes"),
        ("RequestLimitExceeded", 503, "account's limit"),
        ("RequestTimeout", 503, "did not receive all"),
        ("KMS.ThrottlingException", 503, "KMS"),
        ("KMS.DisabledException", 403, "key that encrypts"),
        ("InsufficientStorage", 507, "full"),
    ],
)
def test_each_refusal_has_its_sentence(code, status, said):
    refusal = _Refusal(code)
    assert errors.is_refusal(refusal) is not code.isdigit()
    with operation.changing("save"):
        told = errors.from_client_error(refusal, "lake/a", writing=True)
    assert told.status_code == status
    assert said in str(told.log_message)
    if not code.isdigit():
        assert "not confirmed" not in str(told.log_message)


def test_no_two_kinds_of_error_share_a_name():
    names = [code for told in errors.TOLD for code in told.codes]
    assert len(names) == len(set(names))
    assert len({told.cause for told in errors.TOLD}) == len(errors.TOLD)
    told = {code for each in errors.TOLD for code in each.codes}
    assert told >= errors.RETRIED


@pytest.mark.parametrize(("code", "status"), [("InternalError", 500), ("502", 502), ("301", 301)])
def test_what_is_no_refusal_is_in_doubt(code, status):
    answer = _Refusal(code, status)
    assert not errors.is_refusal(answer)
    assert isinstance(errors.from_client_error(answer, "a", writing=True), errors.Unconfirmed)


def test_the_outermost_operation_counts_also_in_tasks():
    async def seen() -> list[str]:
        async def inner() -> str:
            with operation.changing("checkpoint"):
                return operation.current()

        with operation.changing("move"):
            return await asyncio.gather(inner(), inner())

    assert asyncio.run(seen()) == ["move", "move"]
    assert operation.current() == ""


class _Refusal(Exception):
    """As botocore's ClientError has it."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.response = {
            "Error": {"Code": code},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }
