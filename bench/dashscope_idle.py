"""Alibaba's own client, connected and listening, to compare idle memory with.

    python -m bench.dashscope_idle FACTS.json

FACTS has ws_url, ca_file, api_key, workspace_id and app_id. Prints a line once
the cloud listens, and keeps the dialog alive until SIGTERM: it sends no heartbeat
by itself, and the cloud ends a dialog in which it has said nothing for a minute.
"""

import json
import os
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any

_PATIENCE_S = 20.0
# As often as mmid.
_HEARTBEAT_S = 48.0


class Callbacks:
    """Waits for the cloud to listen; takes every callback there is."""

    def __init__(self) -> None:
        self.listening = threading.Event()

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("on_"):
            raise AttributeError(name)
        return lambda *_: None

    def on_state_changed(self, state: Any) -> None:
        """Note that it listens."""
        if state.value == "Listening":
            self.listening.set()


def main() -> None:
    """Connect and wait."""
    facts = json.loads(Path(sys.argv[1]).read_text())
    os.environ["SSL_CERT_FILE"] = os.environ["WEBSOCKET_CLIENT_CA_BUNDLE"] = facts["ca_file"]
    client = import_module("dashscope.multimodal.multimodal_dialog")
    parameters = import_module("dashscope.multimodal.multimodal_request_params")
    callbacks = Callbacks()
    dialog = client.MultiModalDialog(
        app_id=facts["app_id"],
        workspace_id=facts["workspace_id"],
        url=facts["ws_url"],
        api_key=facts["api_key"],
        model="multimodal-dialog",
        multimodal_callback=callbacks,
        request_params=parameters.RequestParameters(
            upstream=parameters.Upstream(mode="push2talk"),
            downstream=parameters.Downstream(sample_rate=24000),
            client_info=parameters.ClientInfo(
                user_id="bench", device=parameters.Device(uuid="bench")
            ),
        ),
    )
    dialog.start(None)
    if not callbacks.listening.wait(_PATIENCE_S):
        raise TimeoutError("the cloud does not listen")
    print("listening", flush=True)
    while True:
        time.sleep(_HEARTBEAT_S)
        dialog.send_heart_beat()


if __name__ == "__main__":
    main()
