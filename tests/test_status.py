from collections.abc import Mapping
from typing import Any

import pytest

from mmid.events import State
from mmid.status import Status


def test_observers_hear_what_changed_in_one_call() -> None:
    status, heard = Status(), list[Mapping[str, Any]]()
    status.observe(heard.append)
    status.update(state=State.CONNECTING, connected=False, volume=30)
    assert heard == [{"state": State.CONNECTING, "volume": 30}]
    assert status.state is State.CONNECTING


def test_an_update_that_changes_nothing_is_not_heard() -> None:
    status, heard = Status(volume=30), list[Mapping[str, Any]]()
    status.observe(heard.append)
    status.update(volume=30)
    assert heard == []


def test_observers_see_all_new_values_already_set() -> None:
    status, seen = Status(), list[tuple[bool, str]]()
    status.observe(lambda _: seen.append((status.connected, status.dialog_id)))
    status.update(connected=True, dialog_id="d1")
    assert seen == [(True, "d1")]


def test_a_field_that_does_not_exist_is_refused() -> None:
    with pytest.raises(AttributeError):
        Status().update(volumen=30)
