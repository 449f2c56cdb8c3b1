"""Payloads sealed under their names: what comes out whole, and what does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.cache.sealed import seal, unseal


@given(name=st.binary(), payload=st.binary(), left=st.floats(0.01, 86_400))
def test_what_was_sealed_comes_out_under_its_name_while_it_lives(name: bytes, payload: bytes, left: float) -> None:
    found = unseal(name, seal(name, payload, 1000 + left), 1000)
    assert found is not None
    assert found.payload == payload
    assert found.seconds_left == pytest.approx(left, abs=0.002)


@given(data=st.data(), payload=st.binary(max_size=50))
def test_what_is_torn_changed_misplaced_or_over_does_not_come_out(data: st.DataObject, payload: bytes) -> None:
    sealed = seal(b"name", payload, 1001)
    assert unseal(b"another", sealed, 1000) is None
    assert unseal(b"name", sealed, 1001) is None
    assert unseal(b"name", sealed[: data.draw(st.integers(0, len(sealed) - 1))], 1000) is None
    spoilt = bytearray(sealed)
    spoilt[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    assert unseal(b"name", bytes(spoilt), 1000) is None


@pytest.mark.parametrize("foreign", [None, 7, "text", [], b"", b"SML1", b"SML1" * 20, b"value of somebody else's" * 9])
def test_what_is_foreign_does_not_come_out(foreign: object) -> None:
    assert unseal(b"name", foreign, 1000) is None
