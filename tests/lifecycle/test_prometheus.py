"""The client of Prometheus' API: what it asks, what it takes, and how each kind of failure is told."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from localcloud import prometheus as local
from localcloud.moto_server import free_port
from ops.canary import prometheus
from ops.canary.prometheus import Prometheus, PrometheusAway, PrometheusRefused
from tests.lifecycle.answers import Answer, AnswerServer

TOKEN = "planted-token-61f0"


def _found(*result: object, kind: str = "vector", **more: object) -> Answer:
    return Answer(
        body=json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **more}).encode()
    )


def test_a_real_prometheus_answers_and_refuses() -> None:
    if not local.is_there():
        pytest.skip("prometheus is not installed (apt-get install prometheus)")
    with local.prometheus([], every_seconds=1) as address:
        client = Prometheus(address)
        assert client.query("vector(42)", 1_700_000_000_250)[0].samples == ((1_700_000_000_250, 42.0),)
        with pytest.raises(PrometheusRefused, match="parse error"):
            client.query("sum(", 1_700_000_000_000)


def test_samples_are_read_from_instants_and_ranges_and_what_is_no_number_is_left_out() -> None:
    instant = {"metric": {"pod": "a"}, "value": [1700000000.125, "3"]}
    ranged = {"metric": {"pod": "b"}, "values": [[1, "1"], [2.001, "NaN"], [3, "+Inf"], [4, "1e3"]]}
    with AnswerServer(_found(instant), _found(ranged, kind="matrix")) as server:
        client = Prometheus(server.url + "/")
        assert client.query("up", 5)[0].samples == ((1_700_000_000_125, 3.0),)
        assert client.query("up[1m]", 1_700_000_000_125)[0].samples == ((1_000, 1.0), (4_000, 1000.0))
    assert server.asked[1].path == "/api/v1/query"
    form = urllib.parse.parse_qs(server.asked[1].body.decode())
    assert form == {"query": ["up[1m]"], "time": ["1700000000.125"]}


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_a_server_that_is_in_trouble_is_away(status: int) -> None:
    with AnswerServer(Answer(status=status)) as server, pytest.raises(PrometheusAway, match=f"status {status}"):
        Prometheus(server.url).query("up", 0)


def test_nobody_there_is_away() -> None:
    with pytest.raises(PrometheusAway, match="cannot be reached: Connection refused"):
        Prometheus(f"http://127.0.0.1:{free_port()}").query("up", 0)


def test_no_answer_in_time_is_away() -> None:
    with AnswerServer(Answer(hangs=True)) as server, pytest.raises(PrometheusAway, match="no answer in time"):
        Prometheus(server.url, timeout_seconds=0.2).query("up", 0)


def test_an_answer_that_breaks_off_is_away() -> None:
    answer = Answer(body=b'{"status"', announced_bytes=5000)
    with AnswerServer(answer) as server, pytest.raises(PrometheusAway, match="broke off"):
        Prometheus(server.url).query("up", 0)


def test_an_answer_of_which_a_part_is_missing_is_away() -> None:
    answer = _found(warnings=["a store was not reached"])
    with AnswerServer(answer) as server, pytest.raises(PrometheusAway, match="only a part: a store was not reached"):
        Prometheus(server.url).query("up", 0)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(status=400, body=b'{"status":"error","error":"parse error: no"}'), "refused the query: parse error"),
        (Answer(status=422, body=b'{"status":"error","error":"too many samples"}'), "too many samples"),
        (Answer(status=404, body=b"<html>"), "status 404: is it a Prometheus"),
        (Answer(status=401), "check the token"),
        (Answer(body=b"<html>hello</html>"), "is it a Prometheus"),
        (Answer(body=b'{"status":"success","data":{"resultType":"scalar","result":[]}}'), "not series"),
        (_found({"metric": {}, "value": [1, "many"]}), "not series"),
    ],
)
def test_what_asking_again_would_not_change_is_refused(answer: Answer, said: str) -> None:
    with AnswerServer(answer) as server, pytest.raises(PrometheusRefused, match=said):
        Prometheus(server.url).query("up", 0)


def test_an_answer_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "MOST_BYTES", 100_000)
    answer = Answer(body=b" " * 100_001)
    with AnswerServer(answer) as server, pytest.raises(PrometheusRefused, match="more than 100000 bytes"):
        Prometheus(server.url).query("up", 0)


def test_a_redirect_is_not_followed_and_no_token_goes_along(tmp_path: Path) -> None:
    with AnswerServer(_found()) as other:
        away = Answer(status=302, headers={"Location": f"{other.url}/api/v1/query"})
        with AnswerServer(away) as server, pytest.raises(PrometheusRefused, match="redirect"):
            Prometheus(server.url, token_file=_token(tmp_path)).query("up", 0)
        assert other.asked == []


def test_the_token_is_read_anew_for_each_question(tmp_path: Path) -> None:
    file = _token(tmp_path)
    with AnswerServer(_found()) as server:
        client = Prometheus(server.url, token_file=file)
        client.query("up", 0)
        file.write_text("renewed")
        client.query("up", 0)
    assert [asked.headers["Authorization"] for asked in server.asked] == [f"Bearer {TOKEN}", "Bearer renewed"]


@pytest.mark.parametrize("content", [b"", b"two\nlines", "schlüssel".encode()])
def test_what_is_no_token_is_refused_and_not_quoted(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(PrometheusRefused, match="token") as refused:
        Prometheus("http://127.0.0.1:1", token_file=file).query("up", 0)
    assert not content or content.decode() not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "prometheus:9090",
        "ftp://prometheus",
        "http://",
        "http://host:99999",
        "http://host/?query=x",
        "http://a b",
        "http://[::",
    ],
)
def test_an_address_that_is_none_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(PrometheusRefused, match="give it as http://HOST:PORT or https://HOST"):
        Prometheus(address)


@pytest.mark.parametrize("address", ["https://me:planted-pw@host", "me:planted-pw@host"])
def test_a_password_in_the_address_is_refused_and_not_quoted(address: str) -> None:
    with pytest.raises(PrometheusRefused, match="must not hold") as refused:
        Prometheus(address)
    assert "planted" not in str(refused.value)


def test_a_token_goes_over_https_or_stays_on_this_machine(tmp_path: Path) -> None:
    with pytest.raises(PrometheusRefused, match="unencrypted"):
        Prometheus("http://prometheus.example", token_file=_token(tmp_path))
    assert Prometheus("https://prometheus.example/base/", token_file=_token(tmp_path)).where.endswith("/base")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, file = folder / "key.pem", folder / "cert.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", str(key), "-out", str(file)], check=True, capture_output=True, timeout=60)
    return file, key


@pytest.fixture
def secure(certificate: tuple[Path, Path]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = _found().body
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_ca_of_ones_own_is_believed_where_it_is_named_alone(secure: str, certificate: tuple[Path, Path]) -> None:
    assert Prometheus(secure, ca_file=certificate[0]).query("up", 0) == []
    with pytest.raises(PrometheusRefused, match="name the file of its CA"):
        Prometheus(secure).query("up", 0)


def test_a_ca_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("absent.pem", "empty.pem"):
        with pytest.raises(PrometheusRefused, match="holds no certificates"):
            Prometheus("https://prometheus.example", ca_file=tmp_path / name)


def _token(folder: Path) -> Path:
    file = folder / "token"
    file.write_text(f"{TOKEN}\n")
    return file
