"""Access as a caller of the running container meets it: keys, tokens, scopes, limits over all workers, revocation."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from contract import access, service
from contract.access import OPERATOR, ApiKeyRecord
from ops.demo_model import DemoModel
from tests.serving.conftest import CREDENTIALS, Publish, StartContainer
from tests.serving.process import PATIENCE_SECONDS, Answer, Container

ROW = {"instances": [[1.0] * 30]}
MODEL = "breast-cancer"
REQUIRED = {service.ENV_AUTHENTICATION: "required", service.ENV_KEYS_REFRESH_SECONDS: "1"}


def key(*scopes: str, requests_per_minute: int | None = None) -> tuple[dict[str, str], ApiKeyRecord]:
    """The header that presents a new key, and its record."""
    text, record = access.issue(user_id="ada", scopes=scopes, now=time.time(), requests_per_minute=requests_per_minute)
    return {"Authorization": f"Bearer {text}"}, record


def until(container: Container, headers: dict[str, str], status: int) -> Answer:
    deadline = time.monotonic() + PATIENCE_SECONDS
    seen: set[bytes] = set()
    while True:
        answer = container.predict(ROW, headers)
        if answer.status == status:
            return answer
        seen.add(answer.body)
        assert time.monotonic() < deadline, f"never {status}, but {seen}"
        time.sleep(0.02)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_keys_of_a_file_open_the_models_of_their_scopes_and_are_revoked_within_seconds(
    start: StartContainer, upload: Publish, first: DemoModel, keys: Path
) -> None:
    (ada, ada_record), (other, other_record), (operator, operator_record) = (
        key(MODEL),
        key("another-model"),
        key(OPERATOR),
    )
    keys.write_bytes(access.render([ada_record, other_record, operator_record]))
    upload(first)
    container = start(**REQUIRED, SERVEML_KEYS_FILE=str(keys))

    container.wait_for_line(f"serving {MODEL} 1.0.0")
    answer = until(container, ada, 200)
    assert answer.headers["ratelimit-limit"] == "100"
    refused = container.predict(ROW)
    assert (refused.status, refused.json["error"]["code"]) == (401, "unauthenticated")
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert container.predict(ROW, other).status == 403
    assert container.predict({"instances": [[1.0]]}, ada).headers["ratelimit-limit"] == "100"

    infer = f"/v2/models/{MODEL}/infer"
    assert container.call("POST", infer, b"{}").status == 401
    assert container.call("POST", infer, b"{}", other).json == {
        "error": "these credentials do not cover the model: ask for one whose scopes name it"
    }
    assert container.call("POST", infer, b"{}", ada).status == 400
    assert container.call("GET", f"/v2/models/{MODEL}").status == 401
    assert container.call("GET", f"/v2/models/{MODEL}", headers=other).status == 200
    unload = f"/v2/repository/models/{MODEL}/versions/1.0.0/unload"
    assert [container.call("POST", unload, b"", who).status for who in (ada, operator)] == [403, 409]
    assert [container.call("GET", "/metrics", headers=who).status for who in (ada, operator)] == [403, 200]
    assert container.call("GET", "/metrics", probes=True).status == 200
    assert container.call("GET", "/health").status == 200

    keys.write_bytes(access.render([replace(ada_record, revoked_at=int(time.time()))]))
    assert "revoked" in until(container, ada, 401).json["error"]["message"]
    secret = ada["Authorization"].rpartition("_")[2]
    assert not [line for line in container.lines if secret in line]


def test_a_limit_holds_over_all_workers(start: StartContainer, upload: Publish, first: DemoModel, keys: Path) -> None:
    ada, record = key(MODEL, requests_per_minute=20)
    keys.write_bytes(access.render([record]))
    upload(first)
    container = start(**REQUIRED, SERVEML_KEYS_FILE=str(keys), SERVEML_WORKERS="2")
    for _ in range(2):
        container.wait_for_line(f"serving {MODEL} 1.0.0")
    until(container, ada, 200)

    # Each on a connection of its own, which the kernel gives to either worker.
    answers = [container.predict(ROW, ada) for _ in range(40)]
    let_in = [answer for answer in answers if answer.status == 200]
    # One for the word that it is up, and one more that a bucket of two workers may owe.
    assert 18 <= len(let_in) <= 21
    refused = answers[-1]
    assert (refused.status, refused.json["error"]["code"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 3
    assert refused.headers["ratelimit-remaining"] == "0"


def test_keys_of_a_table_count_from_the_next_refresh(
    start: StartContainer, upload: Publish, first: DemoModel, endpoint: str, own_bucket: str
) -> None:
    dynamodb: Any = boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    table = f"keys-{own_bucket}"
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": access.HASH_KEY, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": access.HASH_KEY, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    upload(first)
    container = start(**REQUIRED, SERVEML_KEYS_TABLE=table)
    ada, record = key("*")
    container.wait_for_line(f"serving {MODEL} 1.0.0")
    assert until(container, ada, 401).json["error"]["code"] == "invalid_credentials"
    dynamodb.put_item(TableName=table, Item=access.to_item(record))
    until(container, ada, 200)


def test_while_no_keys_could_be_read_nobody_is_sent_here_and_nobody_is_told_that_a_key_is_bad(
    start: StartContainer, upload: Publish, first: DemoModel, keys: Path
) -> None:
    ada, record = key(MODEL)
    upload(first)
    container = start(**REQUIRED, SERVEML_KEYS_FILE=str(keys))
    container.wait_for_line(f"serving {MODEL} 1.0.0")
    answer = container.predict(ROW, ada)
    assert (answer.status, answer.json["error"]["code"]) == (503, "credentials_unavailable")
    assert container.call("GET", "/health/ready", probes=True).status == 503
    assert container.call("GET", "/health/startup", probes=True).status == 503
    assert container.call("GET", "/health/live", probes=True).status == 200
    keys.write_bytes(access.render([record]))
    until(container, ada, 200)
    assert container.call("GET", "/health/ready", probes=True).status == 200
    assert container.call("GET", "/health/startup", probes=True).status == 200


@pytest.fixture
def issuer() -> Iterator[tuple[str, Any]]:
    """The address of an issuer's key set, and the key it signs with."""
    private = ec.generate_private_key(ec.SECP256R1())
    public = {**json.loads(ECAlgorithm.to_jwk(private.public_key())), "kid": "k1", "alg": "ES256", "use": "sig"}
    body = json.dumps({"keys": [public]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/keys", private
    server.shutdown()
    thread.join()
    server.server_close()


def test_signed_tokens_are_taken_beside_keys(
    start: StartContainer, upload: Publish, first: DemoModel, keys: Path, issuer: tuple[str, Any]
) -> None:
    ada, record = key(MODEL)
    keys.write_bytes(access.render([record]))
    upload(first)
    url, private = issuer
    container = start(
        **REQUIRED,
        SERVEML_KEYS_FILE=str(keys),
        SERVEML_TOKEN_ISSUER="https://issuer.example",
        SERVEML_TOKEN_AUDIENCE="serveml",
        SERVEML_TOKEN_KEYS_URL=url,
    )

    def token(**changes: Any) -> dict[str, str]:
        claims = {
            "iss": "https://issuer.example",
            "aud": "serveml",
            "sub": "eve",
            "exp": int(time.time()) + 60,
            "scope": f"serveml:{MODEL}",
            **changes,
        }
        signed = jwt.encode(claims, private, algorithm="ES256", headers={"kid": "k1"})
        return {"Authorization": f"Bearer {signed}"}

    until(container, token(), 200)
    assert container.predict(ROW, ada).status == 200
    assert container.predict(ROW, token(scope="serveml:another")).status == 403
    assert container.predict(ROW, token(exp=int(time.time()) - 3600)).status == 401
    assert container.predict(ROW, token(aud="else")).status == 401
