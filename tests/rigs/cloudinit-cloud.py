"""The cloud's side of the machine's network: one web server on every address, from one folder.

Says "ready" on its output when it listens.
"""

import http.server
import os
import socket
import sys


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


os.chdir(sys.argv[1])
with Server(("::", 80), http.server.SimpleHTTPRequestHandler) as server:
    print("ready", flush=True)
    server.serve_forever()
