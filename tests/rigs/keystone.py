"""A keystone for grid users in front of the rig's: it takes VOMS proxies and OpenID Connect access tokens.

The rig's keystone knows passwords only. This HTTPS server speaks what federated sites add: `POST /v2.0/tokens`
for clients that show a proxy certificate, and `GET /v3/OS-FEDERATION/.../auth` for a bearer token. What it hands
out are the rig's own tokens, so that nova takes them; all other requests go on to the rig.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from tests.rigs import dirac_x509

PROVIDER, PROTOCOL, ACCESS_TOKEN = "egi.eu", "openid", "planted-access-token"
_PROXY = "keyUsage=critical,digitalSignature,keyEncipherment\nproxyCertInfo=critical,language:id-ppl-inheritAll\n"


def make_proxy(authority: dirac_x509.Authority) -> Path:
    """A proxy of the pilot user (RFC 3820), as `voms-proxy-init` leaves it: certificate, key, issuer."""
    folder = authority.folder
    (folder / "proxy.ext").write_text(_PROXY)
    request = ["req", "-newkey", "rsa:2048", "-nodes", "-subj", f"{dirac_x509.PILOT_DN}/CN=4711"]
    signing = ["x509", "-req", "-in", "proxy.req", "-CA", "usercert.pem", "-CAkey", "userkey.pem"]
    for arguments in (
        [*request, "-keyout", "proxykey.pem", "-out", "proxy.req"],
        [*signing, "-CAcreateserial", "-days", "1", "-extfile", "proxy.ext", "-out", "proxycert.pem"],
    ):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
    proxy = folder / "proxy.pem"
    proxy.touch(0o600)
    parts = ("proxycert.pem", "proxykey.pem", "usercert.pem")
    proxy.write_text("".join((folder / part).read_text() for part in parts))
    return proxy


@dataclass
class Keystone:
    """The server; use it as a context. ``asked`` says what came: method, path, and the client's name or ""."""

    authority: dirac_x509.Authority
    upstream: Mapping[str, str]  # OS_* variables of the rig
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def __enter__(self) -> Keystone:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority.certificate("host"), self.authority.key("host"))
        context.load_verify_locations(self.authority.folder / "ca.pem")
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VerifyFlags.VERIFY_ALLOW_PROXY_CERTS
        handler = type("Handler", (_Handler,), {"keystone": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it answers, without an API version."""
        return f"https://127.0.0.1:{self._server.server_port}"

    def relay(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> requests.Response:
        """Ask the rig's keystone."""
        url = self.upstream["OS_AUTH_URL"].removesuffix("/v3") + path
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method, url, data=body, headers=dict(headers), verify=self.upstream["OS_CACERT"], timeout=30
            )

    def token(self, project: str | None) -> requests.Response:
        """A token of the rig's user, for ``project`` or unscoped."""
        user = {
            "name": self.upstream["OS_USERNAME"],
            "password": self.upstream["OS_PASSWORD"],
            "domain": {"id": "default"},
        }
        auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
        auth["scope"] = (
            {"project": {"name": project, "domain": {"id": "default"}}} if project else {"unscoped": {}}
        )
        body = json.dumps({"auth": auth}).encode()
        return self.relay("POST", "/v3/auth/tokens", body, {"Content-Type": "application/json"})


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client whose certificate is refused ends the handshake: that is no news."""


class _Handler(BaseHTTPRequestHandler):
    keystone: Keystone

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._serve(None)

    def do_DELETE(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _serve(self, body: bytes | None) -> None:
        self.keystone.asked.append((self.command, self.path, self._client()))
        if self.path == "/v2.0/tokens":
            self._voms(json.loads(body or b"{}")["auth"])
        elif self.path == f"/v3/OS-FEDERATION/identity_providers/{PROVIDER}/protocols/{PROTOCOL}/auth":
            self._oidc()
        else:
            kept = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            self._answer(self.keystone.relay(self.command, self.path, body, kept))

    def _client(self) -> str:
        """The common names of the certificate the client showed."""
        subject = (self.connection.getpeercert() or {}).get("subject", ())
        return "/".join(value for part in subject for name, value in part if name == "commonName")

    def _voms(self, auth: dict[str, Any]) -> None:
        given = (auth.get("token") or {}).get("id")
        if not (given or (auth.get("voms") and self._client())):
            self._json(401, {"error": {"message": "show a VOMS proxy"}})
            return
        answer = self.keystone.token(auth.get("tenantName") or self.keystone.upstream["OS_PROJECT_NAME"])
        said = answer.json()["token"]
        # As keystone does, a token given for a token of the same project is the same one.
        token = {"id": given or answer.headers["X-Subject-Token"], "expires": said["expires_at"]}
        token["tenant"] = {"id": said["project"]["id"], "name": said["project"]["name"]}
        catalog = [_service(entry) for entry in said["catalog"]]
        self._json(200, {"access": {"token": token, "serviceCatalog": catalog, "user": said["user"]}})

    def _oidc(self) -> None:
        if self.headers.get("Authorization") != f"Bearer {ACCESS_TOKEN}":
            self._json(401, {"error": {"message": "no such access token"}})
            return
        self._answer(self.keystone.token(None))

    def _answer(self, answer: requests.Response) -> None:
        self.send_response(answer.status_code)
        for name in ("Content-Type", "X-Subject-Token"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def _json(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _service(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of a catalog of version 3 in the words of version 2.0."""
    regions: dict[str, dict[str, str]] = {}
    for endpoint in entry["endpoints"]:
        region = regions.setdefault(endpoint["region"], {"region": endpoint["region"]})
        region[f"{endpoint['interface']}URL"] = endpoint["url"]
    return {"type": entry["type"], "name": entry["name"], "endpoints": list(regions.values())}
