"""The ``multimodal-dialog`` endpoint of the simulated clouds: who is let in, and to what."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from websockets.http11 import Request

from mmid.simcloud.core.scenario import ScenarioRun
from mmid.simcloud.core.simulated_cloud import CloudServer, SimulatedCloud, Simulation, Urls
from mmid.simcloud.core.websocket import UpgradeRefused, WebSocketRoute
from mmid.simcloud.multimodal_dialog.protocol import Account, DialogProtocol
from mmid.simcloud.multimodal_dialog.vocabulary import VOCABULARY

_PATH: Final = "/api-ws/v1/inference"


class DialogServer(CloudServer):
    """The endpoint: takes the API key, and the tokens of the license service.

    Args:
        simulation: the product that a Start must name.
        run: the script.
    """

    def __init__(self, simulation: Simulation, run: ScenarioRun) -> None:
        self._simulation = simulation
        self._run = run
        self.sockets = {_PATH: WebSocketRoute(self._admit, self._connect, run.plan)}

    def line(self, urls: Urls) -> dict[str, str]:
        """Return the URL of the dialog."""
        return {"ws_url": urls.wss + _PATH}

    def _admit(self, request: Request) -> Mapping[str, str]:
        known = self._simulation.check_bearer(request.headers.get_all("Authorization"))
        if known is None:
            raise UpgradeRefused(
                "Authorization must be Bearer and a valid API key or license token"
            )
        credential, device_name = known
        return {"credential": credential, "device_name": device_name}

    def _connect(self, who: Mapping[str, str], now: float) -> DialogProtocol:
        product, licensed = self._simulation.product, who["credential"] == "token"
        account = Account(product.app_id, product.workspace_id, licensed)
        return DialogProtocol(account, self._run, now)


CLOUD = SimulatedCloud(
    name="multimodal-dialog",
    start=DialogServer,
    vocabulary=VOCABULARY,
    scenarios=Path(__file__).with_name("scenarios"),
)
