"""The registry of worker containers, as the original's XML has it."""

from __future__ import annotations

import pytest

from eas.contracts.errors import InvalidInputError
from eas_scheduler.domain.containers import Resources, read_registry

BOXES = """
<containers>
  <container><name>box_a</name>
    <resourceRequirements><cpu>2</cpu><gpu>1</gpu><memory_gb>4.5</memory_gb></resourceRequirements></container>
  <container><name>box_b</name>
    <resourceRequirements><cpu>0.5</cpu><gpu>0</gpu><memory_gb>8</memory_gb></resourceRequirements></container>
</containers>"""


def registry(tasks: str, containers: str = BOXES) -> bytes:
    return f"<task_type_registry>{containers}<tasks>{tasks}</tasks></task_type_registry>".encode()


def test_resources_are_numbers_and_all_means_all() -> None:
    found = read_registry(
        registry(
            "<task><name>detrend</name><container>box_a</container><container>box_b</container></task>"
            "<task><name>null</name><container>all</container></task>"
            "<task><name>search</name><container>box_a</container></task>"
        )
    )
    assert found.containers == {"box_a": Resources(2.0, 1, 4.5), "box_b": Resources(0.5, 0, 8.0)}
    both = frozenset({"box_a", "box_b"})
    assert found.capabilities == {"detrend": both, "null": both, "search": frozenset({"box_a"})}


def test_a_registry_of_one_container_and_one_task_is_a_registry() -> None:
    box = (
        "<containers><container><name>only</name><resourceRequirements><cpu>1</cpu><gpu>0</gpu>"
        "<memory_gb>1</memory_gb></resourceRequirements></container></containers>"
    )
    found = read_registry(registry("<task><name>null</name><container>all</container></task>", box))
    assert found.capabilities == {"null": frozenset({"only"})}


def test_everything_that_is_wrong_is_named_at_once() -> None:
    box = (
        "<containers><container><name>all</name><resourceRequirements><cpu>-1</cpu><gpu>0.5</gpu>"
        "<memory_gb>many</memory_gb></resourceRequirements></container></containers>"
    )
    with pytest.raises(InvalidInputError) as caught:
        read_registry(registry("<task><name>null</name><container>nowhere</container></task><task/>", box))
    at = "/task_type_registry"
    assert [problem.where for problem in caught.value.problems] == [
        f"{at}/containers/container[1]/name",
        f"{at}/containers/container[1]/resourceRequirements/cpu",
        f"{at}/containers/container[1]/resourceRequirements/gpu",
        f"{at}/containers/container[1]/resourceRequirements/memory_gb",
        f"{at}/tasks/task[1]/container",
        f"{at}/tasks/task[2]/name",
        f"{at}/tasks/task[2]/container",
    ]


@pytest.mark.parametrize(
    ("text", "words"), [(b"<task_type_registry>", "not XML"), (b"<other/>", "expected the element"), (b"", "not XML")]
)
def test_what_is_no_registry_is_refused(text: bytes, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        read_registry(text)


def test_entities_cannot_fetch_or_grow() -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]><task_type_registry>&l11;</task_type_registry>'.encode()
    with pytest.raises(InvalidInputError):
        read_registry(bomb)
    thief = b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]><task_type_registry>&f;</task_type_registry>'
    with pytest.raises(InvalidInputError):
        read_registry(thief)
