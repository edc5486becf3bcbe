"""Access tokens of somebody else's OAuth server: we are the resource, it says who is there (RFC 9068, RFC 9728)."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import anyio
import jwt
from loguru import logger

from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import quoted
from trainwell.store.handles import slug

#: The names of this machine to itself.
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PLACES = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]  # never "none", never a shared secret
_SECONDS = 10


class Issuer:
    """Knows who a signed token speaks of. Keys are fetched from the issuer at first use, and again for a new key."""

    def __init__(self, url: str, audience: str) -> None:
        self.url = url.rstrip("/")
        self.audience = audience
        self._keys: jwt.PyJWKClient | None = None
        _require_safe(self.url)

    async def folder_of(self, token: str) -> str | None:
        """The folder of whoever the token speaks of, or None for a token that is not good here and now."""
        try:
            claims = await anyio.to_thread.run_sync(self._claims, token)
        except (jwt.PyJWTError, OSError, ValueError) as error:
            logger.info("a token of {} is refused: {}", self.url, type(error).__name__)
            return None
        return folder_for(str(claims["sub"]))

    def _claims(self, token: str) -> dict[str, Any]:
        if self._keys is None:
            self._keys = jwt.PyJWKClient(self._key_set(), timeout=_SECONDS)
        key = self._keys.get_signing_key_from_jwt(token)
        return jwt.decode(token, key, algorithms=_ALGORITHMS, audience=self.audience, issuer=[self.url, f"{self.url}/"],
                          options={"require": ["exp", "iss", "aud", "sub"]})  # fmt: skip

    def _key_set(self) -> str:
        for place in _PLACES:
            try:
                with urllib.request.urlopen(self.url + place, timeout=_SECONDS) as answer:  # noqa: S310 - see _require_safe
                    found = str(json.load(answer)["jwks_uri"])
            except (OSError, ValueError, KeyError):
                continue
            _require_safe(found)
            return found
        message = "the issuer names no keys"
        raise ValueError(message)


def folder_for(subject: str) -> str:
    """A folder's name for a subject: readable, and never the same for two."""
    return f"{slug(subject, otherwise='user')}-{hashlib.sha256(subject.encode()).hexdigest()[:12]}"


def _require_safe(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise TrainwellError(
            "bad_issuer", f"An issuer is reached by https (http on this machine only), not by {quoted(url, 200)}.",
            argument="--oauth-issuer", got=url, allowed="https://HOST/PATH",
            hint="As in `trainwell serve --http --oauth-issuer https://HOST/PATH`.",
        )  # fmt: skip
