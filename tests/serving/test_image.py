"""The image, as far as it can be judged without building it: its Dockerfile, what it trims, and its health command."""

from __future__ import annotations

import ast
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from components.workload import pods
from contract import service
from serving.image import check, probe, trim
from tests.serving.process import ROOT

DOCKERFILE = (ROOT / "serving" / "Dockerfile").read_text()
STAGES = re.split(r"^(?=FROM )", DOCKERFILE.replace("\\\n", " "), flags=re.MULTILINE)[1:]
LAST = STAGES[-1]

PACKAGE = """Package: {name}
Status: install ok installed
Description: a package
 of several lines
"""


def arguments(instruction: str, text: str = DOCKERFILE) -> list[str]:
    return re.findall(rf"^{instruction} +(.+?) *$", text.replace("\\\n", " "), re.MULTILINE)


# --- the Dockerfile


def test_every_stage_that_runs_anything_starts_from_the_one_pinned_base() -> None:
    (base,) = (line.partition("=")[2] for line in arguments("ARG") if line.startswith("BASE_IMAGE="))
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", base)
    assert [stage.split()[1] for stage in STAGES] == ["${BASE_IMAGE}"] * (len(STAGES) - 1) + ["scratch"]


def test_libraries_are_installed_from_wheels_with_reviewed_hashes_only() -> None:
    installs = [run for run in arguments("RUN") if " install " in run and "pip" in run]
    assert len(installs) == 1
    assert {"--require-hashes", "--only-binary", ":all:"} <= set(installs[0].split())
    assert "/tmp/serving.txt" in installs[0]
    assert not arguments("ADD")


def test_the_image_has_what_its_build_copies_in_and_nothing_else_of_the_repository() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    for source in (line.split()[0] for line in arguments("COPY") if not line.startswith("--from")):
        assert (ROOT / source).exists(), source
        assert any(f"!{allowed}" in ignored for allowed in (source, source.partition("/")[0])), source
    assert all(line.startswith("--from=") for line in arguments("COPY", LAST))


def test_the_process_is_the_numbered_user_that_the_pod_demands() -> None:
    assert arguments("USER", LAST) == [f"{pods.USER_ID}:{pods.USER_ID}"]
    assert LAST.index("\nUSER ") < LAST.index("\nRUN ")


def test_the_cache_is_the_only_volume_and_belongs_to_that_user() -> None:
    assert arguments("VOLUME", LAST) == [service.CACHE_DIR]
    (made,) = (run for run in arguments("RUN") if service.CACHE_DIR in run)
    assert f"--owner={pods.USER_ID} --group={pods.USER_ID}" in made


def test_the_ports_of_the_contract_are_exposed() -> None:
    ports = f"{service.HTTP_PORT} {service.PROBE_PORT} {service.GRPC_PORT}"
    assert arguments("EXPOSE", LAST) == [ports]


def test_nothing_in_the_last_stage_needs_a_shell() -> None:
    (health,) = arguments("HEALTHCHECK", LAST)
    started = [*arguments("RUN", LAST), *arguments("ENTRYPOINT", LAST), health.partition("CMD ")[2]]
    for command in started:
        program, flag, module, *more = ast.literal_eval(command)
        assert (program, flag, more) == ("python", "-m", [])
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()


def test_onnx_runtime_is_told_not_to_report_its_use() -> None:
    assert "ORT_DISABLE_TELEMETRY=1" in arguments("ENV", LAST)[0].split()


def test_all_that_python_may_import_is_compiled_into_the_image() -> None:
    compiled = " ".join(run for run in arguments("RUN") if "compileall" in run)
    for directory in ("/usr/local/lib/python3.*", "/opt/venv", "/app"):
        assert directory in compiled
    assert compiled.count("--invalidation-mode unchecked-hash") == 3


# --- what is trimmed


def test_trimming_runs_before_anything_of_the_project_is_there() -> None:
    for node in ast.walk(ast.parse((ROOT / "serving" / "image" / "trim.py").read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= sys.stdlib_module_names
        elif isinstance(node, ast.ImportFrom):
            assert str(node.module).partition(".")[0] in sys.stdlib_module_names


@pytest.mark.parametrize("pattern", trim.UNUSED)
def test_each_pattern_fits_the_libraries_as_they_are_today(pattern: str) -> None:
    assert any(Path(sysconfig.get_path("purelib")).glob(pattern))


def test_every_aws_service_that_the_container_calls_keeps_its_description() -> None:
    called = {
        match
        for path in (ROOT / "serving").rglob("*.py")
        for match in re.findall(r"\.client\(\s*\"([a-z0-9-]+)\"", path.read_text())
    }
    assert {"s3", "dynamodb"} <= called <= trim.SERVICES
    assert set(check.SERVICES) == trim.SERVICES


def test_the_build_fails_when_a_library_has_moved_what_was_trimmed(tmp_path: Path) -> None:
    with pytest.raises(trim.NothingMatched, match="numpy/"):
        trim.trim_packages(tmp_path)


def test_trimmed_libraries_keep_what_serving_reads(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    for pattern in trim.UNUSED:
        write(packages / pattern.replace("/**", "").replace("*", "1") / "file")
    kept = [
        write(packages / "botocore/data/s3/2006-03-01/service-2.json.gz"),
        write(packages / "botocore/data/endpoints.json"),
        write(packages / "numpy/__init__.py"),
        write(packages / "onnxruntime/capi/libonnxruntime_providers_shared.so"),
        write(tmp_path / "bin" / "python3"),
    ]
    write(packages / "botocore/data/ec2/2016-11-15/service-2.json.gz")
    write(packages / "numpy/__init__.pyi")
    write(tmp_path / "bin" / "f2py")
    trim.trim_packages(packages)
    assert sorted(trim.files(tmp_path)) == sorted(kept)


def debian(root: Path, **packages: list[str]) -> None:
    """A system in which these packages own these files."""
    status: list[str] = []
    for name, owned in packages.items():
        status.append(PACKAGE.format(name=name))
        write(root / trim.DATABASE / "info" / f"{name}:amd64.list", "/.\n" + "".join(f"{path}\n" for path in owned))
        write(root / trim.DATABASE / "info" / f"{name}:amd64.md5sums")
        for path in owned:
            if path.endswith("/"):
                (root / path.strip("/")).mkdir(parents=True, exist_ok=True)
            else:
                write(root / path.strip("/"))
    write(root / trim.DATABASE / "status", "\n".join(status))


def test_packages_that_do_not_stay_go_with_their_files_and_their_entries(tmp_path: Path) -> None:
    debian(
        tmp_path,
        libc6=["/usr/lib/", "/usr/lib/libc.so.6", "/usr/share/shared"],
        bash=["/usr/bin/", "/usr/bin/bash", "/usr/share/shared", "/etc/skel/", "/etc/skel/.bashrc"],
    )
    (tmp_path / "usr/bin/sh").symlink_to("bash")
    trim.remove_debian_packages(tmp_path, frozenset({"libc6"}))

    left = {str(path.relative_to(tmp_path)) for path in trim.files(tmp_path)}
    info = f"{trim.DATABASE}/info/libc6:amd64"
    assert left == {
        "usr/lib/libc.so.6",
        "usr/share/shared",
        f"{info}.list",
        f"{info}.md5sums",
        str(trim.DATABASE / "status"),
    }
    assert not (tmp_path / "etc/skel").exists()
    assert (tmp_path / trim.DATABASE / "status").read_text() == PACKAGE.format(name="libc6") + "\n"


def test_a_base_image_without_a_package_that_stays_is_refused_before_anything_goes(tmp_path: Path) -> None:
    debian(tmp_path, bash=["/usr/bin/bash"])
    with pytest.raises(trim.NothingMatched, match="libc6"):
        trim.remove_debian_packages(tmp_path, frozenset({"libc6"}))
    assert (tmp_path / "usr/bin/bash").exists()


def test_no_file_keeps_the_right_to_become_another_user(tmp_path: Path) -> None:
    program = write(tmp_path / "usr" / "bin" / "su")
    program.chmod(0o4755)
    trim.drop_raised_rights(tmp_path)
    assert stat.S_IMODE(program.stat().st_mode) == 0o755


def test_trimming_does_not_go_through_links(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside" / "kept")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(outside.parent)
    assert list(trim.files(tmp_path / "root")) == [tmp_path / "root" / "link"]
    trim.delete(trim.files(tmp_path / "root"))
    assert outside.exists()


def test_trimming_needs_to_be_told_what(capsys: pytest.CaptureFixture[str]) -> None:
    assert trim.main("everything") == 2
    assert "packages or system" in capsys.readouterr().err


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# --- the check at the build's end


def test_the_check_finds_a_module_of_ours_that_cannot_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "half"
    write(package / "__init__.py")
    write(package / "lame.py", "import no_such_library\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(check, "contract", __import__("half"))
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        check.check()


def test_the_check_finds_missing_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no certificates"):
        check._check_certificates()  # pyright: ignore[reportPrivateUsage]


# --- the health command


@pytest.fixture
def answering() -> Iterator[Callable[[int], int]]:
    """Starts a server that answers the health path with a status; gives its port."""
    with ExitStack() as stack:

        def start(status: int) -> int:
            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    self.send_response(status if self.path == service.HEALTH_PATH else 404)
                    self.end_headers()

                def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

            server = stack.enter_context(HTTPServer(("127.0.0.1", 0), Handler))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            return server.server_port

        yield start


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (404, False)])
def test_the_health_command_says_what_the_probe_port_says(
    status: int, healthy: bool, answering: Callable[[int], int]
) -> None:
    assert probe.healthy({service.ENV_PROBE_PORT: str(answering(status))}) is healthy


def test_the_health_command_fails_where_nothing_listens(answering: Callable[[int], int]) -> None:
    # Its own program, as the engine runs it; port 1 of the loopback interface is nobody's.
    environment = {service.ENV_PROBE_PORT: "1", service.ENV_HOST: "127.0.0.1", "PATH": "/usr/bin"}
    command = [sys.executable, "-m", "serving.image.probe"]
    assert subprocess.run(command, cwd=ROOT, env=environment, timeout=20).returncode == 1
    environment[service.ENV_PROBE_PORT] = str(answering(200))
    assert subprocess.run(command, cwd=ROOT, env=environment, timeout=20).returncode == 0


def test_the_health_command_imports_no_client_library() -> None:
    program = "import sys, serving.image.probe; sys.exit(bool({'ssl', 'urllib.request', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=20).returncode == 0


def test_hadolint_finds_nothing_where_it_is_installed() -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    result = subprocess.run(
        [hadolint, str(ROOT / "serving" / "Dockerfile")], capture_output=True, text=True, timeout=60
    )
    assert (result.returncode, result.stdout) == (0, "")
