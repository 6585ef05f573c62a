"""The cloud's side of the machine's network: one web server on every address, from one folder.

Says "ready" on its output when it listens.
"""

import http.server
import os
import socket
import sys


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files; those of EC2's metadata only for who has asked for a token."""

    def do_PUT(self) -> None:
        self.send_response(200 if self.path == "/latest/api/token" else 404)
        self.end_headers()
        self.wfile.write(b"the-token")

    def do_GET(self) -> None:
        if self.path.startswith("/latest/") and self.headers["X-aws-ec2-metadata-token"] != "the-token":
            self.send_error(401)
        else:
            super().do_GET()


os.chdir(sys.argv[1])
with Server(("::", 80), Handler) as server:
    print("ready", flush=True)
    server.serve_forever()
