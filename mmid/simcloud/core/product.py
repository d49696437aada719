"""The product that a simulated cloud serves, with its secrets.

Made at random once and kept beside the certificate, so that a device which
registered in one run is still known, and can still prove itself, in the next.
"""

import json
import os
import secrets
from pathlib import Path

from mmid.errors import SettingsInvalid
from mmid.secrets import Secret
from mmid.simcloud.license.book import Product

_FILE = "product.json"


def make_product() -> Product:
    """Return a new product, in the shapes that the real cloud gives."""
    return Product(
        app_id=f"mm_{secrets.token_hex(14)}",
        app_secret=Secret(secrets.token_hex(16)),
        api_key=Secret(f"sk-{secrets.token_hex(16)}"),
        workspace_id=f"llm-{secrets.token_hex(8)}",
    )


def load_product(directory: Path) -> Product:
    """Return the product that is kept in a directory; make it the first time.

    Raises:
        SettingsInvalid: the file is there and is none of ours.
    """
    path = directory / _FILE
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return Product(
            app_id=str(kept["app_id"]),
            app_secret=Secret(kept["app_secret"]),
            api_key=Secret(kept["api_key"]),
            workspace_id=str(kept["workspace_id"]),
        )
    except FileNotFoundError:
        product = make_product()
        _keep(path, product)
        return product
    except (ValueError, TypeError, KeyError) as error:
        raise SettingsInvalid(f"{path}: not a product of simcloud; remove the file") from error


def _keep(path: Path, product: Product) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(
        {
            "app_id": product.app_id,
            "app_secret": product.app_secret.reveal(),
            "api_key": product.api_key.reveal(),
            "workspace_id": product.workspace_id,
        }
    )
    made = path.with_suffix(".new")
    number = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(text)
    made.replace(path)
