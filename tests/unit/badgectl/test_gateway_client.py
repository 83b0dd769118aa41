import pytest

from badgectl.addresses import Gateway
from badgectl.failures import CommandError
from badgectl.gateway_client import gateway_client
from badges_client import BadgeNotFound, UnexpectedAnswer, ValidationFailed

KEY = "bq_test_" + "0" * 32
SOMEWHERE = Gateway(url="http://127.0.0.1:1", key=KEY)


def test_nobody_there_is_said_with_the_address() -> None:
    with (
        pytest.raises(CommandError, match=r"^http://127\.0\.0\.1:1 does not answer: "),
        gateway_client(SOMEWHERE) as client,
    ):
        client.award("user_1", "power_user")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (BadgeNotFound("Badge 'x' not found", status=404, code="badge_not_found"), "Badge 'x' not found (404)"),
        (ValidationFailed("path.participant_id: is empty"), "path.participant_id: is empty"),
        (
            UnexpectedAnswer("Not Found", status=404, code="http_404"),
            "http://127.0.0.1:1: Not Found (404 http_404): is it the gateway?",
        ),
    ],
)
def test_problems_are_said_in_one_line(failure: Exception, said: str) -> None:
    with pytest.raises(CommandError) as stopped, gateway_client(SOMEWHERE):
        raise failure
    assert str(stopped.value) == said


@pytest.mark.parametrize("gateway", [Gateway(url="here", key=KEY), Gateway(url="http://here", key=f"{KEY}\n")])
def test_address_or_key_that_cannot_be_is_said_without_the_key(gateway: Gateway) -> None:
    with pytest.raises(CommandError) as stopped, gateway_client(gateway):
        raise AssertionError
    assert KEY not in str(stopped.value)
