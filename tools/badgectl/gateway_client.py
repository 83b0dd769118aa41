"""A client of the gateway whose failures stop the command."""

from collections.abc import Iterator
from contextlib import contextmanager

from badgectl.addresses import Gateway
from badgectl.failures import CommandError
from badges_client import BadgesClient, BadgesError, ConnectionFailed, Retries, UnexpectedAnswer

TIMEOUT_SECONDS = 15


@contextmanager
def gateway_client(gateway: Gateway) -> Iterator[BadgesClient]:
    """Lend a client that tries once: an operator wants to see what the gateway says.

    Raises:
        CommandError: no answer, or the answer is a problem.
    """
    try:
        client = BadgesClient(gateway.url, gateway.key, timeout=TIMEOUT_SECONDS, retries=Retries(attempts=1))
    except ValueError as error:
        raise CommandError(str(error)) from error
    with client:
        try:
            yield client
        except ConnectionFailed as error:
            raise CommandError(f"{gateway.url} does not answer: {error.detail}") from error
        except UnexpectedAnswer as error:
            raise CommandError(f"{gateway.url}: {error}: is it the gateway?") from error
        except BadgesError as error:
            raise CommandError(error.detail if error.status is None else f"{error.detail} ({error.status})") from error
