"""Values as Grafana writes them in a panel's unit, to three digits."""

from __future__ import annotations

from components.observability.dashboards.panel import Unit

_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_BYTES = ((1024.0**3, "GiB"), (1024.0**2, "MiB"), (1024.0, "KiB"), (1.0, "B"))
_BYTES_PER_SECOND = ((1e6, "MB/s"), (1e3, "kB/s"), (1.0, "B/s"))

_SMALLEST = 1e-4
"""What is below has an exponent."""


def written(value: float, unit: Unit) -> str:
    """`12.5 ms`, `0.1%`, `230 MiB`."""
    if unit == "percentunit":
        return _percent(value)
    if unit == "reqps":
        return f"{_short(value)} req/s"
    if unit.startswith("suffix:"):
        return f"{_short(value)} {unit.removeprefix('suffix:')}"
    scales = {"s": _SECONDS, "bytes": _BYTES, "Bps": _BYTES_PER_SECOND}.get(unit)
    return _short(value) if scales is None else _scaled(value, scales)


def _scaled(value: float, scales: tuple[tuple[float, str], ...]) -> str:
    if value == 0:
        return f"0 {scales[0][1] if scales is _SECONDS else scales[-1][1]}"
    factor, name = next((scale for scale in scales if abs(value) >= scale[0]), scales[-1])
    return f"{_short(value / factor)} {name}"


def _short(value: float) -> str:
    """Three digits, and no zeros at the end."""
    if abs(value) < 1:
        return f"{value:.3g}" if not value or abs(value) >= _SMALLEST else f"{value:.1e}"
    return _trimmed(value, 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2)


def _percent(share: float) -> str:
    """More digits just below the whole, where objectives lie."""
    percent = share * 100
    return f"{_trimmed(percent, 3) if 99 <= percent < 100 else _short(percent)}%"


def _trimmed(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
