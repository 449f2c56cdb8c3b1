"""Over TLS a Redis is used when its certificate proves its name, and passed by otherwise."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from serving.cache import redis_store
from serving.cache.redis_store import RedisStore
from serving.cache.settings import RedisSettings
from tests.serving.cache_redis.connections import connecting, looked_up
from tests.serving.redis_process import RedisServer, run, until


def certificate(directory: Path, *names: x509.GeneralName) -> tuple[Path, Path]:
    """One that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cache")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = directory / "cert.pem", directory / "key.pem"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


@pytest.mark.parametrize(
    ("names", "vouched", "reason"),
    [
        ([LOOPBACK], True, None),
        ([LOOPBACK], False, "no connection (SSLCertVerificationError)"),
        ([x509.DNSName("elsewhere.example")], True, "no connection (SSLCertVerificationError)"),
    ],
    ids=["good", "unknown authority", "another host's"],
)
def test_over_tls_only_a_redis_that_proves_its_name_is_used(
    program: str,
    settings: RedisSettings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    names: list[x509.GeneralName],
    vouched: bool,
    reason: str | None,
) -> None:
    certificate_file, key_file = certificate(tmp_path, *names)
    server = RedisServer(
        program,
        f"tls-cert-file {certificate_file}",
        f"tls-key-file {key_file}",
        "tls-auth-clients no",
        port_setting="tls-port",
    )
    over_tls = replace(settings, tls=True, ca_file=certificate_file if vouched else None)

    async def scene() -> None:
        async with connecting(over_tls, server.port) as store:
            await until(lambda: store.up or caplog.records)
            assert store.up == (reason is None)
            if store.up:
                assert store.put(b"key", b"payload", 300)
                await until_found(store, b"key")

    try:
        with caplog.at_level(logging.WARNING, logger=redis_store.__name__):
            run(scene())
    finally:
        server.kill()
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == ([] if reason is None else [reason])


async def until_found(store: RedisStore, name: bytes) -> None:
    while await looked_up(store.get(name)) is None:
        await asyncio.sleep(0)
