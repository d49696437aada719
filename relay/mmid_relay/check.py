"""``mmid-relay check``: settings, keys, vendors, store and clock, before a device asks.

Each vendor is asked for something that changes nothing and costs nothing there, so that its
answer shows whether the keys are good: a token for a device that does not exist, a temporary
key of one second, the end of an instance that never was.
"""

import asyncio
import secrets
import time
from email.utils import parsedate_to_datetime

from mmid_relay.answers import SharedAnswers
from mmid_relay.app import make_app
from mmid_relay.problems import Problem
from mmid_relay.relay import Relay
from mmid_relay.serve import check_certificate
from mmid_relay.settings import Settings
from mmid_relay.vendors.alibaba import LicenseApi
from mmid_relay.vendors.baidu import AgentApi
from mmid_relay.vendors.dashscope import KeyMint
from mmid_relay.vendors.replies import code_of, license_reply
from mmid_relay.vendors.upstream import Answer

# Signatures are good for five minutes at the strictest vendor.
_MOST_SKEW_S = 60

# What Baidu AI Cloud says with status 400 of a wrong SK, or a clock 30 minutes off (the table of
# common error codes in its API reference). The other refusals of an account are 403.
_BCE_REFUSALS = frozenset({"InvalidHTTPAuthHeader", "RequestExpired", "SignatureDoesNotMatch"})

_Api = LicenseApi | KeyMint | AgentApi


def check(settings: Settings) -> int:
    """Print a line for each thing that was tried; return 1 if one failed, else 0.

    Raises:
        SettingsInvalid: a file that the settings name cannot be used.
    """
    return asyncio.run(_check(settings))


async def _check(settings: Settings) -> int:
    app = make_app(settings)
    check_certificate(settings.server)
    results = [_say(True, "settings", "can be used"), _devices(settings)]
    async with app.router.lifespan_context(app):
        relay: Relay = app.state.relay
        if not relay.upstreams:
            results.append(_say(False, "vendors", "none is set: there is nobody to ask"))
        apis = [api for api in (relay.licenses, relay.keys, relay.agents) if api is not None]
        results += [await _vendor(api) for api in apis]
        if isinstance(app.state.answers, SharedAnswers):
            answers = await app.state.answers.ping()
            results.append(_say(answers, "store", "answers" if answers else "does not answer"))
    return 0 if all(results) else 1


def _say(good: bool, what: str, words: str) -> bool:
    print(f"{'ok    ' if good else 'FAILED'} {what}: {words}")
    return good


def _devices(settings: Settings) -> bool:
    devices = settings.devices
    server = settings.server
    good = len(devices.fleet_keys.keys() - devices.revoked_keys)
    if server.client_dn_header and not (server.unix_path or server.trusted_proxies):
        return _say(
            False,
            "devices",
            "client_dn_header is believed from nobody: no unix socket and no trusted_proxies",
        )
    if good or server.client_dn_header:
        signing = f", new tokens by {devices.signing_key}" if devices.signing_key else ""
        by = ", or by certificate" if server.client_dn_header else ""
        return _say(True, "devices", f"prove themselves by {good} fleet keys{by}{signing}")
    return _say(False, "devices", "no fleet_keys and no client_dn_header: nobody is let in")


async def _probe(api: _Api) -> tuple[Answer, bool]:
    """Ask a vendor; return its answer, and whether it took our keys."""
    if isinstance(api, KeyMint):
        answer = await api.mint(1)
        return answer, answer.succeeded
    if isinstance(api, AgentApi):
        answer = await api.stop(0)
        refused = answer.status in {401, 403} or code_of(answer.document) in _BCE_REFUSALS
        return answer, not refused
    answer = await api.token(
        {
            "appId": "mm_0",
            "deviceName": "mmid-relay-check",
            "nonce": secrets.token_hex(13),
            "requestTime": str(time.time_ns() // 1_000_000),
            "signature": "AAAA",
            "tokenType": "MMI",
        }
    )
    return answer, license_reply(answer, api.secrets).result != "relay-refused"


async def _vendor(api: _Api) -> bool:
    name = api.upstream.name
    try:
        answer, accepted = await _probe(api)
    except Problem as problem:
        return _say(False, name, problem.detail)
    said = f"{answer.status} {code_of(answer.document)}".strip()
    if not accepted:
        return _say(False, name, f"refused our keys or our account ({said})")
    try:
        ahead_s = time.time() - parsedate_to_datetime(answer.date).timestamp()
    except (ValueError, OverflowError):
        return _say(True, name, "took our keys; it does not tell the time")
    good = abs(ahead_s) <= _MOST_SKEW_S
    return _say(good, name, f"took our keys; this clock is {ahead_s:+.0f} s from its own")
