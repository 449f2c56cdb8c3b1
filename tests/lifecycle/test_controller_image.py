"""The canary controller's image, as far as it can be judged without building it."""

from __future__ import annotations

import ast
import re
import sysconfig
from pathlib import Path

import pytest

from components.isolation.platform import CANARY_CONTROLLER_PORT
from components.workload import pods
from ops.image import probe, services, trim
from serving.image.trim import SERVICES as SERVING_SERVICES
from tests.lifecycle.answers import Answer, AnswerServer

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "ops" / "Dockerfile").read_text().replace("\\\n", " ")
LAST = DOCKERFILE.rpartition("\nFROM ")[2]
REQUIREMENTS = (ROOT / "requirements" / "controller.in").read_text()


def arguments(instruction: str, text: str = DOCKERFILE) -> list[str]:
    return re.findall(rf"^{instruction} +(.+?) *$", text, re.MULTILINE)


def test_it_starts_from_the_base_of_the_serving_container_and_ends_with_nothing_below() -> None:
    serving = (ROOT / "serving" / "Dockerfile").read_text()
    assert arguments("ARG")[0] == arguments("ARG", serving)[0]
    assert LAST.startswith("scratch\n")


def test_libraries_are_installed_from_wheels_with_reviewed_hashes_only() -> None:
    [install] = [run for run in arguments("RUN") if " install " in run and "pip" in run]
    assert {"--require-hashes", "--only-binary", ":all:", "/tmp/controller.txt"} <= set(install.split())
    assert not arguments("ADD")


def test_the_build_may_read_what_it_copies_and_copies_all_that_the_program_imports() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [source for line in arguments("COPY") if "--from" not in line for source in line.split()[:-1]]
    for source in copied:
        assert any(f"!{allowed}" in ignored for allowed in (source, source.partition("/")[0])), source
        assert (ROOT / source).exists() or source == "requirements/controller.txt", source
    application = set(DOCKERFILE.partition("AS application")[2].partition("FROM scratch")[0].split())
    missing = [
        path
        for path in imported(ROOT / "ops" / "canary" / "__main__.py")
        if not any(str(part) in application for part in (path, *path.parents))
    ]
    assert missing == []


def imported(start: Path) -> set[Path]:
    """The files of ours that a program reads, by their paths in the repository."""
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name.partition(".")[0] in ("ops", "contract", "serving"):
                    place = ROOT / name.replace(".", "/")
                    waiting += [file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()]
    return {path.relative_to(ROOT) for path in found}


def test_the_process_is_the_numbered_user_that_the_pod_demands_and_needs_no_shell() -> None:
    assert arguments("USER", LAST) == [f"{pods.USER_ID}:{pods.USER_ID}"]
    [health] = arguments("HEALTHCHECK", LAST)
    started = [*arguments("RUN", LAST), *arguments("ENTRYPOINT", LAST), health.partition("CMD ")[2]]
    for command in started:
        program, flag, module = ast.literal_eval(command)
        assert (program, flag) == ("python", "-m")
        place = ROOT / module.replace(".", "/")
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists()
    assert arguments("STOPSIGNAL", LAST) == ["SIGTERM"]


def test_its_port_is_the_one_that_is_probed() -> None:
    assert arguments("EXPOSE", LAST) == [str(probe.PORT)] == [str(CANARY_CONTROLLER_PORT)]


@pytest.mark.parametrize(("status", "well"), [(200, True), (503, False)])
def test_its_health_command_tells_what_the_loop_tells(status: int, well: bool) -> None:
    with AnswerServer(Answer(status=status)) as server:
        assert probe.healthy(int(server.url.rpartition(":")[2])) is well


def test_nobody_there_is_not_healthy() -> None:
    with AnswerServer(Answer()) as server:
        port = int(server.url.rpartition(":")[2])
    assert not probe.healthy(port)


@pytest.mark.parametrize("pattern", trim.UNUSED)
def test_each_pattern_fits_the_libraries_as_they_are_today(pattern: str) -> None:
    assert any(Path(sysconfig.get_path("purelib")).glob(pattern))


def test_the_services_that_are_called_keep_their_descriptions_and_credentials_come_as_elsewhere() -> None:
    sources = [ROOT / path for path in imported(ROOT / "ops" / "canary" / "__main__.py")]
    called = {name for path in sources for name in re.findall(r"\bplatform\.(dynamodb|kms|s3|sns)\b", path.read_text())}
    assert called == services.CALLED
    assert SERVING_SERVICES - {"s3", "dynamodb"} == services.SERVICES - services.CALLED
