"""The models of one store, by version, ready to score. Artefacts never change, so what was read stays true."""

from functools import lru_cache
from importlib import resources

from domain.errors import Invalid, NotFound
from ml.net import Model, load
from store.models import SHIPPED, Models

CACHE_MAX = 8  # versions kept in a process, some 100 KB each


class ModelVersions:
    """What a host scores with.

    An artefact that this release cannot use (it was made for other features) scores nobody: players keep the scores
    they have, and their games go on.
    """

    def __init__(self, models: Models) -> None:
        self._stored = models
        self._loaded: dict[int, Model | None] = {}

    def get(self, version: int) -> Model | None:
        """Return a version that is in memory and can be used."""
        return self._loaded.get(version)

    async def ensure(self, version: int) -> Model | None:
        """Return a version, read when it is not in memory; None when it cannot be used.

        Raises:
            NotFound: there is no such version.
        """
        if version not in self._loaded:
            model = shipped() if version == SHIPPED else _usable(await self._artefact(version), version)
            while len(self._loaded) >= CACHE_MAX:
                del self._loaded[next(iter(self._loaded))]
            self._loaded[version] = model
        return self._loaded[version]

    async def _artefact(self, version: int) -> bytes:
        data = await self._stored.artefact(version)
        if data is None:
            raise NotFound(f"there is no version {version} of the model", code="version_not_found")
        return data


def shipped_bytes() -> bytes:
    """Return the artefact that came with the package."""
    return resources.files("ml").joinpath("shipped", "churn.json").read_bytes()


@lru_cache(maxsize=1)
def shipped() -> Model:
    """Return the model that came with the package."""
    return load(shipped_bytes(), SHIPPED)


def _usable(data: bytes, version: int) -> Model | None:
    try:
        return load(data, version)
    except Invalid:
        return None
