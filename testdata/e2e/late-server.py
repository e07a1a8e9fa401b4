#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Serves links as rebuilderd does, each for a rebuilder with an address of its own,
and takes its time.

  late-server.py FOLDER SECONDS

http://127.0.0.1:PORT/NAME is the server that has FOLDER/NAME.link. It has an answer
SECONDS after it was asked for its packages, and sends the head of it at once. The port is the first line of standard output.
"""

import http.server
import json
import pathlib
import sys
import time
import urllib.parse

folder, seconds = pathlib.Path(sys.argv[1]), float(sys.argv[2])


class Late(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        _, name, rest = url.path.split("/", 2)
        if rest == "api/v1/packages/binary":
            record = {k: v[0] for k, v in urllib.parse.parse_qs(url.query).items()}
            body = json.dumps({"records": [{**record, "build_id": 1, "artifact_id": 1}]}).encode()
        else:
            body = (folder / f"{name}.link").read_bytes()
        self.send_response(200)
        self.end_headers()
        try:
            if rest == "api/v1/packages/binary":
                time.sleep(seconds)
            self.wfile.write(body)
        except ConnectionError:
            pass  # nobody waits any more

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Late)
print(server.server_port, flush=True)
server.serve_forever()
