"""What each verb is for: a line in the help, which no other run reads."""

PURPOSES = {
    "info": "what is this file: version, machine, sections, sizes, RAM blocks",
    "show": "the state, readable or as JSON",
    "decode": "a whole stream as an editable JSON document",
    "encode": "a JSON document as a stream, byte-identical",
    "diff": "which values changed between two streams, noise aside",
    "watch": "what changes in a running machine, as it changes",
    "set": "a value changed, and everything that follows from it",
    "capture": "a running machine into a stream, with its provenance",
    "cmdline": "which QEMU command line loads it, and which bytes say so",
    "load": "a stream into a real QEMU: does it run there, and where not, why",
    "thin": "a stream without the contents of memory and ROM, its devices as they were: for a repository",
    "compat": "can what one QEMU saves be loaded by another: schemas compared as wire layouts",
    "explain": "will a stream load in that QEMU, and if not, which field, feature or size stands in the way",
    "verify": "does it decode, re-encode identically, and agree with its own vmdesc",
    "query": "a QMP command, answered from the file",
    "find": "where something is: a name, a value, an address, a MAC address, a feature, bytes",
    "report": "a page to be looked at in a browser: sizes, memory, devices, queues, what has changed",
    "early": "early migration: full reload or minimal resync, and the record between two moments",
    "bench": "how long a migration takes, measured with real programs",
    "fuzz": "streams that are wrong in one place, through our decoder, a real QEMU or construct",
}
