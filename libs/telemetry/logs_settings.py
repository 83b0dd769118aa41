"""Settings of the log of one service. Apart from `telemetry.logs`, which commands load that must start at once."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from telemetry.logs_participants import ParticipantForm

HASH_KEY_LENGTH = 16


class LogSettings(BaseSettings):
    """`BADGES_LOG_*`: the form of the log, and what it says of participants."""

    model_config = SettingsConfigDict(env_prefix="BADGES_LOG_", extra="ignore", frozen=True, hide_input_in_errors=True)

    format: Literal["auto", "json", "console"] = "auto"
    """`auto`: for people when standard error is a terminal, else JSON."""

    participants: Literal["hashed", "absent", "plain"] = "hashed"
    hash_key: SecretStr | None = Field(default=None, min_length=HASH_KEY_LENGTH)
    """Gives a participant the same hash in every process; without it each process makes up a key of its own."""

    def participant_form(self) -> ParticipantForm:
        """What is written of participants."""
        key = None if self.hash_key is None else self.hash_key.get_secret_value().encode()
        return ParticipantForm(self.participants, key)
