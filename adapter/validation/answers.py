"""Answers held against their Questionnaire: which items, how many, of what type, within which limits.

R4 questionnaireresponse.html, 9.9.4. A Questionnaire that is not at hand is said (VA851). While a response is
in progress nothing is demanded that may still come.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adapter.fhirpath.functions.patterns import takes_whole
from adapter.validation.found import Found
from adapter.validation.limits import compare
from adapter.validation.questionnaire import (
    ANSWER_TYPES,
    is_enabled,
    limit,
    links,
    listed,
    same,
    stated,
    valued,
)
from adapter.validation.references import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.fhir.json import Json
    from adapter.validation.found import Verdict
    from adapter.validation.library import Library
    from adapter.validation.questionnaire import Scopes
    from adapter.validation.terminology import Judge, Terminology
    from adapter.validation.visit import Visit

    Question = dict[str, Any]
    Place = tuple[str, ...]

WITHOUT_ANSWER = frozenset({"group", "display", "question"})
"""Types of items that nobody answers; `question` is abstract. R4 item-type."""

LIMITS = (
    ("minValue", -1, "VA866"),
    ("maxValue", 1, "VA866"),
    ("minQuantity", -1, "VA866"),
    ("maxQuantity", 1, "VA866"),
)
"""Extension, the side on which an answer must not lie, and what to say."""


class Answers:
    """The rule of QuestionnaireResponse; Questionnaires are found in the library or in the response."""

    def __init__(self, library: Library, terminology: Terminology) -> None:
        self._library = library
        self.terminology = terminology

    def check(self, value: Json, visit: Visit) -> Verdict:
        """Return what is wrong between a response and its Questionnaire."""
        canonical = value.get("questionnaire")
        if not isinstance(canonical, str):
            return None
        if canonical.startswith("#"):
            form = resolve(canonical, visit).resource
        else:
            form = self._library.find(canonical)
        if form is None or form.get("resourceType") != "Questionnaire":
            return [Found("VA851", step="questionnaire")]
        reading = _Reading(self, form, visit, is_complete=value.get("status") != "in-progress")
        given = listed(value, "item")
        return list(reading.items(listed(form, "item"), given, (), (given,))) or None


class _Reading:
    """One response being read beside its Questionnaire."""

    def __init__(self, answers: Answers, form: Question, visit: Visit, *, is_complete: bool) -> None:
        self._answers = answers
        self._form = form
        self._visit = visit
        self._is_complete = is_complete
        self._links = frozenset(links(listed(form, "item")))

    def items(
        self, asked: list[Question], given: list[Question], place: Place, scopes: Scopes
    ) -> Iterator[Found]:
        """Yield what is wrong with the items at one level."""
        order = {str(question.get("linkId")): number for number, question in enumerate(asked)}
        found: dict[Any, list[tuple[Place, Question]]] = {}
        last = -1
        for index, item in enumerate(given):
            there = (*place, f"item[{index}]")
            link = item.get("linkId")
            if not isinstance(link, str):  # the structure says so
                continue
            number = order.get(link)
            if number is None:
                yield _at("VA853" if link in self._links else "VA852", there)
                continue
            if number < last:
                yield _at("VA854", there)
            last = max(last, number)
            found.setdefault(link, []).append((there, item))
        for question in asked:
            yield from self._question(question, found.get(question.get("linkId"), []), place, scopes)

    def _question(
        self, question: Question, found: list[tuple[Place, Question]], place: Place, scopes: Scopes
    ) -> Iterator[Found]:
        link = {"link": str(question.get("linkId"))}
        enabled = is_enabled(question, scopes, self._visit)
        if not found:
            if enabled and self._is_complete and question.get("required") is True:
                yield _at("VA855", place, link)
            return
        if enabled is False:
            for there, item in found:
                if listed(item, "answer") or listed(item, "item"):
                    yield _at("VA856", there)
            return
        if len(found) > 1 and question.get("repeats") is not True:
            yield _at("VA857", found[1][0], link)
        kind = question.get("type")
        size = len(found) if kind == "group" else sum(len(listed(item, "answer")) for _, item in found)
        yield from self._occurs(question, size, found[0][0])
        for there, item in found:
            if kind in WITHOUT_ANSWER:
                yield from self._group(question, item, there, scopes)
            else:
                yield from self._answered(question, item, there, scopes, enabled)

    def _occurs(self, question: Question, size: int, place: Place) -> Iterator[Found]:
        least, most = limit(question, "minOccurs"), limit(question, "maxOccurs")
        if isinstance(least, int) and size < least and self._is_complete:
            yield _at("VA858", place, {"min": least, "found": size})
        if isinstance(most, int) and size > most:
            yield _at("VA859", place, {"max": most, "found": size})

    def _group(self, question: Question, item: Question, place: Place, scopes: Scopes) -> Iterator[Found]:
        kind = str(question.get("type"))
        if listed(item, "answer"):
            yield _at("VA860", place, {"type": kind})
        inner = listed(item, "item")
        if kind == "display":
            return
        if not inner and kind == "group" and question.get("required") is True and self._is_complete:
            yield _at("VA855", place, {"link": str(question.get("linkId"))})
            return
        yield from self.items(listed(question, "item"), inner, place, (*scopes, inner))

    def _answered(
        self, question: Question, item: Question, place: Place, scopes: Scopes, enabled: bool | None
    ) -> Iterator[Found]:
        answers = listed(item, "answer")
        if not answers and enabled and self._is_complete and question.get("required") is True:
            yield _at("VA855", place, {"link": str(question.get("linkId"))})
        if listed(item, "item"):
            yield _at("VA861", place)
        if len(answers) > 1 and question.get("repeats") is not True:
            yield _at("VA857", (*place, "answer[1]"), {"link": str(question.get("linkId"))})
        for index, answer in enumerate(answers):
            there = (*place, f"answer[{index}]")
            value = valued(answer)
            if value is not None:
                yield from self._answer(question, *value, (*there, "value"))
                if len(answers) > 1 and _is_exclusive(question, value[1]):
                    yield _at("VA864", there)
            inner = listed(answer, "item")
            yield from self.items(listed(question, "item"), inner, there, (*scopes, inner))

    def _answer(self, question: Question, kind: str, value: Json, place: Place) -> Iterator[Found]:
        wanted = str(question.get("type"))
        options = [one for one in map(valued, listed(question, "answerOption")) if one is not None]
        allowed = ANSWER_TYPES.get(wanted)
        if allowed is None:
            return
        if wanted in ("choice", "open-choice"):
            allowed = allowed | {name for name, _ in options}
        if kind not in allowed:
            yield _at("VA862", place, {"type": wanted})
            return
        yield from self._chosen(question, kind, value, [option for _, option in options], place)
        yield from _limited(question, value, place)
        if isinstance(value, dict):
            yield from self._units(question, kind, value, place)
            yield from _attached(question, kind, value, place)
            yield from self._pointed(question, kind, value, place)

    def _chosen(
        self, question: Question, kind: str, value: Json, options: list[Json], place: Place
    ) -> Iterator[Found]:
        """Hold an answer against the options of its question, listed or as a value set."""
        value_set = question.get("answerValueSet")
        is_free = question.get("type") == "open-choice" and kind == "String"
        if is_free or (not options and not isinstance(value_set, str)):
            return
        if any(same(value, option) for option in options):
            return
        said: bool | None = False
        if isinstance(value_set, str):
            judge = self._judge(value_set)
            system, code = _code(value)
            said = None if judge is None else (code is not None and judge(system, code))
        if said is None:
            yield _at("VA865", place)
        elif not said:
            yield _at("VA863", place)

    def _judge(self, value_set: str) -> Judge | None:
        if not value_set.startswith("#"):
            return self._answers.terminology.value_set(value_set)
        for one in listed(self._form, "contained"):
            if "#" + str(one.get("id")) == value_set:
                return self._answers.terminology.judge_of(one)
        found = resolve(value_set, self._visit).resource
        return None if found is None else self._answers.terminology.judge_of(found)

    def _units(self, question: Question, kind: str, value: Question, place: Place) -> Iterator[Found]:
        options, value_set = list(stated(question, "unitOption")), limit(question, "unitValueSet")
        if kind != "Quantity" or (not options and not isinstance(value_set, str)):
            return
        if any(same(value, option) for option in options):
            return
        judge = self._judge(value_set) if isinstance(value_set, str) else None
        code = value.get("code")
        said = judge(value.get("system"), code) if judge is not None and isinstance(code, str) else False
        if isinstance(value_set, str) and judge is None:
            yield _at("VA865", place)
        elif said is False:
            yield _at("VA867", place)

    def _pointed(self, question: Question, kind: str, value: Question, place: Place) -> Iterator[Found]:
        types = [one for one in stated(question, "referenceResource") if isinstance(one, str)]
        literal = value.get("reference")
        if kind != "Reference" or not types or not isinstance(literal, str):
            return
        target = resolve(literal, self._visit).type
        if target is not None and target not in types:
            yield _at("VA501", place, {"type": target, "allowed": ", ".join(types)})


def _at(code: str, place: Place, params: dict[str, Any] | None = None) -> Found:
    found = Found(code, params)
    found.steps.extend(reversed(place))
    return found


def _code(value: Json) -> tuple[str | None, str | None]:
    if isinstance(value, str):
        return None, value
    code = value.get("code") if isinstance(value, dict) else None
    return (value.get("system"), code) if isinstance(code, str) else (None, None)


def _is_exclusive(question: Question, value: Json) -> bool:
    for option in listed(question, "answerOption"):
        stands = valued(option)
        if stands is not None and same(stands[1], value):
            return limit(option, "exclusive") is True
    return False


def _limited(question: Question, value: Json, place: Place) -> Iterator[Found]:
    """Hold an answer against the limits that its question sets."""
    for name, wrong, code in LIMITS:
        wanted = limit(question, name)
        if wanted is None:
            continue
        order = compare(value, wanted) if _is_comparable(value, wanted) else None
        if order is None:
            yield _at("VA868", place)
        elif order == wrong:
            yield _at(code, place)
    if isinstance(value, str):
        yield from _worded(question, value, place)
    most = limit(question, "maxDecimalPlaces")
    if isinstance(value, Decimal) and isinstance(most, int):
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and -exponent > most:
            yield _at("VA869", place, {"max": most})


def _is_comparable(value: Json, wanted: Json) -> bool:
    """Return False for quantities without a code of a system, whose units are mere words."""
    return not isinstance(wanted, dict) or all(
        isinstance(one, dict) and "code" in one and "system" in one for one in (value, wanted)
    )


def _worded(question: Question, value: str, place: Place) -> Iterator[Found]:
    least, most, form = limit(question, "minLength"), question.get("maxLength"), limit(question, "regex")
    if isinstance(least, int) and len(value) < least:
        yield _at("VA216", place, {"min": least, "found": len(value), "profile": "Questionnaire"})
    if isinstance(most, int) and len(value) > most:
        yield _at("VA215", place, {"max": most, "found": len(value), "profile": "Questionnaire"})
    if isinstance(form, str) and takes_whole(form, value) is False:
        yield _at("VA870", place)


def _attached(question: Question, kind: str, value: Question, place: Place) -> Iterator[Found]:
    if kind != "Attachment":
        return
    types = list(stated(question, "mimeType"))
    if types and value.get("contentType") not in types:
        yield _at("VA871", place)
    most, size = limit(question, "maxSize"), value.get("size")
    if isinstance(most, int | Decimal) and isinstance(size, int) and size > most * 1024 * 1024:
        yield _at("VA866", place)


def attachment_size(value: Json, visit: Visit) -> Verdict:
    """Say VA124 if the stated size of an Attachment is not that of its data. R4 Attachment.size."""
    data, size = value.get("data"), value.get("size")
    if not isinstance(data, str) or not isinstance(size, int) or isinstance(size, bool):
        return None
    signs = "".join(data.split())
    found = len(signs) // 4 * 3 - signs.count("=")
    return None if found == size else [Found("VA124", {"stated": size, "found": found}, step="size")]
