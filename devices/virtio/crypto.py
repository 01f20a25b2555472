"""virtio-crypto: it cannot be migrated, and is never in a stream.

Facts from QEMU's hw/virtio/virtio-crypto.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, description, device, info, uint32_little, uint64_little
from vmstate.devices.virtio.config import ConfigSpace
from vmstate.devices.virtio.core import VirtIOBody


@description("virtio-crypto config")
class VirtIOCryptoConfig(VMState):
    """The configuration space."""

    status: int = uint32_little()
    max_dataqueues: int = uint32_little()
    crypto_services: int = uint32_little()
    cipher_algo_l: int = uint32_little()
    cipher_algo_h: int = uint32_little()
    hash_algo: int = uint32_little()
    mac_algo_l: int = uint32_little()
    mac_algo_h: int = uint32_little()
    aead_algo: int = uint32_little()
    max_cipher_key_len: int = uint32_little()
    max_auth_key_len: int = uint32_little()
    akcipher_algo: int = uint32_little()
    max_size: int = uint64_little()


@device("virtio-crypto")
@description("virtio-crypto", version_id=1, minimum_version_id=1, unmigratable=True)
class VirtIOCrypto(VMState):
    """A cryptographic accelerator."""

    virtio: VirtIOBody = info("virtio", VirtIOBody)
    config_space = ConfigSpace(VirtIOCryptoConfig)
