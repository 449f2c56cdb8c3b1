"""What goes over the wire in the tests of the engine: whole requests, and such as could be read in two ways."""

from __future__ import annotations

SENTINEL = b"GET /models/sentinel HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
POST = b"POST /seen HTTP/1.1\r\nHost: test\r\n"
GET = b"GET /seen HTTP/1.1\r\nHost: test\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


def get(target: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: test\r\n\r\n" % target


def head(*lines: bytes, body: bytes = b"hello") -> bytes:
    return POST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


AMBIGUOUS_LENGTHS = [
    head(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=LAST),
    head(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=LAST),
    head(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"1\r\nZ\r\nQ"),
    head(b"Content-Length: 5", b"Transfer-Encoding: identity"),
    head(b"Content-Length: 5", b"Transfer-Encoding: xchunked"),
    head(b"Content-Length: 5", b"Content-Length: 5"),
    head(b"Content-Length: 5", b"Content-Length: 6"),
    head(b"Content-Length: 5", b"content-length: 0"),
    *(
        head(b"Content-Length:" + value)
        for value in (
            b"",
            b" ",
            b" +5",
            b" -5",
            b" -0",
            b" 5, 5",
            b" 5,5",
            b" 5 5",
            b" 0x5",
            b" 5;",
            b" 5.0",
            b" 5e0",
            b" 5_0",
            b" five",
            b" \xb2",
            b" 5\x00",
            b" 5\x0b",
            b" \x0c5",
            b' "5"',
            b" 18446744073709551616",
            b" 36893488147419103237",
            b" 99999999999999999999999999999999",
            b"\r\n 5",
        )
    ),
    *(
        head(b"Transfer-Encoding:" + value, body=LAST)
        for value in (
            b"",
            b" identity",
            b" gzip",
            b" xchunked",
            b" chunkedx",
            b" chunked;q=1",
            b' "chunked"',
            b" chunked, identity",
            b" identity, chunked",
            b" gzip, chunked",
            b" chunked, chunked",
            b" ,chunked",
            b" chunked,",
            b" \x0bchunked",
            b" \xa0chunked",
            b" chun\x00ked",
            b" chun ked",
            b"\r\n chunked",
            b"\n chunked",
        )
    ),
    head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=LAST),
    head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=LAST),
    head(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", body=LAST),
    head(b"Transfer-Encoding : chunked", body=LAST),
    head(b"Transfer-Encoding\t: chunked", body=LAST),
    head(b"Transfer-Encoding\x00: chunked", body=LAST),
    head(b"Content-Length : 5"),
    head(b"Content-Length\x0b: 5"),
    head(b" Content-Length: 5"),
    head(b"X: y\rContent-Length: 5"),
    head(b"X: y\nContent-Length: 5"),
    head(b"X: y\n Content-Length: 5"),
    b"POST /seen HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST,
    b"POST /seen HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST,
]

MALFORMED_CHUNKS = [
    CHUNKED + body
    for body in (
        b" 5\r\nhello\r\n" + LAST,
        b"5 \r\nhello\r\n" + LAST,
        b"+5\r\nhello\r\n" + LAST,
        b"-5\r\nhello\r\n" + LAST,
        b"0x5\r\nhello\r\n" + LAST,
        b"5_0\r\nhello\r\n" + LAST,
        b"G\r\nhello\r\n" + LAST,
        b"\r\n5\r\nhello\r\n" + LAST,
        b"5\nhello\r\n" + LAST,
        b"5\rhello\r\n" + LAST,
        b"5\r\nhello\n" + LAST,
        b"5\r\nhello" + LAST,
        b"4\r\nhello\r\n" + LAST,
        b"6\r\nhello\r\n" + LAST,
        b"5\r\nhello\r\n\r\n" + LAST,
        b"5\x00\r\nhello\r\n" + LAST,
        b"fffffffffffffffff\r\nhello\r\n" + LAST,
        b"10000000000000005\r\nhello\r\n" + LAST,
        b"-ffffffffffffffb\r\nhello\r\n" + LAST,
        b"5;x\nhello\r\n" + LAST,
        b"5;\nhello\r\n" + LAST,
        b"5;x\rX\r\nhello\r\n" + LAST,
        b'5;x="\n"\r\nhello\r\n' + LAST,
        b'5;x="\r\n"\r\nhello\r\n' + LAST,
        b"5;x=\x00\r\nhello\r\n" + LAST,
        b"5;\r\nhello\r\n" + LAST,
        b"5;;\r\nhello\r\n" + LAST,
        b"5\r\nhello\r\n0\n\n",
        b"5\r\nhello\r\n0\r\n\n",
        b"5\r\nhello\r\n",
        b"5\r\nhello\r\n0\r\nX : y\r\n\r\n",
        b"5\r\nhello\r\n0\r\n X: y\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX: y\n\r\n",
        b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n",
        b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
        b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"5\r\nhello\r\n0\r\nGET /seen HTTP/1.1\r\n\r\n",
    )
]

MALFORMED_HEADS = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"\x00\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /seen\r\nHost: test\r\n\r\n",
    b"GET /seen\nHost: test\r\n\r\n",
    b"GET /seen\r\nHost: test\r\nConnection: keep-alive\r\n\r\n",
    b"GET /seen HTTP/0.9\r\nHost: test\r\nConnection: keep-alive\r\n\r\n",
    b"get /seen HTTP/1.1\r\nHost: test\r\n\r\n",
    b"NONSENSE /seen HTTP/1.1\r\nHost: test\r\n\r\n",
    b" GET /seen HTTP/1.1\r\nHost: test\r\n\r\n",
    b"GET\t/seen HTTP/1.1\r\nHost: test\r\n\r\n",
    b"GET /seen\tHTTP/1.1\r\nHost: test\r\n\r\n",
    b"GET /se en HTTP/1.1\r\nHost: test\r\n\r\n",
    b"GET /seen HTTP/1.1 \r\nHost: test\r\n\r\n",
    b"GET /seen HTTP/1.1\nHost: test\n\n",
    b"GET /seen HTTP/1.1\rHost: test\r\r",
    b"GET /seen http/1.1\r\nHost: test\r\n\r\n",
    b"GET /seen HTTP/1.2\r\nHost: test\r\n\r\n",
    b"GET /seen HTTP/01.1\r\nHost: test\r\n\r\n",
    b"GET /seen HTTP/1.11\r\nHost: test\r\n\r\n",
    b"GET /seen HTTP/1,1\r\nHost: test\r\n\r\n",
    b"GET /seen HTTP 1.1\r\nHost: test\r\n\r\n",
    b"GET /seen HTTP/3.0\r\nHost: test\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /seen HTTP/1.1\r\n Host: test\r\n\r\n",
    b"GET /seen HTTP/1.1\r\nHost: test\r\n\n",
    GET + b"X : y\r\n\r\n",
    GET + b"X\t: y\r\n\r\n",
    GET + b"X\r\n\r\n",
    GET + b": y\r\n\r\n",
    GET + b"\x00: y\r\n\r\n",
    GET + b"X\x00Y: y\r\n\r\n",
    GET + b"X\xff: y\r\n\r\n",
    GET + b"X(: y\r\n\r\n",
    GET + b'"X": y\r\n\r\n',
    GET + b"X Y: y\r\n\r\n",
    GET + b"X: y\x00z\r\n\r\n",
    GET + b"X: y\x01z\r\n\r\n",
    GET + b"X: y\x7fz\r\n\r\n",
    GET + b"X: y\rz\r\n\r\n",
    GET + b"X: y\r\r\n\r\n",
    GET + b"X: y\nz: x\r\n\r\n",
    GET + b"X: y\r\n z\r\n\r\n",
    GET + b"X: y\r\n\tz\r\n\r\n",
    GET + b"X:\r\n y\r\n\r\n",
    get(b"/\x00"),
    get(b"/\xff"),
    get(b"/\xc0\xaf"),
    get(b"/seen?\xff"),
    get(b"/\x7f"),
    get(b"/a\x0bb"),
    get(b"/seen#fragment"),
    get(b"/seen?query#fragment"),
    get(b"seen"),
    get(b"?query"),
    get(b"*seen"),
    get(b""),
    get(b"*"),
    b"POST * HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n",
    get(b"http://"),
    get(b"http:///seen"),
    get(b"http://test:port/seen"),
    get(b"http://test:99999/seen"),
    get(b"http://user@test/seen"),
    get(b"http://user:word@test/seen"),
    get(b"ftp://test/seen"),
    get(b"file:///seen"),
    get(b"test:80"),
    b"CONNECT test:443 HTTP/1.1\r\nHost: test:443\r\n\r\n",
    b"CONNECT /seen HTTP/1.1\r\nHost: test\r\n\r\n",
    b"CONNECT test:443 HTTP/1.1\r\nHost: test:443\r\nContent-Length: 5\r\n\r\nhello",
    b"GET /seen HTTP/1.1\r\n\r\n",
    b"GET http://test/seen HTTP/1.1\r\n\r\n",
    b"GET /seen HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /seen HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    *(
        b"GET /seen HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
        for host in (
            b"",
            b":80",
            b"a b",
            b"a, b",
            b"a/b",
            b"a?b",
            b"a#b",
            b"user@a",
            b"a:b",
            b"a:1:2",
            b"a:123456",
            b"http://a",
            b"[::1",
            b"::1",
            b"[a b]",
            b"a\\b",
            b"%zz",
            b"\xe4",
        )
    ),
    GET + b"Authorization: a\r\nAuthorization: b\r\n\r\n",
    GET + b"X-Api-Key: a\r\nX-Api-Key: b\r\n\r\n",
    GET + b"Content-Type: a\r\nContent-Type: a\r\n\r\n",
]


def case(text: bytes) -> str:
    """The name of a case: its bytes, in short."""
    return repr(text[:160].removeprefix(POST).removeprefix(GET).removeprefix(b"Transfer-Encoding: chunked\r\n\r\n"))[
        2:70
    ]
