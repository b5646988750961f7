"""What pool servers run: nginx and the UDP echo service. Both listen on every address, thus on the VIP once it is there."""

import hashlib
import os
import random
import sys

HTTP_PORT = 80
UDP_PORT = 7000
LARGE_SIZE = 8 << 20  # bytes of /large.bin

_NGINX = """
daemon off;
user root;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log {directory}/access.log;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    client_max_body_size 64m;
    sendfile on;
    tcp_nopush on;
    server {{
        listen {port} backlog=1024;
        root {directory}/root;
        add_header X-Server {name} always;
        location /upload/ {{ dav_methods PUT; create_full_put_path on; }}
    }}
}}
"""


def nginx_config(name, directory, port=HTTP_PORT):
    """What nginx.conf in this directory says; below it are root/ and root/upload/."""
    return _NGINX.format(name=name, directory=directory, port=port)


class Nginx:
    """nginx on a host. GET / answers with the host's name, GET /large.bin with LARGE_SIZE bytes, PUT /upload/NAME keeps
    the body (at most 64 MB) for `uploaded`. The answer's X-Server header names the host."""

    def __init__(self, host, port=HTTP_PORT):
        self.host = host
        self.port = port
        self.directory = f"{host.directory}/nginx"
        os.makedirs(f"{self.directory}/root/upload")
        self._write("root/index.html", f"{host.name}\n".encode())
        self._write("root/large.bin", large_body())
        self._write("nginx.conf", nginx_config(host.name, self.directory, port).encode())
        self.process = host.popen("nginx", "-p", self.directory, "-e", f"{self.directory}/error.log",
                                  "-c", f"{self.directory}/nginx.conf")
        host.wait_listening(port, self.process)

    def uploaded(self, name):
        """SHA-256 of what PUT /upload/NAME left on this server, or None."""
        try:
            with open(f"{self.directory}/root/upload/{name}", "rb") as file:
                return hashlib.sha256(file.read()).hexdigest()
        except FileNotFoundError:
            return None

    def _write(self, name, content):
        with open(f"{self.directory}/{name}", "wb") as file:
            file.write(content)


class UdpEcho:
    """The UDP echo service on a host: answers from the address that was asked."""

    def __init__(self, host, port=UDP_PORT):
        self.host = host
        self.port = port
        script = os.path.join(os.path.dirname(__file__), "udp_echo.py")
        self.process = host.popen(sys.executable, script, host.name, port, log="udp_echo")
        host.wait_listening(port, self.process, udp=True)


def large_body():
    """The same pseudo-random bytes on every server and in every run."""
    return random.Random(2616).randbytes(LARGE_SIZE)
