"""The page to sign in on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.server.page import el, hide
from adapter.server.reply_pages.frame import HOME, Viewer, fault_of, whole
from adapter.server.wording import word

if TYPE_CHECKING:
    from adapter.outcome import Issue


def sign_in(viewer: Viewer, fault: Issue | None = None, name: str = "", *, is_out: bool = False) -> str:
    """Return the page to sign in on. `name`: what was typed before; the password never comes back."""
    language = viewer.language
    said = fault_of(fault, language) if fault is not None else None
    is_wrong = "true" if fault is not None else None
    return whole(
        viewer,
        word("sign-in", "title", language),
        el("p", word("sign-in", "out", language), class_="said", role="status") if is_out else None,
        said,
        el(
            "form",
            hide("token", viewer.token),
            hide("language", language),
            el(
                "div",
                el("label", word("sign-in", "user", language), for_="user"),
                el(
                    "input",
                    type="text",
                    id="user",
                    name="user",
                    value=name,
                    autocomplete="username",
                    autocapitalize="none",
                    spellcheck="false",
                    required=True,
                    aria_invalid=is_wrong,
                ),
                class_="field",
            ),
            el(
                "div",
                el("label", word("sign-in", "password", language), for_="password"),
                el(
                    "input",
                    type="password",
                    id="password",
                    name="password",
                    autocomplete="current-password",
                    required=True,
                    aria_invalid=is_wrong,
                ),
                class_="field",
            ),
            el("button", word("sign-in", "button", language), type="submit"),
            method="post",
            action=f"{HOME}/sign-in",
        ),
    )
