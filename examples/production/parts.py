"""The parts of the deployment: how each is configured and started."""

import os
import shutil
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from secrets import token_bytes, token_urlsafe

import httpx
import psycopg
import redis

from examples.production.processes import Processes
from upstile.protocol import base64url_encode

ROOT = Path(__file__).parents[2]
DEPLOY = Path(__file__).parent / "deploy"
APP = "examples.production.api"


def free_ports(number: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens at."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def written(folder: Path, name: str, text: str, *, secret: bool = False) -> Path:
    """A file with this text; one with a secret is for its owner alone."""
    path = folder / name
    path.touch(mode=0o600 if secret else 0o644)
    path.write_text(text)
    return path


def start_postgresql(processes: Processes, initdb: str, port: int) -> str:
    """An empty database of a role that owns nothing else; its URL."""
    folder = processes.folder / "postgresql"
    folder.mkdir(mode=0o700)
    user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    admin, own = token_urlsafe(), token_urlsafe()
    password = written(folder, "password", admin, secret=True)
    if user is not None:
        for path in (folder, password):
            shutil.chown(path, user)
    data = str(folder / "data")
    make = [initdb, "-D", data, "-U", "admin", "--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8"]
    processes.run("postgresql", [*make, "--locale=C"], user=user)
    settings = ("listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=")
    options = [word for setting in settings for word in ("-c", setting)]
    processes.start("postgresql", [str(Path(initdb).with_name("postgres")), "-D", data, *options], user=user)
    url = f"postgresql://admin:{admin}@127.0.0.1:{port}/postgres"
    processes.wait("postgresql", lambda: _answers(url))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE bank LOGIN PASSWORD '{own}'".encode())
        connection.execute("CREATE DATABASE bank OWNER bank")
    return f"postgresql://bank:{own}@127.0.0.1:{port}/bank"


def start_redis(processes: Processes, program: str, port: int) -> str:
    """A Redis that forgets nothing on purpose; its URL."""
    folder, password = processes.folder / "redis", token_urlsafe()
    folder.mkdir(mode=0o700)
    configuration = f"""
bind 127.0.0.1
port {port}
dir {folder}
requirepass {password}
appendonly yes
save ""
maxmemory 256mb
maxmemory-policy noeviction
"""
    path = written(processes.folder, "redis.conf", configuration, secret=True)
    processes.start("redis", [program, str(path)])
    with redis.Redis(host="127.0.0.1", port=port, password=password) as client:
        processes.wait("redis", lambda: _pings(client))
    return f"redis://:{password}@127.0.0.1:{port}/0"


def environment(url: str, storage: str, one_time: str) -> dict[str, str]:
    """What the nodes have in common. `BANK_ON_LOOPBACK` is for http://localhost alone."""
    return {
        "BANK_URL": url,
        "BANK_STORAGE": storage,
        "BANK_ONE_TIME": one_time,
        "BANK_ON_LOOPBACK": "yes",
        "UPSTILE_SECRET_KEYS": base64url_encode(token_bytes(32)),
        "PYTHONPATH": str(ROOT),
    }


def make_tables(processes: Processes, shared: Mapping[str, str]) -> None:
    """Bring the database to the newest schema; the first node would do it for an empty one, and for no other."""
    command = [sys.executable, "-m", "upstile.server.cli", "--app", f"{APP}:server", "db", "upgrade"]
    processes.run("upgrade", command, environment=shared)


def start_node(processes: Processes, name: str, port: int, shared: Mapping[str, str]) -> int:
    """One process of the API; its id. It is ready later."""
    command = [sys.executable, "-m", "uvicorn", f"{APP}:app", "--host", "127.0.0.1", "--port", str(port)]
    # As in deploy/systemd/bank@.service.
    options = ["--timeout-graceful-shutdown", "9", "--timeout-keep-alive", "75", "--no-proxy-headers"]
    return processes.start(name, [*command, *options], environment=shared)


PROXY_RULES = DEPLOY / "nginx" / "proxy.conf"


def start_nginx(processes: Processes, program: str, port: int, nodes: list[int], rules: Path = PROXY_RULES) -> int:
    """nginx in front of the nodes, by the rules of a file; its process."""
    servers = "\n".join(f"server 127.0.0.1:{node} max_fails=1 fail_timeout=5s;" for node in nodes)
    for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
        (processes.folder / name).mkdir()
    configuration = f"""
daemon off;
worker_processes 2;
pid nginx.pid;
error_log nginx-error.log;
events {{ }}
http {{
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    log_format by_node '$request_method $uri $status $upstream_addr';
    access_log nginx-access.log by_node;
    upstream bank {{
        zone bank 64k;
        {servers}
        keepalive 16;
    }}
    server {{
        listen 127.0.0.1:{port};  # in production: 443 ssl, as in deploy/nginx/bank.conf
        server_name localhost;
        include {rules};
    }}
}}
"""
    path = written(processes.folder, "nginx.conf", configuration)
    return processes.start("nginx", [program, "-p", f"{processes.folder}/", "-c", str(path), "-e", "nginx-error.log"])


def is_ready(base: str) -> bool:
    """Whether `/stepup/health/ready` says so."""
    try:
        return httpx.get(f"{base}/stepup/health/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _pings(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
