"""Whom the simulated clouds serve, with the secrets, and how these are kept.

They are made at random once and kept beside the certificate, so that a device which
registered in one run is still known, and can still prove itself, in the next.
"""

import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmid.errors import SettingsInvalid
from mmid.secrets import Secret


@dataclass(frozen=True, slots=True)
class Product:
    """One product of the vendor's console.

    Attributes:
        app_id: ``mm_`` and lower-case hex.
        app_secret: 32 hex characters.
        api_key: what a fully managed device must seal into a token request.
        workspace_id: told to the device with each token.
        fully_managed: false plays a relay: devices then must not know the API key.
        token_life_s: seconds that a token is valid.
        activation_quota: how many devices may register, ever; None for any number.
    """

    app_id: str
    app_secret: Secret
    api_key: Secret
    workspace_id: str
    fully_managed: bool = True
    token_life_s: float = 60.0
    activation_quota: int | None = None


def load_product(directory: Path) -> Product:
    """Return the product that is kept in a directory; make it the first time.

    Raises:
        SettingsInvalid: the file is there and is none of ours.
    """
    kept = load_kept(directory / "product.json", _make)
    return Product(
        app_id=kept["app_id"],
        app_secret=Secret(kept["app_secret"]),
        api_key=Secret(kept["api_key"]),
        workspace_id=kept["workspace_id"],
    )


def load_kept(path: Path, make: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Return the names and secrets that a cloud keeps in a file; make them the first time.

    Args:
        path: a JSON file, for its owner only.
        make: returns new ones.

    Raises:
        SettingsInvalid: the file has not the same keys, or is no JSON.
    """
    new = make()
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {key: str(kept[key]) for key in new}
    except FileNotFoundError:
        keep(path, new)
        return new
    except (ValueError, TypeError, KeyError) as error:
        raise SettingsInvalid(f"{path}: not a file of simcloud; remove it") from error


def _make() -> dict[str, str]:
    """Return a new product, in the shapes that the real cloud gives."""
    return {
        "app_id": f"mm_{secrets.token_hex(14)}",
        "app_secret": secrets.token_hex(16),
        "api_key": f"sk-{secrets.token_hex(16)}",
        "workspace_id": f"llm-{secrets.token_hex(8)}",
    }


def keep(path: Path, kept: Mapping[str, Any]) -> None:
    """Write a JSON file for its owner only, as a whole: the old one stays until it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_suffix(".new")
    number = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        json.dump(kept, file)
    made.replace(path)
