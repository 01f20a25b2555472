def as_construct(vmsd, version, facts):
    raise NotImplementedError
