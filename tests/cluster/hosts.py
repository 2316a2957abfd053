"""Hosts without a cloud: namespaces of this machine.

Each has its own network address, processes, name, home and ssh server. They share the disk except
for the home and Ray's temporary folder, like machines with a common NFS folder.
"""

import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_TOOLS = ("unshare", "nsenter", "setpriv", "ip", "ssh", "ssh-keygen", "rsync", "/usr/sbin/sshd")
_NETWORK = "10.77.0"
_SEPARATE = ("--net", "--mount", "--uts", "--ipc", "--pid")


def why_not() -> str | None:
    """Return why such hosts cannot be created here, or None if they can."""
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"missing: {', '.join(missing)} (Debian: iproute2 openssh-server rsync util-linux)"
    bridge = "ip link add br0 type bridge && ip link add plug type veth peer name card"
    tried = subprocess.run(
        ["unshare", *_SEPARATE, "--fork", "--mount-proc", "sh", "-c", bridge],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"namespaces are not allowed here: {tried.stderr.strip()}" if tried.returncode else None


class Site:
    """A network with the host `desk`, where commands are typed, and `hosts` to log into.

    `folder` holds their homes (`folder/NAME/home`), the key to log in with (`folder/key`)
    and an empty folder `folder/shared`. Every process of the site ends with `close`.
    """

    def __init__(self, folder: Path, hosts: Sequence[str]) -> None:
        self.folder = folder
        (folder / "shared").mkdir()
        self.key = folder / "key"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True
        )
        self.addresses = {name: f"{_NETWORK}.{10 + i}" for i, name in enumerate(hosts)}
        self._made: list[subprocess.Popen[bytes]] = []
        self._desk = self._begin("desk", "sleep infinity & wait", [])
        self._run_inside(
            f"ip link set lo up && ip link add br0 type bridge && ip link set br0 up"
            f" && ip address add {_NETWORK}.1/24 dev br0"
            # Ray looks up the route to the internet to learn its own address.
            f" && ip route add default via {_NETWORK}.254"
        )
        for name in hosts:
            self._add(name)

    def home(self, name: str) -> Path:
        return self.folder / name / "home"

    def run(
        self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` on the host `desk`. Its output includes errors."""
        return subprocess.run(
            [*self._inside(), f"--wd={cwd}", *command],
            env={**environment, "HOME": str(self.home("desk"))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )

    def close(self) -> None:
        """End every process of the site, by ending the first one of each namespace."""
        for made in self._made:
            made.kill()
            made.wait()

    def _begin(self, name: str, script: str, inside: Sequence[str]) -> int:
        """Create namespaces in which `script` is the first process, and return its id.

        It adopts what daemons leave behind.
        """
        place = self.folder / name
        for part in ("home", "ray"):
            (place / part).mkdir(parents=True)
        Path("/tmp/ray").mkdir(exist_ok=True)
        users = Path("/etc/passwd").read_text(encoding="utf-8")
        root = next(line for line in users.splitlines() if line.startswith("root:"))
        at_home = ":".join([*root.split(":")[:5], str(place / "home"), "/bin/bash"])
        (place / "passwd").write_text(users.replace(root, at_home), encoding="utf-8")
        begin = (
            f"hostname {name} && mount --bind {place}/ray /tmp/ray"
            f" && mount --bind {place}/passwd /etc/passwd && touch {place}/begun && {script}"
        )
        with (place / "log").open("wb") as log:
            made = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL", *inside, "unshare", *_SEPARATE, "--fork"),
                    *("--kill-child=KILL", "--mount-proc", "bash", "-c", begin),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._made.append(made)
        deadline = time.monotonic() + 20
        while not (place / "begun").exists():
            if made.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no host {name}: {(place / 'log').read_text()}")
            time.sleep(0.05)
        return _first_of_namespace(made.pid)

    def _inside(self) -> list[str]:
        return ["nsenter", "--target", str(self._desk), *_SEPARATE]

    def _run_inside(self, script: str) -> None:
        subprocess.run([*self._inside(), "bash", "-ec", script], check=True)

    def _add(self, name: str) -> None:
        place = self.folder / name
        place.mkdir()
        server_key = place / "server_key"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(server_key)], check=True
        )
        (place / "sshd_config").write_text(
            f"HostKey {server_key}\nPidFile none\nUsePAM no\nStrictModes no\n"
            f"AuthorizedKeysFile {self.key}.pub\nPasswordAuthentication no\n",
            encoding="utf-8",
        )
        # sshd starts once there is a network card to listen on.
        script = (
            f"until ip link show card; do sleep 0.1; done; ip link set lo up; ip link set card up;"
            f" ip address add {self.addresses[name]}/24 dev card;"
            f" ip route add default via {_NETWORK}.1; mkdir -p /run/sshd;"
            f" /usr/sbin/sshd -D -e -f {place}/sshd_config & wait; while :; do wait; sleep 1; done"
        )
        first = self._begin(name, script, self._inside())
        card = self.addresses[name].replace(".", "-")
        network = ["nsenter", "--target", str(self._desk), "--net"]
        for command in (
            f"ip link add {card} type veth peer name card netns {first}",
            f"ip link set {card} master br0 up",
        ):
            subprocess.run([*network, *command.split()], check=True)


def _first_of_namespace(process: int) -> int:
    """Return the id of the descendant of `process` that is number 1 in its own namespace."""
    while True:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
        numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
        if len(numbers) > 2 and numbers[-1] == "1":
            return process
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="utf-8")
        process = int(children.split()[0])


def virtual_environment(home: Path, name: str) -> None:
    """Create the environment `home/name` with the packages of this Python.

    The hosts reach no package index.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home / name)], check=True)
    packages = home / name / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    (packages / "this.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    script = Path(sys.executable).with_name("ray").read_text(encoding="utf-8")
    shebang = script.splitlines()[0]
    ray = home / name / "bin" / "ray"
    ray.write_text(script.replace(shebang, f"#!{home / name}/bin/python", 1), encoding="utf-8")
    ray.chmod(0o755)
