"""Settings whose secrets may stand in files, as Docker and Kubernetes mount them."""

import os
from pathlib import Path
from typing import Any

from pydantic import model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource

FOLDER_VARIABLE = "BADGES_SECRETS_DIR"


class FiledSettings(BaseSettings):
    """Reads from the folder `BADGES_SECRETS_DIR`, if that is set, what the environment does not say.

    A file is named like the variable it stands for, in any case: `BADGES_DATABASE_URL`, `badges_kafka_sasl_password`.
    """

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the parent's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the parent's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given, then the environment, then the files."""
        folder = _folder()
        if folder is None or not folder.is_dir():
            return init_settings, env_settings
        return init_settings, env_settings, SecretsSettingsSource(settings_cls, secrets_dir=folder)

    @model_validator(mode="before")
    @classmethod
    def _folder_is_there(cls, values: Any) -> Any:  # noqa: ANN401 - pydantic's signature
        folder = _folder()
        if folder is not None and not folder.is_dir():
            raise ValueError(f"{FOLDER_VARIABLE} is not a folder: {folder}")
        return values


def _folder() -> Path | None:
    text = os.environ.get(FOLDER_VARIABLE)
    return Path(text) if text else None
