"""Are the settings there, can they be read, and is there one that nobody reads?"""

import os
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from importlib import import_module

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from badgectl import addresses
from badgectl.doctor_findings import Finding, failure, fine, warning
from badgectl.failures import CommandError
from messaging.settings import KafkaSettings
from telemetry.logs_settings import LogSettings

PREFIX = "BADGES_"
SERVICES = {"BADGES_API_": "api.settings:ApiSettings", "BADGES_WORKER_": "award_worker.settings:WorkerSettings"}
"""Where the settings of a service are; loaded where there are any, for no command needs the services otherwise."""

_OURS = ("BADGES_DATABASE_URL", "BADGES_URL", "BADGES_KEY", "BADGES_STACK", "BADGES_SECRETS_DIR", "BADGES_TEST_STACK")


async def look_at_settings() -> Sequence[Finding]:
    """Read what is set as the services and this command line read it."""
    findings = [*_unreadable("Kafka", addresses.kafka_settings), *_unreadable("Postgres", addresses.database_url)]
    kinds: list[type[BaseSettings]] = [LogSettings]
    kinds += [_settings_at(place) for prefix, place in SERVICES.items() if _is_set(prefix)]
    findings += [found for kind in kinds for found in _unfit(kind)]
    findings += [*_unread([KafkaSettings, *kinds])]
    number = sum(name.startswith(PREFIX) for name in os.environ)
    place = f"{number} from the environment" if number else f"those of the stack here ({addresses.STACK_FILE})"
    return findings or [fine(f"can be read: {place}")]


def _settings_at(place: str) -> type[BaseSettings]:
    module, _, name = place.partition(":")
    kind: type[BaseSettings] = getattr(import_module(module), name)
    return kind


def _is_set(prefix: str) -> bool:
    return any(name.startswith(prefix) for name in os.environ)


def _unreadable(server: str, read: Callable[[], object]) -> Iterator[Finding]:
    try:
        read()
    except CommandError as error:
        yield failure(f"where {server} is cannot be told: {error}", "set it right: nothing can be reached without it")


def _unfit(kind: type[BaseSettings]) -> Iterator[Finding]:
    try:
        kind()
    except ValidationError as error:
        for each in error.errors(include_input=False, include_url=False):
            name = "_".join(str(part) for part in each["loc"]).upper()
            prefix = "" if name.startswith(PREFIX) else kind.model_config["env_prefix"]
            yield failure(f"{prefix}{name}: {each['msg']}", "the process does not start with it: set it right")


def _unread(kinds: Sequence[type[BaseSettings]]) -> Iterator[Finding]:
    """A name that nobody reads is a slip: the process goes on with the default, and says nothing."""
    known = {*_OURS, *(name for kind in kinds for name in _names(kind))}
    for name in sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known):
        close = get_close_matches(name, known, n=1)
        meant = f"is {close[0]} meant?" if close else "remove it"
        yield warning(f"{name} is set, and nothing reads it", meant)


def _names(kind: type[BaseSettings]) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        alias = field.validation_alias
        yield alias if isinstance(alias, str) else f"{kind.model_config['env_prefix']}{name}".upper()
