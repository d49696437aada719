"""The table of options that only Baidu RTC has."""

from typing import ClassVar

from mmid.frozen import frozen
from mmid.secrets import Secret
from mmid.settings.option import HTTPS_OR_EMPTY, KEY, KEY_FORM, per_connection


@frozen
class Baidu:
    """What only Baidu RTC has."""

    # Keys that somebody may look for here, and what they are told.
    elsewhere: ClassVar[dict[str, str]] = dict.fromkeys(
        ("ak", "sk", "access_key", "secret_key", "access_key_id", "secret_access_key"),
        "AK and SK open the whole account and belong on your server, never on a board: have the "
        "relay make the instance (baidu.instance_url)",
    )

    instance_url: str = per_connection(
        "",
        "Where the relay gives the agent instance of each connection; it is asked with "
        "license.headers or license.client_cert. AK and SK are the relay's, never the board's.",
        pattern=HTTPS_OR_EMPTY,
        form="an https:// URL, or empty",
    )
    license_key: Secret = per_connection(
        Secret(""),
        "LicenseKey of the product. Better as the systemd credential baidu_license_key.",
        pattern=KEY,
        form=KEY_FORM,
    )
    app_id: str = per_connection(
        "",
        "AppId of the application that the license is bound to.",
        pattern=r"^[A-Za-z0-9_-]{0,64}$",
        form="at most 64 of A-Z a-z 0-9 _ -",
    )
