"""QEMU's lines about a load, found in a log: what each names, what it says in words, and what to change.

The lines are those of several releases (vmstate.rules.messages writes them, too), and of libvirt's log of a domain.
What is not in the table here is not dropped: it is a line that is not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from vmstate.compare.advice import SAME_PROPERTIES, advice_of_block
from vmstate.compare.explained import LogLine
from vmstate.stream.registry import all_descriptions, comparison_of
from vmstate.vmsd.data import Value

Words = str | Callable[["re.Match[str]", str | None], str | None]
"""A text with the names of groups in braces, or a function of the match and the section that the lines behind name."""


class _Known(Value):
    """Lines of one kind. `needed` stands in every one that the pattern matches, and is found sooner."""

    needed: str
    pattern: re.Pattern[str]
    says: Words
    advice: Words | None
    refuses: bool


FOLLOWING = 4
"""Lines behind one that may name its section."""

LOOKED_AT = 2000
"""Characters of a line that are looked at."""

KEPT = 8000
"""Characters of a line that are kept."""

OLDER_MACHINE = "use the machine type of the older release on both sides, or a newer QEMU at the destination"
SAME_DEVICES = "give the destination the same devices at the same places (bus=, addr=), hot-plugged ones too"
MIGRATION_PARAMETERS = "set the same migration capabilities on both sides before the migration starts"
SAME_CPU = "give both sides the same -cpu model and features, and the same -accel; the hosts' processors may differ"
READ_ON = "the lines in front of it say why"


def _features(match: re.Match[str], section: str | None) -> str:
    guest, host = match["guest"], match["host"]
    if len(guest) == 32:
        # 11.1 takes away what is not allowed before it prints the number.
        return (
            f"the driver accepted features that the destination's {_device(section)} does not offer; which, this QEMU "
            f"does not print. It offers {_named(section, int(host, 16))}"
        )
    missing = int(guest, 16) & ~int(host, 16)
    if not missing:
        return f"the driver accepted features that the destination's {_device(section)} does not offer"
    return f"the driver accepted {_named(section, missing)}, which the destination's {_device(section)} does not offer"


def _advice_of_features(match: re.Match[str], section: str | None) -> str:
    missing = int(match["guest"], 16) & ~int(match["host"], 16)
    known = _feature_set(section)
    names = [known.properties[bit] for bit in _bits(missing) if bit in known.properties] if known is not None else []
    options = f" ({', '.join(dict.fromkeys(names))})" if names else ""
    return (
        f"let the device of the destination offer them: its properties{options}, the machine type, and a back end "
        "that can (vhost, the kernel, the same back end as at the source); or start the source without them"
    )


def _bits(bits: int) -> list[int]:
    return [bit for bit in range(bits.bit_length()) if bits >> bit & 1]


def _feature_set(section: str | None) -> Any:
    """The features of a device; where the log names none, those that all virtio devices have, by one that has few."""
    features = None if section is None else comparison_of(section).features
    return features or comparison_of("virtio-rng").features


def _named(section: str | None, bits: int) -> str:
    names = {} if (known := _feature_set(section)) is None else known.names
    return ", ".join(f"{names[bit]} (bit {bit})" if bit in names else f"bit {bit}" for bit in _bits(bits)) or "none"


def _device(section: str | None) -> str:
    return "device" if section is None else f"device {section}"


def _block_advice(match: re.Match[str], _section: str | None) -> str:
    return advice_of_block(match["subject"])


def _config_register(match: re.Match[str], section: str | None) -> str:
    place = int(match["place"], 16)
    names = {0x00: "vendor", 0x02: "device id", 0x08: "revision", 0x09: "class", 0x0E: "header type", 0x2C: "subsystem"}
    at = next((names[start] for start in sorted(names, reverse=True) if place >= start), "")
    where = f"the {at}" if place < 0x10 or 0x2C <= place < 0x30 else "a base address or capability"
    return (
        f"byte {place:#x} of the PCI configuration space of the {_device(section)} ({where}) is "
        f"{int(match['read'], 16):#x} in the stream and {int(match['device'], 16):#x} at the destination, where the "
        "guest cannot have written it"
    )


def _register(match: re.Match[str], _section: str | None) -> str:
    """A register of an Arm processor by its name, as the states of the processor have it, and its number."""
    index = int(match["subject"], 16)
    kinds = (vmsd.state_class for vmsd in all_descriptions("cpu"))
    kind = next((kind for kind in kinds if hasattr(kind, "register_names")), None)
    names = [] if kind is None else kind(cpreg_vmstate_indexes=[index]).register_names
    named = f"the register {', '.join(names)} ({index:#x})"
    if match["place"] == "only":
        return f"the stream has {named} of the source's processor, which the destination's has not"
    return f"the destination's processor has {named}, which is not in the stream and keeps its first value"


def _reason(match: re.Match[str], _section: str | None) -> str:
    reasons = {
        "Invalid argument": f"the load failed over what is in the stream; {READ_ON}",
        "Input/output error": "the stream ended too early: the source stopped, or the connection broke",
        "Operation not permitted": f"the load failed: a device refused what it was given; {READ_ON}",
        "No such file or directory": "the load failed: a section or subsection that the destination does not know",
        "Not a directory": f"the load failed; {READ_ON}",
        "Connection reset by peer": "the source closed the connection: its own log says why",
        "Cannot allocate memory": "the destination has not got the memory",
        "Unknown error -1": f"the load failed; {READ_ON}",
    }
    reason = match["reason"]
    if reason is None:
        return f"the load failed; {READ_ON}"
    # From 11.0 on what went wrong stands behind the reason.
    return reasons.get(reason.partition(": ")[0], f"the load failed: {reason}")


def _line(pattern: str, says: Words, advice: Words | None = None, *, refuses: bool = True) -> _Known:
    return _Known(_needed(pattern), re.compile(pattern), says, advice, refuses)


def _needed(pattern: str) -> str:
    """The longest text that stands in whatever a pattern matches: outside of groups, with no choice at that level."""
    runs, depth = [""], 0
    for piece in re.findall(r"\\.|\[(?:\\.|[^\]])*\]|\{[\d,]*\}|.", pattern):
        if depth == 0 and piece == "|":
            return ""
        depth += (piece == "(") - (piece == ")")
        if (depth == 0 and piece in "?*") or piece[0] == "{":
            runs[-1] = runs[-1][:-1]
        is_text = depth == 0 and (
            piece not in _SPECIAL if len(piece) == 1 else piece[0] == "\\" and not piece[1].isalnum()
        )
        if is_text:
            runs[-1] += piece[-1]
        else:
            runs.append("")
    return max(runs, key=len)


_SPECIAL = "()[]{}.^$*+?|"

_SECTION = r"'(?P<section>[^']*)'"
_KNOWN = (
    _line(
        rf"error while loading state for instance (?P<instance>0x[0-9a-fA-F]+) of device {_SECTION}",
        "the section {section} (instance {instance}) was refused; the lines in front of it say why, if there are any",
    ),
    _line(
        r"error while loading state section id (?P<id>\d+)\((?P<section>[^)]*)\)",
        "a part of the section {section} was refused; the lines in front of it say why, if there are any",
    ),
    _line(
        rf"Unknown (?:savevm )?section or instance {_SECTION} (?P<instance>\d+)",
        "the destination has no device that registers {section} (instance {instance})",
        SAME_DEVICES,
    ),
    _line(
        rf"unsupported version (?P<version>\d+) for {_SECTION} v(?P<local>\d+)",
        "{section} was saved in version {version}, and the destination knows up to {local}: it is older",
        OLDER_MACHINE,
    ),
    _line(
        r"Missing section footer for (?P<section>\S.*?)\s*$",
        "the destination reads {section} as longer or shorter than it was written: another property decides what is "
        "sent, or another release",
        SAME_PROPERTIES,
    ),
    _line(
        r"(?:Mismatched section id in footer|Read section footer failed)",
        "the destination reads a section as longer or shorter than it was written",
        SAME_PROPERTIES,
    ),
    _line(
        r'Unknown ramblock "(?P<subject>[^"]*)"',
        "the destination has no RAM block {subject}",
        _block_advice,
    ),
    _line(
        r"(?:Size|Length) mismatch: (?P<subject>\S+): (?P<read>0x[0-9a-f]+)(?: in)? != (?P<device>0x[0-9a-f]+)",
        "RAM block {subject} has {read} bytes in the stream and {device} at the destination",
        _block_advice,
    ),
    _line(
        r"(?:Size|Length) too large: (?P<subject>\S+): (?P<read>0x[0-9a-f]+) > (?P<device>0x[0-9a-f]+)",
        "RAM block {subject} has {read} bytes in the stream, and can have {device} at the destination at most",
        _block_advice,
    ),
    _line(
        r"Machine type received is '(?P<read>[^']*)' and local is '(?P<device>[^']*)'",
        "the source's machine type is {read}, the destination's {device}",
        "start the destination with -machine {read}",
    ),
    _line(
        r"Received TARGET_PAGE_BITS is (?P<read>\d+) but local is (?P<device>\d+)",
        "the source's pages have {read} bits, the destination's {device}: another target, or another machine type",
        "start the destination with the source's machine type",
    ),
    _line(
        r"Capability (?P<subject>\S+) is (?P<device>\w+), but received capability is (?P<read>\w+)",
        "the migration capability {subject} is {read} at the source and {device} at the destination",
        MIGRATION_PARAMETERS,
    ),
    _line(
        r"Received unknown capability (?P<subject>\S+)",
        "the source has the migration capability {subject}, which the destination's release does not know",
        "switch {subject} off at the source, or load with a newer QEMU",
    ),
    _line(
        r"UUID received is (?P<read>\S+) and local is (?P<device>\S+)",
        "the machine's UUID is {read} at the source and {device} at the destination",
        "start the destination with -uuid {read}",
    ),
    _line(
        r"MIG_CMD (?P<subject>0x[0-9a-f]+) (?:unknown|deprecated)",
        "the source sends the command {subject}, which the destination's release does not take: the source is newer",
        OLDER_MACHINE,
    ),
    _line(
        r"Configuration section missing",
        "the source sends no configuration section, and the destination wants one",
        "give both sides the same machine type; those up to 2.3 and send-configuration=off send none",
    ),
    _line(
        r"Unknown (?:savevm )?section type (?P<mark>\d+)",
        "the destination finds no section where the one before should have ended: the sides differ in whether there is "
        "a configuration section (7) or a footer (126), or the section before was read wrongly",
        "give both sides the same machine type, send-configuration and send-section-footer",
    ),
    _line(
        r"Received an unexpected compressed page",
        "the source compresses pages, and the destination does not",
        "switch the capability compress on at the destination, or off at the source",
    ),
    _line(
        r"Unknown combination of migration flags: (?P<flags>0x[0-9a-f]+)",
        "the source sends a record of memory that the destination does not know ({flags}): compressed pages, multifd, "
        "or another capability",
        MIGRATION_PARAMETERS,
    ),
    _line(
        r"(?P<subject>\S+) received with bad length - expecting (?P<device>\d+), got (?P<read>\d+)",
        "the command {subject} has {read} bytes and should have {device}: the stream is damaged, or read wrongly",
    ),
    _line(
        r"(?P<subject>CMD_\w+)(?: \(0x[0-9a-f]+\))? "
        r"(?:received with no return path|in wrong postcopy state|invalid length)",
        "the command {subject} comes where the destination does not expect it, or in another form: the migration "
        "capabilities (postcopy-ram, return-path) differ, or the stream is not whole",
        MIGRATION_PARAMETERS,
    ),
    _line(
        r"(?:loadvm_handle_recv_bitmap|loadvm_postcopy_handle_resume|migrate_send_rp_recv_bitmap): ",
        "a command that recovers a postcopy migration comes where none is to be recovered",
        "start the migration again",
    ),
    _line(
        r"Found a zero page with value (?P<read>\d+)",
        "a page of one byte repeated, which only old releases send and take",
        "load with the release that saved it",
    ),
    _line(
        r"RAM postcopy is (?:disabled|enabled)",
        "the capability postcopy-ram is on at one side only",
        MIGRATION_PARAMETERS,
    ),
    _line(
        r"get_pci_config_device: Bad config data: i=(?P<place>0x[0-9a-f]+) read: (?P<read>[0-9a-f]+) "
        r"device: (?P<device>[0-9a-f]+)",
        _config_register,
        "give both devices the same properties (vectors, queues, disable-legacy, disable-modern, aer, ats, "
        "multifunction), and both sides the same machine type",
    ),
    _line(
        r"Features 0x(?P<guest>[0-9a-f]+) unsupported\. Allowed features: 0x(?P<host>[0-9a-f]+)",
        _features,
        _advice_of_features,
    ),
    _line(
        r"(?P<subject>[^\s:]+): incoming version_id (?P<version>\d+) is too new for local version_id (?P<local>\d+)",
        "{subject} was saved in version {version}, and the destination knows up to {local}: it is older",
        OLDER_MACHINE,
    ),
    _line(
        r"(?P<subject>[^\s:]+): incoming version_id (?P<version>\d+) is too old for local minimum version_id\s+"
        r"(?P<local>\d+)",
        "{subject} was saved in version {version}, and the destination takes none below {local}: the source is older",
        "load with an older QEMU, or save with a newer one",
    ),
    _line(
        r"VM subsection '(?P<subject>[^']*)' in '[^']*' does not exist",
        "the source sends the subsection {subject}, which the destination's release does not know",
        OLDER_MACHINE,
    ),
    _line(
        r"Failed to load (?P<subject>[^\s:]+:[^\s:]+)",
        "the field {subject} was refused (struct:field); the lines in front of it say why, where there are any",
    ),
    _line(
        r"VQ (?P<queue>\d+) vring\.num (?P<read>\d+) exceeds allocated max (?P<device>\d+)",
        "queue {queue} has {read} entries at the source, and the destination's has {device} at most",
        "give both devices the same queue size (queue-size=, rx_queue_size=, tx_queue_size=)",
    ),
    _line(
        r"VQ (?P<queue>\d+) size (?P<size>0x[0-9a-f]+) (?:< last_avail_idx|Guest index)",
        "the indices of queue {queue} in guest memory do not go with those in the stream: the memory is not that of "
        "the moment at which the device was saved",
        "load with the memory that belongs to the stream",
    ),
    _line(
        r"VQ (?P<queue>\d+) address 0x0 inconsistent with Host index",
        "queue {queue} was used and has no address: the stream is damaged, or read wrongly",
    ),
    _line(
        r"virtio-net: saved image requires vnet_hdr=on",
        "the source's network back end has virtio-net headers (a tap device), the destination's has not",
        "give the destination a back end with vnet_hdr, as a tap device has",
    ),
    _line(
        r"virtio-net: saved image requires TUN_F_UFO support",
        "the source's tap device could take UFO, the destination's host cannot",
        "start the source without guest_ufo and host_ufo",
    ),
    _line(
        r"virtio-net: curr_queue_pairs (?P<read>\d+) > max_queue_pairs (?P<device>\d+)",
        "the driver uses {read} queue pairs, and the destination's device has {device}",
        "give the back end of the destination as many queues (queues=), and the device mq=on",
    ),
    _line(
        r"(?P<subject>cap-\S+) (?P<which>higher|lower) level \((?P<read>\d+)\) in incoming stream than on destination "
        r"\((?P<device>\d+)\)",
        "the capability {subject} of the machine is {read} in the stream and {device} at the destination, which is "
        "refused where it is higher",
        "start both sides with the same {subject}=",
    ),
    _line(
        r"Loading VM subsection '(?P<subject>[^']*)' in '[^']*' failed",
        "the destination refuses what the subsection {subject} holds; the lines before say why",
        SAME_PROPERTIES,
    ),
    _line(
        # "Unexpected storage key flag data", "Storage key data is incomplete"
        r"torage key",
        "the storage keys of the guest's memory are not as they should be: the source could not read them, or the "
        "stream is damaged",
    ),
    _line(
        r"Unexpected storage attribute flag data",
        "the low bits of an address in s390-storage_attributes have no meaning: the stream is damaged, or read wrongly",
    ),
    _line(
        r"hardware error: Bad interrupt index: (?P<read>-?\d+)",
        "a vmxnet3 has {read} for the vector of an interrupt, which is none of its own: the stream is damaged, or read "
        "wrongly",
    ),
    _line(
        r"vCPU set in guest-mode inconsistent with migrated kernel nested state",
        "the processor runs a guest of its own, and the state of KVM that belongs to it is not in the stream",
        "let the guest within the guest end before the migration, or use KVM on both sides",
    ),
    _line(
        r"Mismatch between user-specified TSC frequency and migrated TSC frequency",
        "the time-stamp counter ran at another frequency than the destination's command line says",
        "give both sides the same -cpu ...,tsc-frequency=, or leave it out at the destination",
    ),
    _line(
        r"Guest enabled re-enlightenment notifications, 'tsc-frequency=' has to be specified",
        "the guest asked for Hyper-V's notification of a migration, for which the frequency of the time-stamp counter "
        "has to be known",
        "give the destination the source's -cpu ...,tsc-frequency=",
    ),
    _line(
        r"Invalid value (?P<read>-?\d+) expecting positive value <= (?P<device>\d+)",
        "a number is {read} in the stream, and may be {device} at the destination at most; the next line says of what. "
        "Of an Arm cpu it is the number of registers: another -cpu, a feature, or a newer release at the source",
    ),
    _line(
        r"State blocked by non-migratable device '(?P<section>[^']*)'",
        "the device {section} can neither be saved nor loaded, and no stream is while the machine has it",
        "take the device out of the machine, or unplug it before the migration",
    ),
    _line(
        r"Migration is disabled when VirtFS export path '(?P<subject>[^']*)' is mounted",
        "the guest has the folder {subject} mounted (9p), whose state is in no stream",
        "unmount it in the guest before the migration",
    ),
    _line(
        r"unsupported machine type",
        "QEMU did not start: it has no machine type of that name",
        "choose one that both sides have (-M help lists them), or the source's release of QEMU",
        refuses=False,
    ),
    _line(
        r"cannot set up guest memory '(?P<subject>[^']*)': (?P<reason>.*\S)",
        "QEMU did not start: the host has not as much memory as {subject} asks for ({reason})",
        "make room on the host, or look at its hugepages and the domain's limits",
        refuses=False,
    ),
    _line(
        r"Failed to (?:find an available port|bind socket)(?: to .*)?: (?P<reason>.*\S)",
        "QEMU cannot listen at the address of -incoming, or of a display or monitor ({reason})",
        "choose a port that is free, or end what has it",
        refuses=False,
    ),
    _line(
        r"Could not open '(?P<subject>[^']*)': (?P<reason>.*\S)",
        "QEMU did not start: the command line names {subject}, which it cannot open ({reason})",
        "give the destination the storage of the source under the same name",
        refuses=False,
    ),
    _line(
        r"handle_cpreg_(?P<place>only)_in_incoming_stream: system register (?P<subject>0x[0-9a-f]+) .*: fail",
        _register,
        SAME_CPU,
    ),
    _line(
        r"handle_cpreg_(?P<place>only|missing)_in_incoming_stream: system register (?P<subject>0x[0-9a-f]+) ",
        _register,
        refuses=False,
    ),
    _line(
        r"^(?P<device>[0-9a-f]+) != (?P<read>[0-9a-f]+)$",
        "a number that must be equal is 0x{read} in the stream and 0x{device} at the destination; the next lines say "
        "of what",
        SAME_PROPERTIES,
    ),
    _line(
        r"load of migration failed(?:: (?P<reason>.*\S))?\s*$",
        _reason,
    ),
    _line(
        r"Not a migration stream",
        "what came is no migration stream: the start of it is missing, or it is compressed",
        "unpack the file, and leave out what stands before QEVM (a header of libvirt's)",
    ),
    _line(r"Unsupported migration stream version", "the stream is of a format that this QEMU does not know"),
    _line(
        r"Property '(?P<subject>[^']*)'(?: size)? changed from (?P<read>\S+) to (?P<device>\S+)",
        "the property {subject} is {read} at the source and {device} at the destination",
        "give the device the same {subject}= on both sides",
    ),
    _line(
        r"(?:pre|post) load hook failed for: (?P<subject>[^,\s]+)",
        "{subject} was refused; the lines in front of it say why, if there are any",
    ),
    _line(
        r"Cannot migrate while device properties \((?P<subject>[^)]*)\) differ",
        "properties of the device differ: {subject}",
        "give the device the same {subject} on both sides",
    ),
    _line(
        r"Input validation failed: (?P<subject>[^:]*)",
        "a value is not one that the destination takes: {subject}",
        SAME_PROPERTIES,
    ),
    _line(
        r"inconsistent migration stream \((?P<subject>.*)\)",
        "the queues of an nvme do not go together ({subject}): the destination reads as many as it has itself",
        "give both devices the same max_ioqpairs=",
    ),
    _line(
        r"set_msrs: Assertion [`'](?P<subject>.*)' failed",
        "QEMU ended, since the destination's kernel or processor does not take a register of the stream: a line in "
        "front of it says which",
        SAME_CPU,
    ),
    _line(
        r"Assertion [`'](?P<subject>first_elem .*)' failed",
        "QEMU ended by an assertion ({subject}): a defect of QEMU's, reached by what is in the stream",
        "give the destination what the source has (-icount, streams of the sound card), or a newer QEMU",
    ),
    _line(
        r"Assertion [`'](?P<subject>.*)' failed",
        "QEMU ended by an assertion ({subject}): a defect of QEMU's",
        "try a newer QEMU at the destination",
    ),
    _line(
        r"error: failed to set MSR (?P<subject>0x[0-9a-f]+) to (?P<read>0x[0-9a-f]+)",
        "the destination's kernel or processor does not take the register (MSR) {subject} with the value {read}",
        SAME_CPU,
    ),
    _line(
        r"(?:[Hh]ost|TCG) doesn't support requested feature: (?P<subject>.*\S)",
        "the -cpu asks for {subject}, which is not there and left out: a guest that uses it does not go on",
        SAME_CPU,
        refuses=False,
    ),
    _line(
        r"Unable to (?:read from|write to) socket: (?P<reason>.*\S)",
        "the connection to the other side broke ({reason}): its own log says why",
        refuses=False,
    ),
    _line(
        r"Failed to connect to .*: (?P<reason>.*\S)",
        "nobody listens at that address ({reason})",
        "start the destination first, and look at the address and the firewall",
        refuses=False,
    ),
    _line(
        r"Failed to get (?:shared )?\"(?P<subject>\w+)\" lock",
        "a disk image is in use by another QEMU, for which it holds a lock ({subject})",
        "end the QEMU that has it, or share the storage as a live migration needs it",
        refuses=False,
    ),
    _line(
        r"Expected vmdescription section, but got (?P<mark>\d+)",
        "nothing stands behind the end of the stream where its description should be, which QEMU does not need",
        refuses=False,
    ),
    _line(
        r"terminating on signal (?P<signal>\d+)",
        "QEMU was ended from outside by signal {signal}; that is not about the stream",
        refuses=False,
    ),
    _line(
        r"is tainted: (?P<subject>.*)",
        "libvirt notes what it does not vouch for ({subject}); that is not about a load",
        refuses=False,
    ),
    _line(r"char device redirected to", "a character device has a terminal; that is not about a load", refuses=False),
    *(
        _line(f"^{start}", "the host's sound or display; that is not about a load", refuses=False)
        for start in ("ALSA lib ", "alsa: ", "audio: ", "failed to initialize module: ", "Only modules from the same ")
    ),
    _line(
        r"shutting down, reason=(?P<reason>\w+)",
        "libvirt notes that the domain has ended ({reason})",
        refuses=False,
    ),
    *(
        _line(f"^{start}", "QEMU warns, and goes on", refuses=False)
        for start in (
            r"(?:-\w+ .*: )?warning: ",
            "WARNING: ",
            "Please configure -smp options ",
            r"Timer with \w+ zero",
            "Automatically detecting the format is ",
            "Specify the 'raw' format ",
        )
    ),
    _line("^Use -machine help ", "-machine help says which types QEMU has", refuses=False),
)

_LIBVIRT = re.compile(
    r"^(?:\d{4}-\S+ \S+: \d+: error : \S+ : )?(?:error: )?(?:internal error: )?"
    r"(?:qemu unexpectedly closed the monitor|process exited while connecting to monitor)(?: \(vm='[^']*'\))?: ",
    re.IGNORECASE,
)
"""What libvirt puts in front of QEMU's first line when it tells of it."""

_PREFIX = re.compile(
    r"^(?:\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?:?\s+)?(?:\S*qemu[\w.-]*|\S*\bkvm): "
    r"|^\d{4}-\d\d-\d\d[T ][\d:.]+\S*\s+"
)


def lines_of(lines: Sequence[str]) -> Iterator[LogLine]:
    """The lines of a log that hold anything, in their order, each with what is known of it."""
    texts = [text for line in lines if (text := _without_prefix(_kept(line.strip(_BLANK))))]
    for number, text in enumerate(texts):
        known, match = _known(text)
        if known is None or match is None:
            yield LogLine(text)
            continue
        named = match.groupdict()
        instance = named.get("instance")
        section = named.get("section")
        about = section or _section_behind(texts[number + 1 : number + 1 + FOLLOWING])
        yield LogLine(
            text,
            section,
            None if instance is None else int(instance, 0),
            named.get("subject"),
            _worded(known.says, match, about),
            None if known.advice is None else _worded(known.advice, match, about),
            known.refuses,
        )


_BLANK = " \t\r\n\f\v\0"
"""What no line begins with; a log that was cut short while it was written begins with zeros."""


def _kept(line: str) -> str:
    return line if len(line) <= KEPT else f"{line[:KEPT]}... ({len(line) - KEPT:,} characters more)"


def _without_prefix(line: str) -> str:
    for prefix in (_LIBVIRT, _PREFIX):
        match = prefix.match(line, 0, LOOKED_AT)
        line = line if match is None else line[match.end() :]
    return line


def _known(text: str) -> tuple[_Known | None, re.Match[str] | None]:
    for known in _KNOWN:
        match = known.pattern.search(text, 0, LOOKED_AT) if known.needed in text else None
        if match is not None:
            return known, match
    return None, None


def _section_behind(texts: Sequence[str]) -> str | None:
    """The section that the lines behind one name, which QEMU prints from the inside to the outside."""
    for text in texts:
        known, match = _known(text)
        if known is not None and match is not None and match.groupdict().get("section"):
            return match["section"]
    return None


def _worded(words: Words, match: re.Match[str], section: str | None) -> str | None:
    if not isinstance(words, str):
        return words(match, section)
    named: Mapping[str, str | None] = match.groupdict()
    return words.format(**{name: value or "" for name, value in named.items()})
