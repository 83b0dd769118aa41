"""The manifests that most tests look at: the base as it is written, and each overlay as it is built."""

from collections.abc import Sequence

import pytest

from deploy.manifests import BASE, DEVELOPMENT, PRODUCTION, Manifest, built, written


@pytest.fixture(params=["base", "production", "development"])
def objects(request: pytest.FixtureRequest) -> Sequence[Manifest]:
    if request.param == "base":
        return written(BASE)
    return built(PRODUCTION if request.param == "production" else DEVELOPMENT)


@pytest.fixture
def production() -> Sequence[Manifest]:
    return built(PRODUCTION)


@pytest.fixture
def development() -> Sequence[Manifest]:
    return built(DEVELOPMENT)
