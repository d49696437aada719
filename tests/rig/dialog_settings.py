"""The settings of a dialog as whoever loads them has them: with the protocol's own rates."""

from dataclasses import replace
from typing import Any

from mmid.session.clouds import with_own_rates
from mmid.settings import Dialog, Settings


def dialog_settings(**given: Any) -> Dialog:
    """Return the table ``dialog`` with these keys set."""
    settings = Settings()
    return with_own_rates(replace(settings, dialog=Dialog(**given))).dialog
