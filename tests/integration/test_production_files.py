"""The example's compose file, units and nginx files: read by the programs that read them in production, not run."""

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from examples.production import parts
from support.installed import missing
from support.production import programs

DEPLOY = parts.DEPLOY
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
OPTIONS = re.compile(r"--(timeout-graceful-shutdown\W+9|timeout-keep-alive\W+75|no-proxy-headers)\b")


def test_the_compose_file_keeps_to_its_schema() -> None:
    command = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    done = _run(*map(str, command), str(DEPLOY / "compose" / "compose.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_nothing_wrong_with_a_unit(unit: Path, tmp_path: Path) -> None:
    analyze = _systemd_analyze()
    for program in ("uvicorn", "upstile-server"):
        made = tmp_path / ".venv" / "bin" / program
        made.parent.mkdir(parents=True, exist_ok=True)
        made.touch(0o755)
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/bank", str(tmp_path)))
    done = _run(analyze, "verify", "--man=no", str(copy))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_leaves_little_open(unit: Path) -> None:
    done = _run(_systemd_analyze(), "security", "--no-pager", "--offline=true", "--threshold=35", str(unit))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", ["nginx/bank.conf", "compose/bank.conf"])
def test_nginx_reads_its_files(file: str, tmp_path: Path) -> None:
    _certificate(tmp_path)
    text = re.sub(r"bank-\d:8000", "127.0.0.1:8000", (DEPLOY / file).read_text())
    text = text.replace("/etc/ssl/bank", str(tmp_path)).replace("/opt/bank/deploy", str(DEPLOY))
    whole = tmp_path / "nginx.conf"
    whole.write_text(f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{ }}\nhttp {{\naccess_log off;\n{text}\n}}\n")
    done = _run(programs()["nginx"], "-t", "-q", "-p", f"{tmp_path}/", "-e", "stderr", "-c", str(whole))
    assert (done.returncode, done.stderr) == (0, "")


def test_all_start_the_api_in_the_same_way() -> None:
    files = [DEPLOY / "systemd" / "bank@.service", DEPLOY / "compose" / "Dockerfile", Path(parts.__file__)]
    for file in files:
        assert len(OPTIONS.findall(file.read_text())) == 3, file


def test_all_environments_have_the_same_names() -> None:
    names = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / "bank.env.example").read_text(), re.MULTILINE))
    assert names == parts.environment("", "", "").keys() - {"BANK_ON_LOOPBACK", "PYTHONPATH"}


def _systemd_analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        missing("systemd-analyze", "apt-get install systemd")
    return found


def _certificate(folder: Path) -> None:
    """A certificate that its own key has signed, and the key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api.example.com")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    (folder / "fullchain.pem").write_bytes(made.sign(key, SHA256()).public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "privkey.pem").write_bytes(private)


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
