"""Whether traces are wanted. Asking loads nothing of OpenTelemetry's SDK: untraced processes never pay for it."""

from collections.abc import Mapping
from importlib.util import find_spec

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"


class TracingSettingError(Exception):
    """Traces are asked for in a way that cannot be served."""


def is_tracing_wanted(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's variables ask for traces: an exporter `otlp`, or unnamed with an endpoint to send to.

    Raises:
        TracingSettingError: another exporter or protocol, or the extra `tracing` is not installed.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter == "none" or not (exporter or _first(environment, _ENDPOINTS)):
        return False
    if exporter not in {"", "otlp"}:
        raise TracingSettingError(f"OTEL_TRACES_EXPORTER must be otlp or none, not {exporter}")
    protocol = _first(environment, _PROTOCOLS) or _PROTOCOL
    if protocol != _PROTOCOL:
        raise TracingSettingError(f"OTEL_EXPORTER_OTLP_PROTOCOL must be {_PROTOCOL}, not {protocol}")
    if not (_is_installed("opentelemetry.sdk") and _is_installed("opentelemetry.exporter.otlp.proto.http")):
        raise TracingSettingError("traces are asked for, but badges is installed without its extra: badges[tracing]")
    return True


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # nor is the package around it
        return False


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((value for name in names if (value := environment.get(name, "").strip())), "")
