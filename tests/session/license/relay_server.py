"""A vendor's own server for semi-managed devices, with Alibaba's client of the API behind it.

Run as a program: reads a line of JSON (``endpoint``, ``access_key_id``, ``access_key_secret``,
``ca_file``, ``token_key``, ``certificate_file``, ``key_file``, ``device_certificate``,
``header``), prints its port, and serves until its standard input ends. It lets in only who
shows the device's certificate and the header.
"""

import http.server
import json
import ssl
import sys
import threading
from typing import Any

from alibabacloud_bailianmodelonchip20240816.client import Client
from alibabacloud_bailianmodelonchip20240816.models import DeviceRegisterRequest, GetTokenRequest
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.runtime import RuntimeOptions


class Relay(http.server.BaseHTTPRequestHandler):
    facts: dict[str, str]
    client: Client

    def do_POST(self) -> None:
        name, _, value = self.facts["header"].partition(": ")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers.get(name) != value:
            self._answer(403, {"error": "who are you?"})
        else:
            self._answer(200, self._relayed(body))

    def _relayed(self, body: dict[str, str]) -> Any:
        """Do what the guide for semi-managed devices says: drop some fields, add the key."""
        shared = {name: body[of] for name, of in SHARED.items()}
        runtime = RuntimeOptions(ca=self.facts["ca_file"])
        if self.path == "/vendor/register":
            request = DeviceRegisterRequest(**shared)
            reply = self.client.device_register_with_options(request, {}, runtime).body
        else:
            wanted = GetTokenRequest(
                **shared,
                device_name=body["deviceName"],
                token_type=body["tokenType"],
                token_key=self.facts["token_key"],
            )
            reply = self.client.get_token_with_options(wanted, {}, runtime).body
        if str(reply.success).lower() != "true":
            return {"code": reply.code, "success": False, "message": reply.message, "data": None}
        return reply.data.to_map()

    def _answer(self, status: int, document: Any) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing: standard error is for what goes wrong."""


SHARED = {
    "app_id": "appId",
    "nonce": "nonce",
    "request_time": "requestTime",
    "signature": "signature",
}


def main() -> None:
    facts = Relay.facts = json.loads(sys.stdin.readline())
    Relay.client = Client(
        Config(
            access_key_id=facts["access_key_id"],
            access_key_secret=facts["access_key_secret"],
            endpoint=facts["endpoint"],
            region_id="cn-beijing",
        )
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(facts["certificate_file"], facts["key_file"])
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(facts["device_certificate"])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
