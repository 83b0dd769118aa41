"""What stops a command, said to a person."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    RequestTimedOutError,
    UnknownTopicOrPartitionError,
)
from rich.console import Console
from rich.markup import escape

from badgectl.terminal_text import printable
from domain.errors import StorageError, StorageUnavailableError
from messaging.refusals import KafkaRefusedError

INTERRUPTED = 130
RIGHT_CLUSTER = "Is this the right cluster, and the right BADGES_KAFKA_PREFIX?"


class CommandError(Exception):
    """The command cannot go on; the message says why and what to do about it."""


@contextmanager
def failures_told() -> Iterator[None]:
    """Turn what an operator can do something about into one line and exit code 1."""
    try:
        yield
    except (CommandError, StorageError, KafkaError) as error:
        tell(message_of(error))
    except KeyboardInterrupt as error:
        raise typer.Exit(INTERRUPTED) from error
    else:
        return
    raise typer.Exit(1)


def tell(message: str) -> None:
    """Print an error on standard error, in one line, whatever it quotes."""
    line = " ".join(part.strip() for part in message.splitlines())
    Console(stderr=True).print(f"[red]error:[/] {escape(printable(line))}", soft_wrap=True, highlight=False)


def message_of(error: CommandError | StorageError | KafkaError) -> str:
    """What happened, and what to look at."""
    match error:
        case CommandError() | KafkaRefusedError():
            return str(error)
        case StorageUnavailableError():
            return f"Postgres cannot be reached ({error}): is it up? See BADGES_DATABASE_URL, or `badgectl status`"
        case StorageError():
            return f"Postgres: {error}"
        case UnknownTopicOrPartitionError():
            return f"Kafka: a topic is missing. {RIGHT_CLUSTER} If so, `badgectl topics` creates it"
        case KafkaConnectionError() | KafkaTimeoutError() | RequestTimedOutError():
            return f"Kafka cannot be reached ({error}): is it up? See BADGES_KAFKA_BOOTSTRAP, or `badgectl status`"
        case _:
            return f"Kafka: {error}"
