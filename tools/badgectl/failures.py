"""What stops a command, said to a person."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from rich.console import Console
from rich.markup import escape

from domain.errors import StorageError

INTERRUPTED = 130


class CommandError(Exception):
    """The command cannot go on; the message says why and what to do about it."""


@contextmanager
def failures_told() -> Iterator[None]:
    """Turn what an operator can do something about into one line and exit code 1."""
    try:
        yield
    except CommandError as error:
        tell(str(error))
    except StorageError as error:
        tell(f"Postgres: {error}")
    except UnknownTopicOrPartitionError:
        tell("Kafka: a topic is missing; `badgectl topics` creates it")
    except KafkaError as error:
        tell(f"Kafka: {error}")
    except KeyboardInterrupt as error:
        raise typer.Exit(INTERRUPTED) from error
    else:
        return
    raise typer.Exit(1)


def tell(message: str) -> None:
    """Print an error on standard error."""
    Console(stderr=True).print(f"[red]error:[/] {escape(message)}", soft_wrap=True, highlight=False)
