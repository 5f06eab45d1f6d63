"""Run the whole deployment on this machine: `python -m examples.production`. Ctrl-C or SIGTERM stops it.

nginx in front of three processes of the bank's API, PostgreSQL and Redis, all on free ports of 127.0.0.1 in a folder of
their own, which is removed at the end. It speaks http on localhost; in production TLS ends at nginx.
"""

import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep

from examples.production import parts
from examples.production.installed import NotInstalled, found
from examples.production.processes import Failed, Processes, Stopped

NODES = ("node-1", "node-2", "node-3")
_PATIENCE = {"nginx": 4.0, "nodes": 4.0, "stores": 1.5}
"""Seconds that each has to give the answers in flight, and to end."""


def main() -> int:
    """Start, wait, stop; 0 if it was asked to stop."""
    try:
        programs = found()
    except NotInstalled as error:
        sys.exit(str(error))
    with TemporaryDirectory(prefix="bank-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # PostgreSQL, and the workers of nginx, may be other users
        processes = Processes(Path(folder))
        processes.listen()
        try:
            _start(processes, programs)
            _watch(processes)
        except Stopped:
            pass
        except Failed as error:
            sys.exit(str(error))
        finally:
            _stop(processes)
    _say("Stopped.")
    return 0


def _start(processes: Processes, programs: dict[str, str]) -> None:
    front, database, cache, *ports = parts.free_ports(3 + len(NODES))
    _say("Starting PostgreSQL and Redis …")
    storage = parts.start_postgresql(processes, programs["initdb"], database)
    one_time = parts.start_redis(processes, programs["redis-server"], cache)
    url = f"http://localhost:{front}"
    shared = parts.environment(url, storage, one_time)
    _say("Making the tables …")
    parts.make_tables(processes, shared)
    _say("Starting the nodes and nginx …")
    for name, port in zip(NODES, ports, strict=True):
        parts.start_node(processes, name, port, shared)
    for name, port in zip(NODES, ports, strict=True):
        processes.wait(name, lambda base=f"http://127.0.0.1:{port}": parts.is_ready(base))  # type: ignore[misc]
    parts.start_nginx(processes, programs["nginx"], front, ports)
    processes.wait("nginx", lambda: parts.is_ready(url))
    addresses = dict(zip(["nginx", "postgresql", "redis", *NODES], [front, database, cache, *ports], strict=True))
    _tell(processes, url, addresses, shared)


def _tell(processes: Processes, url: str, ports: dict[str, int], shared: dict[str, str]) -> None:
    """What runs, and what to try."""
    lines = [f"{name}={value}\n" for name, value in shared.items()]
    file = parts.written(processes.folder, "environment", "".join(lines), secret=True)
    _say(f"\nThe bank is at {url} (Ctrl-C stops it). Logs are in {processes.folder}")
    for name, port in ports.items():
        _say(f"  {name:<10}  pid {processes.running[name].pid:<7}  127.0.0.1:{port}")
    _say(f"""
Is it ready, and what does it say of itself:
  curl -i {url}/stepup/health/ready
  curl {url}/.well-known/oauth-authorization-server

Sign in with a password alone; such a token is weak, and a transfer is answered with the challenge of RFC 9470:
  TOKEN=$(curl -s {url}/login --json '{{"username": "ada", "password": "correct horse"}}' \\
    | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
  curl {url}/statements/2026%2F11 -H "Authorization: Bearer $TOKEN"
  curl -i {url}/transfers -H "Authorization: Bearer $TOKEN" --json '{{"to": "ACME", "amount": "50.00"}}'

Which node answered, by nginx's log; end one with `kill -9` and try again:
  tail -f {processes.folder}/nginx-access.log

What an operator asks:
  (set -a; . {file}; {sys.executable} -m upstile.server.cli --app {parts.APP}:server keys status)

In production: https, with the certificate at nginx; BANK_ON_LOOPBACK is not set; the nodes, PostgreSQL and Redis are on
machines of their own, and the lines between them are encrypted. examples/production/deploy has the files.""")


def _watch(processes: Processes) -> None:
    while not processes.asked_to_stop:
        for name in processes.ended():
            _say(f"{name} has ended. nginx sends its requests to the others, and tries it again every five seconds.")
        sleep(0.1)


def _stop(processes: Processes) -> None:
    """First who asks, then who answers, then what that needs; all within ten seconds."""
    processes.stop(["nginx"], signal.SIGQUIT, within=_PATIENCE["nginx"])
    processes.stop([*NODES, "upgrade"], signal.SIGTERM, within=_PATIENCE["nodes"])
    processes.stop(["redis", "postgresql"], signal.SIGINT, within=_PATIENCE["stores"])


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
