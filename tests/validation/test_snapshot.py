"""Snapshots are made as the standard's own generator makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import ConfigurationError
from adapter.fhir.packages import load
from adapter.validation import Validator
from adapter.validation.library import Loose

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.fhir.packages import Package

BASE = "https://silta.example/test/StructureDefinition"
R4 = "http://hl7.org/fhir/StructureDefinition"
Definition = dict[str, Any]

PLAIN = ("min", "max", "base", "sliceName", "maxLength", "representation")
FLAGS = ("isModifier", "isSummary", "mustSupport")


def profile(name: str, base: str, *elements: Definition, kind: str = "Observation") -> Definition:
    return {
        "resourceType": "StructureDefinition",
        "url": f"{BASE}/{name}",
        "type": kind,
        "kind": "resource",
        "derivation": "constraint",
        "baseDefinition": base,
        "differential": {"element": list(elements)},
    }


def element(element_id: str, **said: Any) -> Definition:
    path = ".".join(step.partition(":")[0] for step in element_id.split("."))
    slice_name = element_id.rpartition(".")[2].partition(":")[2]
    return {"id": element_id, "path": path, **({"sliceName": slice_name} if slice_name else {}), **said}


def made(*definitions: Definition) -> dict[str, Definition]:
    """Return the elements of the first definition's snapshot by id."""
    found = Validator([Loose(definitions)]).snapshot(definitions[0]["url"])
    return {one["id"]: one for one in found or ()}


def test_an_element_comes_from_the_type_that_first_has_it():
    """`base` names the farthest type above, with its own cardinality."""
    found = made(profile("p", f"{R4}/Observation"))

    assert {at: found[f"Observation.{at}"]["base"] for at in ("id", "text", "component.id")} == {
        "id": {"path": "Resource.id", "min": 0, "max": "1"},
        "text": {"path": "DomainResource.text", "min": 0, "max": "1"},
        "component.id": {"path": "Element.id", "min": 0, "max": "1"},
    }


def test_invariants_are_inherited_with_their_source():
    """The root has those of DomainResource and its own, an extension that of Extension."""
    found = made(profile("p", f"{R4}/Observation"))

    said = {
        (one["key"], one["source"].rpartition("/")[2])
        for at in ("Observation", "Observation.extension")
        for one in found[at]["constraint"]
    }
    assert said >= {("dom-6", "DomainResource"), ("obs-7", "Observation"), ("ext-1", "Extension")}


def test_a_new_slice_begins_as_the_unsliced_element_of_the_base():
    """It takes what the base says of the whole, never what this differential says of it beside the slices."""
    found = made(
        profile(
            "p",
            f"{R4}/Observation",
            element("Observation.component", mustSupport=True, min=1),
            element("Observation.component:a", max="1"),
            element("Observation.component:a.code", mustSupport=True),
        )
    )

    whole = found["Observation.component:a"]
    assert (whole["min"], whole["max"], "mustSupport" in whole) == (0, "1", False)
    assert "Observation.component:a.dataAbsentReason" in found


def test_a_slice_of_a_derived_profile_begins_as_its_base_profile_says():
    """What a base profile says of the unsliced element goes for slices that come later."""
    base = profile("base", f"{R4}/Observation", element("Observation.category.text", min=1))
    found = made(
        profile(
            "p", base["url"], element("Observation.category:a", min=1), element("Observation.category:b")
        ),
        base,
    )

    assert (found["Observation.category:a.text"]["min"], found["Observation.category"]["min"]) == (1, 1)


def test_a_choice_with_one_required_slice_has_one_type():
    """The short form narrows the choice."""
    found = made(profile("p", f"{R4}/Observation", element("Observation.valueQuantity", min=1)))

    whole, part = found["Observation.value[x]"], found["Observation.value[x]:valueQuantity"]
    assert ([kind["code"] for kind in whole["type"]], whole["min"], whole["slicing"]["rules"]) == (
        ["Quantity"],
        1,
        "closed",
    )
    assert part["path"] == "Observation.value[x]"


def test_an_element_without_an_id_is_found_by_path_and_slices_above():
    """R4 does not require ids of a differential."""
    bare = [
        {"path": "Observation.component", "sliceName": "a"},
        {"path": "Observation.component.code", "mustSupport": True},
    ]

    assert made(profile("p", f"{R4}/Observation", *bare))["Observation.component:a.code"]["mustSupport"]


def test_what_is_defined_elsewhere_is_written_out_where_it_is_spoken_of():
    """A contentReference gives way to the elements it refers to."""
    found = made(
        profile("p", f"{R4}/Observation", element("Observation.component.referenceRange.low", min=1))
    )

    assert "contentReference" not in found["Observation.component.referenceRange"]
    assert (
        found["Observation.component.referenceRange.low"]["base"]["path"] == "Observation.referenceRange.low"
    )


def test_a_logical_model_has_what_it_says_and_what_every_element_has():
    """The elements of a model stand beside id and extension."""
    model = {
        **profile("event", f"{R4}/Element", element("event"), element("event.who", min=1, max="1")),
        "kind": "logical",
        "derivation": "specialization",
        "type": f"{BASE}/event",
    }

    assert list(made(model)) == ["event", "event.id", "event.extension", "event.who"]


@pytest.mark.parametrize(
    ("definition", "fault"),
    [
        (profile("p", f"{BASE}/none"), "VA204"),
        (profile("p", f"{BASE}/p"), "VA205"),
        (profile("p", f"{R4}/Observation", element("Observation.nothing")), "VA217"),
    ],
    ids=["no base", "its own base", "no such element"],
)
def test_what_cannot_be_made_is_said(definition: Definition, fault: str):
    """A base that is not there, a circle, an element that the base does not have."""
    with pytest.raises(ConfigurationError) as caught:
        made(definition)

    assert caught.value.code == fault


AGREEMENT = {
    "finnish-profiles/hl7.fhir.fi.base-2.0.0-rc2.tgz": (40, 41),
    "finnish-profiles/hl7.fhir.fi.base-1.0.0.tgz": (35, 40),
    "fhir-r4-definitions/hl7.fhir.uv.ipa-1.0.0.tgz": (12, 12),
    "medcom-profiles/medcom.fhir.dk.messagedefinitions-1.0.0.tgz": (5, 5),
}
"""Of how many definitions of a package the whole snapshot is the published one, and of how many."""

ALL_AGREE = (992, 1042)
"""The same over every package of the corpus."""


def facts(stated: Definition) -> Definition:
    """Return what a validator reads of an element: all but prose, and what publishers write in many ways."""
    kinds = sorted(
        (
            kind["code"],
            sorted(kind.get("profile", ())),
            sorted(
                target.partition("|")[0]
                for target in kind.get("targetProfile", ())
                if R4 + "/Resource" not in target
            ),
            sorted(kind.get("aggregation", ())),
        )
        for kind in stated.get("type", ())
    )
    slicing = stated.get("slicing")
    binding = stated.get("binding", {})
    return {
        **{key: stated.get(key) for key in PLAIN},
        **{key: bool(stated.get(key)) for key in FLAGS},
        **{
            key: value
            for key, value in stated.items()
            if key.startswith(("fixed", "pattern", "minV", "maxV"))
        },
        "type": kinds,
        "content": str(stated.get("contentReference", "")).rpartition("#")[2],
        "binding": (binding.get("strength"), str(binding.get("valueSet", "")).partition("|")[0]),
        "constraint": sorted(one["key"] for one in stated.get("constraint", ())),
        "slicing": slicing
        and (
            sorted((one["type"], one["path"]) for one in slicing.get("discriminator", ())),
            slicing["rules"],
            slicing.get("ordered", False),
        ),
    }


def scored(package: Package, others: list[Package]) -> Iterator[bool]:
    """Yield for each published snapshot whether the one made from its differential says the same."""
    for published in package.resources("StructureDefinition"):
        if "snapshot" not in published or published.get("fhirVersion") != "4.0.1":
            continue
        bare = {key: value for key, value in published.items() if key != "snapshot"}
        theirs = [(one["id"], facts(one)) for one in published["snapshot"]["element"]]
        try:
            ours = Validator([Loose([bare]), package, *others]).snapshot(bare["url"]) or []
        except ConfigurationError:
            yield False
        else:
            yield [(one["id"], facts(one)) for one in ours] == theirs


def agreement(file: Path, others: list[Package]) -> tuple[int, int]:
    verdicts = list(scored(load(file), others))
    return sum(verdicts), len(verdicts)


@pytest.mark.corpus
def test_the_snapshots_are_those_of_the_publishers(corpus: Path):
    """A published definition without its snapshot gets the same one again."""
    finnish = load(corpus / "finnish-profiles/hl7.fhir.fi.scheduling-2.0.0-rc2.tgz")
    others = [finnish, *(load(corpus / file) for file in AGREEMENT)]

    assert {file: agreement(corpus / file, others) for file in AGREEMENT} == AGREEMENT


@pytest.mark.corpus
@pytest.mark.long
def test_the_snapshots_of_all_packages(corpus: Path):
    """The same over every package of the corpus; the number only rises."""
    left_out = ("xsd", "r4.core", "expansions", "cda.uv")
    files = [
        file for file in sorted(corpus.glob("*/*.tgz")) if not any(name in file.name for name in left_out)
    ]
    packages = {file: load(file) for file in files}
    found = []
    for file in files:
        near = [one for other, one in packages.items() if other != file and other.parent == file.parent]
        far = [one for other, one in packages.items() if other.parent != file.parent]
        found.append(agreement(file, [*near, *far]))

    assert (sum(same for same, _ in found), sum(all_ for _, all_ in found)) == ALL_AGREE
