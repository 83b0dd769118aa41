from urllib.parse import unquote

import httpx
import pytest

from badgectl.failures import CommandError
from badgectl.gateway_client import encode_segment


@pytest.mark.parametrize(
    "participant_id", ["user_1", ".", "..", "...", "a/b", "%2F", "ü …", "x\ny", "../admin", "?q#f", "a.b"]
)
def test_every_id_reaches_the_server_as_one_segment(participant_id: str) -> None:
    url = httpx.URL(f"http://127.0.0.1/participants/{encode_segment(participant_id)}/badges")
    before, segment, after = url.raw_path.decode().strip("/").split("/")
    assert (before, after) == ("participants", "badges")
    assert segment not in {".", ".."}
    assert unquote(segment) == participant_id


def test_id_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(CommandError, match="UTF-8"):
        encode_segment("\udcff")
