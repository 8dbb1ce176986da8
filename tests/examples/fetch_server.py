"""A server that gives models as the Hugging Face hub does, on loopback:   python3 fetch_server.py FOLDER PORT_FILE LOG

OWNER/MODEL/resolve/REVISION/FILE is FILE of FOLDER/MODEL; OWNER says how it is given:
good      large files by way of a redirection that announces their SHA-256, with ranges
cut       the same, but the first answer breaks off in the middle
changed   announces another SHA-256
plain     announces nothing and knows no ranges
gated     status 401
LOG gets a line for each request: path, range.
"""
import hashlib
import http.server
import os
import sys

folder, port_file, log_file = sys.argv[1:]
broken_off = set()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        requested = self.headers.get("Range")
        with open(log_file, "a") as f:
            f.write(f"{self.path} {requested or 'whole'}\n")
        parts = self.path.strip("/").split("/")
        blob = parts[0] == "blob"
        owner, model, file = (parts[1], parts[2], parts[3]) if blob else (parts[0], parts[1], parts[-1])
        path = os.path.join(folder, model, file)
        if owner == "gated":
            return self.answer(401, {})
        if not os.path.isfile(path):
            return self.answer(404, {})
        data = open(path, "rb").read()
        sha256 = hashlib.sha256(b"other" if owner == "changed" else data).hexdigest()
        if file.endswith(".safetensors") and not blob and owner != "plain":
            return self.answer(302, {"Location": f"/blob/{owner}/{model}/{file}", "X-Linked-ETag": f'"{sha256}"', "X-Repo-Commit": "c0ffee",
                                     "ETag": '"not-a-hash"'})
        headers = {"ETag": '"' + hashlib.sha1(data).hexdigest() + '"'}
        begin = int(requested[6:].split("-")[0]) if requested and owner != "plain" else 0
        if begin >= len(data):
            return self.answer(416, headers | {"Content-Range": f"bytes */{len(data)}"})
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        body = data[begin:]
        if owner == "cut" and blob and path not in broken_off:
            broken_off.add(path)
            self.close_connection = True
            return self.answer(200, headers | {"Content-Length": str(len(body))}, body[:len(body) // 2])
        self.answer(206 if begin else 200, headers, body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(port_file + ".new", "w") as f:
    f.write(str(server.server_address[1]))
os.rename(port_file + ".new", port_file)
server.serve_forever()
