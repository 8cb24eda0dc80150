"""Partners as a settings file names them, and the people of those that read on the reply form."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from adapter.config.keys import REPLY_FORM
from adapter.relay.deployment import Partner
from adapter.relay.message import Level, Mode
from adapter.server.alarm import Webhook
from adapter.server.reply_notice import NoticeTo
from adapter.server.user import User

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.config.document import Document
    from adapter.config.secrets import Secrets
    from adapter.server.alarm import Mailbox


def partners(
    document: Document, tables: list[dict[str, Any]], mode: str | None, secrets: Secrets, address: str
) -> Iterator[Partner]:
    """Yield the partners. `address`: base of our own FHIR doors."""
    document.once(tables, "partner", "organisation")
    for number, one in enumerate(tables, 1):
        at = f"partner[{number}]"
        if one["mode"] is not None and mode is not None and one["mode"] != mode:
            document.fault("CF118", f"{at}.mode", mode=mode)
        endpoint = one["endpoint"] or ""
        if mode == Mode.PRODUCTION and endpoint.startswith(("http:", "mllp:")):
            document.fault("CF117", f"{at}.endpoint")
        reads_here = endpoint == REPLY_FORM
        if reads_here:
            _reads_here(document, one, at, mode, address)
            endpoint = reply_address(address)
        if endpoint.startswith("mllp") and one["form"] != "hl7v2":
            document.fault("CF135", f"{at}.form")
        if endpoint.startswith("file:") and one["acknowledgement"] != "none":
            document.fault("CF136", f"{at}.acknowledgement")
        is_message = one["form"] == "fhir" and endpoint.startswith("http")
        if one["profile"] != "r4" and not is_message:
            document.fault("CF155", f"{at}.profile", profile=one["profile"])
        if one["async"] and (one["profile"] == "webhook" or not is_message):
            document.fault("CF157", f"{at}.async")
        token = secrets.plain(one, at)
        keys = secrets.signing_keys(one, at) if one["profile"] == "webhook" else ()
        if None in (one["organisation"], one["endpoint"], mode):
            continue
        yield Partner(
            organisation=one["organisation"],
            endpoint=endpoint,
            mode=Mode(str(mode)),
            profile=one["profile"],
            form=one["form"],
            level=Level(one["level"]),
            acknowledgement=one["acknowledgement"],
            token=token,
            language=one["language"],
            acknowledge_within=one["acknowledge_within"],
            resend=one["resend"],
            is_asynchronous=one["async"],
            signing_keys=keys,
            reads_here=reads_here,
        )


def _reads_here(document: Document, one: dict[str, Any], at: str, mode: str | None, address: str) -> None:
    """Note what makes no sense for a partner to which nothing is sent."""
    sent = {
        "profile": one["profile"] != "r4",
        "async": one["async"],
        "resend": one["resend"] != "automatic",
        "form": one["form"] != "fhir",
        "acknowledgement": one["acknowledgement"] != "reply",
        "token_file": one["token_file"] is not None,
        "token_env": one["token_env"] is not None,
    }
    for key in (key for key, is_there in sent.items() if is_there):
        document.fault("CF160", f"{at}.{key}", key=key)
    if mode == Mode.PRODUCTION and not address.startswith("https:"):
        document.fault("CF161", f"{at}.endpoint")


def users(
    document: Document, tables: list[dict[str, Any]], partners: tuple[Partner, ...], secrets: Secrets
) -> Iterator[User]:
    """Yield the people of the partners that read here; such a partner without any is a fault."""
    document.once(tables, "user", "sign_in")
    here = {one.organisation: one for one in partners if one.reads_here}
    for number, one in enumerate(tables, 1):
        at = f"user[{number}]"
        partner = here.get(one["organisation"])
        if one["organisation"] is not None and partner is None:
            document.fault("CF162", f"{at}.organisation")
        line = secrets.password(one, at)
        if partner is None or line is None or None in (one["sign_in"], one["name"]):
            continue
        yield User(
            sign_in=one["sign_in"],
            name=one["name"],
            organisation=partner.organisation,
            language=one["language"] or partner.language,
            password=line,
        )
    wanted = {one["organisation"] for one in tables}
    for number, each in enumerate(partners, 1):
        if each.reads_here and each.organisation not in wanted:
            document.fault("CF163", f"partner[{number}].endpoint")


def notices(
    document: Document,
    tables: list[dict[str, Any]],
    mode: str | None,
    secrets: Secrets,
    mailbox: Mailbox | None,
) -> Iterator[tuple[str, NoticeTo]]:
    """Yield who is told when something waits on the reply form."""
    for number, one in enumerate(tables, 1):
        at = f"partner[{number}]"
        token = secrets.plain(one, at, "notice_token")
        webhook = one["notice_webhook"]
        if webhook is not None and mode == Mode.PRODUCTION and webhook.startswith("http:"):
            document.fault("CF117", f"{at}.notice_webhook")
        if one["notice_to"] and mailbox is None:
            document.fault("CF165", f"{at}.notice_to")
        if one["organisation"] is None or not (webhook or one["notice_to"]):
            continue
        yield (
            one["organisation"],
            NoticeTo(
                webhook=Webhook(url=webhook, token=token) if webhook is not None else None,
                mailbox=replace(mailbox, to=one["notice_to"]) if mailbox and one["notice_to"] else None,
            ),
        )


def reply_address(address: str) -> str:
    """Return where the reply form stands; `address`: base of the FHIR doors, on the same host."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}/reply"
