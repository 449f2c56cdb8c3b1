"""The HTTP/1.1 server: bytes in, requests to routes, answers out, within limits and deadlines."""
