"""A save image of libvirt, changed by us and restored by libvirt: a daemon of its own, without systemd and alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NEEDED = ("libvirtd", "virsh", "unshare", "qemu-system-x86_64")

DOMAIN = """
<domain type='qemu'><name>tiny</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
<devices><emulator>{emulator}</emulator>
<interface type='user'><mac address='52:54:00:12:34:56'/><model type='virtio'/></interface>
<interface type='user'><mac address='52:54:00:12:34:57'/><model type='e1000e'/></interface>
<interface type='user'><mac address='52:54:00:12:34:58'/><model type='rtl8139'/></interface></devices></domain>
"""

# Mounts, network and processes of its own, so that nothing stays and no daemon of the machine is disturbed.
ALONE = """
set -e
mount --make-rprivate /; mount -t proc proc /proc; mount -t tmpfs none /run; mount -t tmpfs none /var/lib/libvirt
mkdir -p /run/libvirt /run/lock /var/lib/libvirt/qemu /var/log/libvirt/qemu "$1/etc"; ip link set lo up || true
mount --bind "$1/etc" /etc/libvirt; mkdir -p /etc/libvirt/qemu
printf '%s\\n' 'user = "root"' 'group = "root"' 'dynamic_ownership = 0' 'remember_owner = 0' \\
  'security_driver = "none"' 'cgroup_controllers = [ ]' 'namespaces = [ ]' 'stdio_handler = "file"' \\
  > /etc/libvirt/qemu.conf
printf '%s\\n' 'auth_unix_ro = "none"' 'auth_unix_rw = "none"' > /etc/libvirt/libvirtd.conf
libvirtd </dev/null >"$1/libvirtd.log" 2>&1 &
export LIBVIRT_DEFAULT_URI=qemu:///system
for _ in $(seq 60); do virsh uri >/dev/null 2>&1 && break; sleep .5; done
cd "$1"; virsh define domain.xml; virsh start tiny; sleep 1; virsh save tiny a.save
"$2" -m vmstate set a.save --xml virtio-net.mac=52:54:00:aa:bb:cc e1000e.mac=52:54:00:aa:bb:cd \
  rtl8139.mac=52:54:00:12:34:57 -o b.save
virsh restore b.save
echo "state $(virsh domstate tiny)"; echo "saved $(virsh save-image-dumpxml b.save | grep 'mac address')"
virsh qemu-monitor-command tiny --hmp info network
virsh qemu-monitor-command tiny --hmp info registers | grep -m 1 IP=
virsh destroy tiny
"""


@pytest.mark.qemu
@pytest.mark.slow
@pytest.mark.skipif(
    os.getuid() != 0 or not all(map(shutil.which, NEEDED)),
    reason="needs root and apt-get install libvirt-daemon-system libvirt-clients libvirt-daemon-driver-qemu",
)
def test_libvirt_restores_an_image_whose_mac_we_changed(tmp_path: Path) -> None:
    (tmp_path / "domain.xml").write_text(DOMAIN.format(emulator=shutil.which("qemu-system-x86_64")))
    command = ["unshare", "-m", "-n", "-p", "-f", "--kill-child", "bash", "-c", ALONE, "alone", tmp_path]
    done = subprocess.run(
        [*command, sys.executable],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if "unshare failed" in done.stderr:
        pytest.skip("this machine does not let us have mounts of our own")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "state running" in done.stdout
    # QEMU has them from the XML, and the guest's cards from the stream; what is made of e1000e's address QEMU compares.
    for address in ("52:54:00:aa:bb:cc", "52:54:00:aa:bb:cd", "52:54:00:12:34:57"):
        assert f"<mac address='{address}'/>" in done.stdout
        assert f"macaddr={address}" in done.stdout
    assert "IP=" in done.stdout
