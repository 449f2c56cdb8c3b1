"""Bytes on a gRPC connection that are no call, and calls that are refused unread."""

from __future__ import annotations

import socket

import grpc

from tests.serving.rpc_server import PATIENCE_SECONDS, ROW, RpcServing, infer_request

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
EMPTY_SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


def compressed(serving: RpcServing) -> grpc.StatusCode:
    """The status of a message that is compressed."""
    message = infer_request(ROW, raw=[bytes(1_000_000)])
    call = serving.stub("ModelInfer").future(message, compression=grpc.Compression.Gzip, timeout=PATIENCE_SECONDS)
    return call.code()


GARBAGE = {
    "HTTP/1.1": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
    "zeros": bytes(100_000),
    "a preface and noise": PREFACE + b"\xff" * 100_000,
    "a frame longer than allowed": PREFACE + EMPTY_SETTINGS + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + b"a" * 50_000,
    "headers that are no HPACK": PREFACE + EMPTY_SETTINGS + b"\x00\x00\x04\x01\x05\x00\x00\x00\x01\xff\xff\xff\xff",
    "half a preface": PREFACE[:10],
}


def send_garbage(serving: RpcServing, kind: str) -> None:
    """Return when the server has closed the connection."""
    with socket.create_connection(("127.0.0.1", serving.port), PATIENCE_SECONDS) as connection:
        try:
            connection.sendall(GARBAGE[kind])
            while connection.recv(65_536):
                pass
        except ConnectionError:
            pass
