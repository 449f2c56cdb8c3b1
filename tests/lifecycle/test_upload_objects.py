"""One file to one object: in parts, taken up again, and never over what lies there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from ops.models.multipart import UPLOAD_GONE
from ops.models.parts import MIB, MIN_PART_BYTES, Source, SourceRefused, in_base64
from ops.models.upload import abandon, upload
from ops.models.write_once import ObjectBeingWritten, ObjectDiffers, same_bytes
from tests.lifecycle.uploads import BUCKET, KEY, Calls, account, open_uploads, random_file, s3_error

SIZE = 2 * MIN_PART_BYTES + MIB


@pytest.fixture
def s3() -> Iterator[Any]:
    with account() as client:
        yield client


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(random_file(tmp_path / "file", SIZE))


def contents(s3: Any, key: str = KEY) -> bytes:
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def test_a_large_file_goes_in_parts_and_a_small_one_whole(s3: Any, source: Source, tmp_path: Path) -> None:
    calls = Calls(s3)
    done = upload(s3, source, BUCKET, KEY)
    assert contents(s3) == source.path.read_bytes()
    assert (done.sha256, done.sent_bytes, done.created) == (
        hashlib.sha256(source.path.read_bytes()).hexdigest(),
        SIZE,
        True,
    )
    assert calls.count("UploadPart") == 3
    assert calls.count("PutObject") == 0
    small = Source(random_file(tmp_path / "small", MIN_PART_BYTES))
    assert upload(s3, small, BUCKET, "small").sha256 == hashlib.sha256(small.path.read_bytes()).hexdigest()
    assert calls.count("PutObject") == 1
    assert calls.count("CreateMultipartUpload") == 1


def test_s3_is_told_the_checksum_of_every_part_and_not_to_write_over_an_object(s3: Any, source: Source) -> None:
    sent: dict[str, list[Any]] = {"UploadPart": [], "CompleteMultipartUpload": []}
    for name, noted in sent.items():
        s3.meta.events.register(f"before-parameter-build.s3.{name}", lambda params, n=noted, **_: n.append(params))
    upload(s3, source, BUCKET, KEY)
    checksums = {part["PartNumber"]: part["ChecksumSHA256"] for part in sent["UploadPart"]}
    assert checksums == {part.number: in_base64(hashlib.sha256(source.read(part)).digest()) for part in source.parts}
    (completed,) = sent["CompleteMultipartUpload"]
    assert completed["IfNoneMatch"] == "*"
    assert completed["MpuObjectSize"] == SIZE
    assert {part["PartNumber"]: part["ChecksumSHA256"] for part in completed["MultipartUpload"]["Parts"]} == checksums


def test_what_is_reported_adds_up_to_the_file(s3: Any, source: Source) -> None:
    counts: list[int] = []
    upload(s3, source, BUCKET, KEY, on_bytes=counts.append)
    assert sorted(counts) == [MIB, MIN_PART_BYTES, MIN_PART_BYTES]


@pytest.mark.parametrize("size", [MIB, SIZE])
def test_an_object_with_the_same_bytes_is_left_and_one_with_others_is_refused(
    s3: Any, tmp_path: Path, size: int
) -> None:
    source = Source(random_file(tmp_path / "file", size))
    upload(s3, source, BUCKET, KEY)
    again = upload(s3, source, BUCKET, KEY)
    assert (again.created, again.sha256) == (False, hashlib.sha256(source.path.read_bytes()).hexdigest())
    other = Source(random_file(tmp_path / "other", size, seed=1))
    with pytest.raises(ObjectDiffers, match=f"s3://{BUCKET}/{KEY} holds other bytes"):
        upload(s3, other, BUCKET, KEY)
    assert contents(s3) == source.path.read_bytes()
    assert open_uploads(s3) == []


def test_only_what_lacks_is_sent_after_an_interruption(s3: Any, source: Source) -> None:
    calls = Calls(s3)
    # The listing, the beginning, the first part; the second does not arrive.
    calls.break_at = 4
    with pytest.raises(ConnectionClosedError):
        upload(s3, source, BUCKET, KEY, threads=1)
    calls.break_at = None
    counts: list[int] = []
    done = upload(s3, source, BUCKET, KEY, threads=1, on_bytes=counts.append)
    assert done.sent_bytes == SIZE - MIN_PART_BYTES
    assert sum(counts) == SIZE
    assert calls.count("CreateMultipartUpload") == 1
    assert contents(s3) == source.path.read_bytes()
    assert done.sha256 == hashlib.sha256(source.path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "part",
    [
        pytest.param({"PartNumber": 1, "Body": b"y" * MIN_PART_BYTES}, id="other bytes"),
        pytest.param({"PartNumber": 1, "Body": b"y"}, id="a part of another size"),
        pytest.param({"PartNumber": 9, "Body": b"y"}, id="a part that the file has not"),
        pytest.param(None, id="no part yet"),
    ],
)
def test_an_open_upload_that_may_be_somebody_elses_is_left_alone(
    s3: Any, source: Source, part: dict[str, Any] | None
) -> None:
    theirs = s3.create_multipart_upload(Bucket=BUCKET, Key=KEY, ChecksumAlgorithm="SHA256")["UploadId"]
    if part is not None:
        s3.upload_part(Bucket=BUCKET, Key=KEY, UploadId=theirs, **part)
    before = s3.list_parts(Bucket=BUCKET, Key=KEY, UploadId=theirs).get("Parts", [])
    assert upload(s3, source, BUCKET, KEY).sent_bytes == SIZE
    assert contents(s3) == source.path.read_bytes()
    assert s3.list_parts(Bucket=BUCKET, Key=KEY, UploadId=theirs).get("Parts", []) == before
    assert [found["UploadId"] for found in open_uploads(s3)] == [theirs]


def test_an_upload_of_another_key_with_the_same_beginning_is_not_taken_up(s3: Any, source: Source) -> None:
    theirs = s3.create_multipart_upload(Bucket=BUCKET, Key=f"{KEY}.other", ChecksumAlgorithm="SHA256")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key=f"{KEY}.other", UploadId=theirs, PartNumber=1, Body=source.read(source.parts[0]))
    assert upload(s3, source, BUCKET, KEY).sent_bytes == SIZE


def test_where_checksums_are_listed_they_decide_and_not_the_etag(s3: Any, source: Source) -> None:
    # As in S3, where the ETag of a part under a KMS key is no digest of it.
    first, second = (source.read(part) for part in source.parts[:2])
    for listed, expected in ((first, SIZE - MIN_PART_BYTES), (second, SIZE)):
        ours = s3.create_multipart_upload(Bucket=BUCKET, Key=KEY, ChecksumAlgorithm="SHA256")["UploadId"]
        s3.upload_part(Bucket=BUCKET, Key=KEY, UploadId=ours, PartNumber=1, Body=first)

        def with_checksum(parsed: Any, listed: bytes = listed, **_: Any) -> None:
            for part in parsed["Parts"]:
                part["ChecksumSHA256"] = in_base64(hashlib.sha256(listed).digest())

        s3.meta.events.register("after-call.s3.ListParts", with_checksum, unique_id="checksums")
        assert upload(s3, source, BUCKET, KEY).sent_bytes == expected
        s3.meta.events.unregister("after-call.s3.ListParts", unique_id="checksums")
        s3.delete_object(Bucket=BUCKET, Key=KEY)
        for found in open_uploads(s3):
            s3.abort_multipart_upload(Bucket=BUCKET, Key=KEY, UploadId=found["UploadId"])


@pytest.mark.parametrize("code", UPLOAD_GONE)
@pytest.mark.parametrize("operation", ["upload_part", "complete_multipart_upload"])
def test_an_upload_that_others_ended_or_changed_is_begun_anew(
    s3: Any, source: Source, monkeypatch: pytest.MonkeyPatch, code: str, operation: str
) -> None:
    genuine = getattr(s3, operation)
    refused: list[str] = []

    def gone(**arguments: Any) -> Any:
        if not refused or arguments["UploadId"] in refused:
            refused.append(arguments["UploadId"])
            raise s3_error(code, operation)
        return genuine(**arguments)

    monkeypatch.setattr(s3, operation, gone)
    counts: list[int] = []
    assert upload(s3, source, BUCKET, KEY, threads=1, on_bytes=counts.append).created
    assert contents(s3) == source.path.read_bytes()
    assert sum(counts) == SIZE


def test_an_upload_that_never_stays_open_ends_with_a_refusal(
    s3: Any, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(**_: Any) -> Any:
        raise s3_error("NoSuchUpload", "UploadPart")

    monkeypatch.setattr(s3, "upload_part", gone)
    with pytest.raises(ObjectBeingWritten, match="is being written by somebody else: publish again"):
        upload(s3, source, BUCKET, KEY)


@pytest.mark.parametrize(("operation", "size"), [("put_object", MIB), ("complete_multipart_upload", SIZE)])
def test_a_write_beside_anothers_is_refused_and_leaves_nothing_open(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, size: int
) -> None:
    def conflict(**_: Any) -> Any:
        raise s3_error("ConditionalRequestConflict", operation)

    monkeypatch.setattr(s3, operation, conflict)
    with pytest.raises(ObjectBeingWritten, match="is being written by somebody else: publish again"):
        upload(s3, Source(random_file(tmp_path / "file", size)), BUCKET, KEY)
    assert open_uploads(s3) == []


def test_other_failures_are_raised_as_they_are_and_leave_the_upload_open(
    s3: Any, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(**_: Any) -> Any:
        raise s3_error("AccessDenied", "UploadPart")

    monkeypatch.setattr(s3, "upload_part", denied)
    with pytest.raises(ClientError, match="AccessDenied"):
        upload(s3, source, BUCKET, KEY)
    assert len(open_uploads(s3)) == 1


def test_a_file_that_changes_during_the_upload_makes_no_object(s3: Any, source: Source) -> None:
    def rewrite(_: int) -> None:
        random_file(source.path, SIZE, seed=2)

    with pytest.raises(SourceRefused, match="changed while it was being published"):
        upload(s3, source, BUCKET, KEY, on_bytes=rewrite)
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)


def test_an_object_is_compared_by_the_checksum_that_s3_keeps_without_reading_it(s3: Any, source: Source) -> None:
    upload(s3, source, BUCKET, KEY)
    calls = Calls(s3)
    composite = source.survey().stored[1]
    s3.meta.events.register("after-call.s3.HeadObject", lambda parsed, **_: parsed.update(ChecksumSHA256=composite))
    assert same_bytes(s3, BUCKET, KEY, source) == hashlib.sha256(source.path.read_bytes()).hexdigest()
    assert calls.names == ["HeadObject"]


def test_an_object_that_was_written_without_checksums_is_read(s3: Any, source: Source, tmp_path: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=source.path.read_bytes())
    assert same_bytes(s3, BUCKET, KEY, source) == hashlib.sha256(source.path.read_bytes()).hexdigest()
    assert same_bytes(s3, BUCKET, KEY, Source(random_file(tmp_path / "other", SIZE, seed=1))) is None


def test_uploads_are_abandoned_by_when_their_last_part_came(s3: Any, source: Source) -> None:
    # moto says of every upload that it began in 2010.
    active = s3.create_multipart_upload(Bucket=BUCKET, Key=KEY, ChecksumAlgorithm="SHA256")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key=KEY, UploadId=active, PartNumber=1, Body=b"part")
    silent = s3.create_multipart_upload(Bucket=BUCKET, Key=KEY, ChecksumAlgorithm="SHA256")["UploadId"]
    s3.create_multipart_upload(Bucket=BUCKET, Key="artifacts/other")
    ended = abandon(s3, BUCKET, "models/", timedelta(days=1))
    assert [(found.key, found.upload_id) for found in ended] == [(KEY, silent)]
    assert {found["Key"] for found in open_uploads(s3)} == {KEY, "artifacts/other"}
    assert [found.upload_id for found in abandon(s3, BUCKET, "models/", timedelta(0))] == [active]
    assert upload(s3, source, BUCKET, KEY).created
