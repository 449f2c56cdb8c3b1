"""The container's package: what it may import, and what its image is built from."""

from __future__ import annotations

import ast
import re
import sys

from tests.serving.process import ROOT

LOCK = (ROOT / "requirements" / "serving.txt").read_text()
REQUIREMENTS = (ROOT / "serving" / "requirements.in").read_text()


def test_the_package_imports_only_itself_the_contract_and_what_its_own_list_names() -> None:
    listed = {name.replace("-", "_") for name in re.findall(r"^([a-z0-9-]+)(?:\[\w+\])?>=", REQUIREMENTS, re.MULTILINE)}
    # botocore comes with boto3 at the version it needs, and urllib3 with it; the stubs are for type checkers alone.
    brought = {"botocore", "urllib3", "mypy_boto3_s3", "mypy_boto3_dynamodb", "mypy_boto3_kms", "jwt"}
    # What grpcio, its two additions and protobuf are imported as.
    brought |= {"grpc", "grpc_health", "grpc_reflection", "google"}
    allowed = listed | brought | {"serving", "contract"} | sys.stdlib_module_names
    for path in [*(ROOT / "serving").rglob("*.py"), *(ROOT / "contract").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            modules: list[str] = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            assert {module.partition(".")[0] for module in modules} <= allowed, path


def test_the_lock_has_every_requirement_with_hashes_and_names_no_host() -> None:
    locked = dict(
        re.findall(r"^([a-z0-9-]+)==\S+ \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", LOCK, re.MULTILINE)
    )
    assert set(re.findall(r"^([a-z0-9-]+)(?:\[\w+\])?>=", REQUIREMENTS, re.MULTILINE)) <= set(locked)
    assert len(locked) == len(re.findall(r"^[a-z0-9-]+==", LOCK, re.MULTILINE))
    assert "://" not in LOCK


def test_the_container_runs_the_versions_that_are_tested() -> None:
    platform = set(re.findall(r"^[a-z0-9-]+==\S+", (ROOT / "requirements" / "platform.txt").read_text(), re.MULTILINE))
    assert set(re.findall(r"^[a-z0-9-]+==\S+", LOCK, re.MULTILINE)) <= platform


def test_the_image_runs_as_a_numbered_user_and_stops_on_sigterm() -> None:
    last_stage = (ROOT / "serving" / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    for instruction in ("USER 10001:10001", "STOPSIGNAL SIGTERM", 'ENTRYPOINT ["python", "-m", "serving"]'):
        assert f"\n{instruction}\n" in last_stage
    assert "\nHEALTHCHECK " in last_stage
