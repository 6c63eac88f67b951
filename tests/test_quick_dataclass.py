"""Frozen dataclasses made quickly behave as Python's own."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from rdbg import quick_dataclass


class Point:
    """A class with each kind of field."""

    size: ClassVar[int] = 3
    x: int
    y: int = 7
    names: list[str] = dataclasses.field(default_factory=list, compare=False)
    hidden: bytes = dataclasses.field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("negative")


class Empty:
    """No field."""


class One:
    """A single field, and a comparison that a tuple must not be made of."""

    only: float


def _both(cls: type) -> list[Any]:
    """The class as Python makes it, and as rdbg does."""
    return [
        decorator(frozen=True)(type(cls.__name__, (), {k: v for k, v in vars(cls).items() if not k.startswith("__d")}))
        for decorator in (dataclasses.dataclass, quick_dataclass.dataclass)
    ]


def _outcome(what: Callable[[], Any]) -> Any:
    """What something gives, or how it fails; that of two classes is alike."""
    try:
        return what()
    except Exception as error:  # the kind of error is what is compared
        return type(error), str(error)


@pytest.mark.parametrize(
    "act",
    [
        lambda Point: repr(Point(1)),
        lambda Point: repr(Point(1, 2, ["a"], b"z")),
        lambda Point: Point(x=1, hidden=b"q").hidden,
        lambda Point: Point(-1),
        lambda Point: Point(),
        lambda Point: Point(1, 2, [], b"", 9),
        lambda Point: Point(1, z=3),
        lambda Point: Point(1) == Point(1, 7, ["not compared"]),
        lambda Point: Point(1) == Point(1, hidden=b"compared"),
        lambda Point: Point(1) == (1, 7, b""),
        lambda Point: Point(1) != Point(2),
        lambda Point: hash(Point(1)) == hash(Point(1, names=["x"])),
        lambda Point: hash(Point(1)) == hash((1, 7, b"")),
        lambda Point: hash(Point([])),
        lambda Point: {Point(1): 5}[Point(1)],
        lambda Point: Point(1).names is Point(1).names,
        lambda Point: setattr(Point(1), "x", 2),
        lambda Point: setattr(Point(1), "other", 2),
        lambda Point: delattr(Point(1), "x"),
        lambda Point: delattr(Point(1), "other"),
        lambda Point: repr(dataclasses.replace(Point(1), y=3)),
        lambda Point: dataclasses.replace(Point(1), x=-3),
        lambda Point: dataclasses.asdict(Point(1)),
        lambda Point: dataclasses.astuple(Point(1)),
        lambda Point: [field.name for field in dataclasses.fields(Point)],
        lambda Point: dataclasses.is_dataclass(Point) and Point.__dataclass_params__.frozen,
        lambda Point: Point.__match_args__,
        lambda Point: Point(1) < Point(2),
        lambda Point: copy.copy(Point(1)) == Point(1),
        lambda Point: copy.deepcopy(Point(1, names=["a"])).names,
        lambda Point: list(inspect.signature(Point).parameters),
        lambda Point: vars(Point(1)),
    ],
)
def test_it_does_what_a_dataclass_does(act: Callable[[Any], Any]) -> None:
    theirs, ours = (_outcome(lambda made=made: act(made)) for made in _both(Point))
    assert str(ours).replace("'<' not supported between instances of ", "") == str(theirs).replace(
        "'<' not supported between instances of ", ""
    )


def test_classes_of_no_field_and_of_one() -> None:
    for empty in _both(Empty):
        assert empty() == empty() and hash(empty()) == hash(()) and repr(empty()) == "Empty()"
    nan = float("nan")
    for one in _both(One):
        assert one(nan) == one(nan) and hash(one(1.5)) == hash((1.5,))


def test_two_classes_with_the_same_fields_are_not_equal() -> None:
    first, second = _both(One)
    assert first(1.0) != second(1.0)


@quick_dataclass.dataclass(frozen=True)
class Kept:
    """Something to send to another process."""

    value: int


class Named(Kept):
    """A subclass that is no dataclass has attributes of its own."""


def test_instances_can_be_sent_to_other_processes() -> None:
    assert pickle.loads(pickle.dumps(Kept(5))) == Kept(5)


def test_a_subclass_may_have_attributes_of_its_own() -> None:
    named = Named(3)
    named.other = 4  # type: ignore[attr-defined]
    del named.other  # type: ignore[attr-defined]
    with pytest.raises(dataclasses.FrozenInstanceError):
        named.value = 4  # type: ignore[misc]


def test_what_is_inherited_or_by_hand_is_made_by_python() -> None:
    @quick_dataclass.dataclass(frozen=True)
    class More(Kept):
        other: int = 0

    @quick_dataclass.dataclass(frozen=True)
    class ByHand:
        value: int

        def __repr__(self) -> str:
            return "by hand"

    assert repr(More(1, 2)) == "test_what_is_inherited_or_by_hand_is_made_by_python.<locals>.More(value=1, other=2)"
    assert More(1, 2) == More(1, 2) and More(1, 2) != More(1, 3)
    assert repr(ByHand(1)) == "by hand"
    with pytest.raises(dataclasses.FrozenInstanceError):
        More(1).other = 2  # type: ignore[misc]


def test_a_class_that_can_change_is_an_ordinary_one() -> None:
    @quick_dataclass.dataclass
    class Changing:
        value: int = 0

    changing = Changing()
    changing.value = 2
    assert changing == Changing(2)
