"""The index of the device library: made from the records of the classes, and held against them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from vmstate import devices
from vmstate.devices import _boards, _index, _noise, index
from vmstate.errors import DescriptionError
from vmstate.stream import registry
from vmstate.vmsd.declare import (
    buffer,
    description,
    device,
    part,
    struct,
    uint8,
    uint32,
    undescribed,
    variant,
    virtio_device,
)
from vmstate.vmsd.record import Feature, Record, record_of


def test_the_index_is_what_the_classes_say() -> None:
    """After a device has changed: make index."""
    tables = index.tables_of(devices)
    for module, source in ((_index, tables.source), (_boards, tables.boards_source), (_noise, tables.noise_source)):
        assert source == Path(str(module.__file__)).read_text(encoding="utf-8"), "run make index"


def test_every_class_of_the_index_has_a_record() -> None:
    """Else a device would stand in it that nobody has declared to be one."""
    for name, places in {**_index.INDEX, **_boards.BOARDS}.items():
        for vmsd in registry.shipped_descriptions(name):
            record = record_of(vmsd)
            assert record is not None and name in record.idstrs, (name, places)


def tables_of(**members: object) -> index.Tables:
    """The tables of a library of one module with these members."""
    module = ModuleType("mine")
    for name, value in members.items():
        cls = getattr(value, "state_class", value)
        if isinstance(cls, type):
            cls.__module__ = "mine"
        setattr(module, name, value)
    return index.tables_of(module)


def test_what_goes_into_an_index() -> None:
    @part(noise={"timer": ("deadline",)})
    @description("beeper/clock")
    class Clock:
        deadline: int = uint32()

    @device(
        "beeper",
        listed=False,
        legacy_instances=(0x61,),
        noise={"counter": ("beeps", ("wave", (0, 2), (5, 6)))},
        answers={"query-pitch": {}},
    )
    @description("beeper", version_id=2)
    class Beeper:
        beeps: int = uint32()
        wave: bytes = buffer(8)
        clock: Clock = struct(Clock)

    tables = tables_of(
        Clock=Clock,
        Beeper=Beeper,
        BEEPER_7_2=variant(Beeper, beeps=uint8()),
        TAPE=undescribed("tape", old_style=True, noise={"index": (("", (0, 4)),)}),
    )
    assert tables.layouts == {"beeper": ("mine:Beeper", "mine:BEEPER_7_2")}
    assert tables.entries == {
        "beeper": {
            "listed": False,
            "legacy_instances": (0x61,),
            "answers": "mine:Beeper",
            "commands": ("query-pitch",),
        },
        "tape": {"old_style": True},
    }
    assert tables.noise == {
        "beeper/clock": {"deadline": "timer"},
        "beeper": {"beeps": "counter", "wave": ("counter", ((0, 2), (5, 6)))},
        "tape": {"": ("index", ((0, 4),))},
    }
    written: dict[str, object] = {}
    exec(tables.source, written)
    exec(tables.noise_source, written)
    assert (written["INDEX"], written["ENTRIES"], written["NOISE"]) == (tables.layouts, tables.entries, tables.noise)


def test_several_classes_of_one_idstr_are_tried_in_their_order() -> None:
    @device("cpu", order=1, per_cpu=True)
    @description("cpu")
    class Small:
        a: int = uint8()

    @device("cpu")
    @description("cpu")
    class Large:
        a: int = uint32()

    tables = tables_of(Small=Small, Large=Large)
    assert tables.layouts == {"cpu": ("mine:Large", "mine:Small")}
    assert tables.entries == {"cpu": {"per_cpu": True}}


def test_layouts_of_several_idstrs_go_by_their_names() -> None:
    @device("i82550", "i82551")
    @description("i8255x")
    class Card:
        a: int = uint8()

    tables = tables_of(Card=Card, I82550=variant(Card, "i82550"), I82551=variant(Card, "i82551"))
    assert tables.layouts == {"i82550": ("mine:I82550",), "i82551": ("mine:I82551",)}


def test_a_class_that_derives_from_a_device_is_none() -> None:
    @device("base")
    @description("base")
    class Base:
        a: int = uint8()

    @description("derived")
    class Derived(Base):
        b: int = uint8()

    assert record_of(Base) is not None
    assert record_of(Derived) is None


def test_two_classes_that_contradict_each_other_are_refused() -> None:
    @device("cpu", target_endian="little")
    @description("cpu")
    class Little:
        a: int = uint8()

    @device("cpu", target_endian="big")
    @description("cpu")
    class Big:
        a: int = uint8()

    with pytest.raises(DescriptionError, match="target_endian is 'little' and 'big'"):
        tables_of(Little=Little, Big=Big)


def test_misuse_of_the_words() -> None:
    with pytest.raises(DescriptionError, match="needs the last part"):
        device()
    with pytest.raises(DescriptionError, match="above @description"):

        @description("x")
        @device("x")
        class _BelowTheDescription:
            a: int = uint8()

    with pytest.raises(DescriptionError, match="no kind of noise"):

        @device("x", noise={"times": ("a",)})
        @description("x")
        class _NoSuchKind:
            a: int = uint8()

    with pytest.raises(DescriptionError, match="the attribute 'record'"):

        @device("x")
        @description("x")
        class _Taken:
            record: int = uint8()


def test_what_is_wrong_with_a_class_of_the_library_is_told_when_the_index_is_made() -> None:
    """Its fields are made late; whoever adds a device would learn of it from the first stream that has it."""
    module = ModuleType("vmstate.devices.misc.beeper")

    @device("beeper", noise={"counter": ("regs.pitch",)})
    @description("beeper", version_id=1)
    class Beeper:
        __module__ = module.__name__
        on: int = uint8()

    module.Beeper = Beeper  # type: ignore[attr-defined]
    with pytest.raises(DescriptionError, match="beeper: noise of a field that is not there"):
        list(index.announced_in(module))


def test_a_place_that_leads_nowhere_is_named() -> None:
    record = Record(idstrs=("x",), answers="vmstate.errors:Nothing")
    with pytest.raises(DescriptionError, match=r"nothing at 'vmstate\.errors:Nothing'"):
        record.part("answers")


def test_what_a_feature_is_called() -> None:
    feature = Feature(0, "VIRTIO_NET_F_CSUM")
    assert (feature.short, feature.symbol, feature.offered_by) == ("CSUM", "VIRTIO_NET_F_CSUM", "csum")
    feature = Feature(33, "VIRTIO_F_ACCESS_PLATFORM", property="iommu_platform", qmp="VIRTIO_F_IOMMU_PLATFORM")
    assert (feature.symbol, feature.offered_by) == ("VIRTIO_F_IOMMU_PLATFORM", "iommu_platform")
    assert Feature(1, "VIRTIO_BLK_F_SIZE_MAX", property=None).offered_by is None


def test_what_virtio_devices_share_comes_with_the_decorator() -> None:
    @virtio_device("virtio-mine", id=77, host="mine_realize")
    @description("virtio-mine")
    class Mine:
        a: int = uint8()

    record = record_of(Mine)
    assert record is not None
    assert set(record.part("answers")) == {
        "x-query-virtio",
        "x-query-virtio-status",
        "x-query-virtio-queue-status",
    }
    assert record.part("compares").features.names[32] == "VIRTIO_F_VERSION_1"
    assert record.part("items")["host"].source == "mine_realize"
    assert record.part("exercise") is None


def test_the_command_refuses_what_is_no_package(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("nowhere.to_be_found", "vmstate.errors"):
        assert index.main([name]) == 1
        assert capsys.readouterr().err.startswith("vmstate.devices.index: ")
    assert "nowhere" not in sys.modules
