"""From a dispatch to the parcels that an adapter sends: addresses, and the links that the message carries.

Every token is issued at the time of the clearance: a second try of the same dispatch is the same to the byte.
"""

from msgspec import Struct

from channels.ports import Parcel
from channels.tracking import links as links_of
from channels.tracking import prepared
from crm.addresses import Address
from domain.dispatch import Dispatch
from domain.granting import is_grant
from domain.links import Link, sign
from domain.reading import CHANNEL as READING


class Links(Struct, frozen=True):
    """Where the links of messages lead, and what signs them."""

    public_url: str
    secret: str


def parcel_of(dispatch: Dispatch, address: Address | None, connector: str, links: Links, now: int) -> Parcel:
    """Return a dispatch as the parcel for one address; a webhook's and a text's to be read (None) have no links.

    A grant is asked for as it is: it has no links in it, and nothing reports of it by a link.
    """
    headers = {"unsubscribe": "", "preferences": ""}
    where = {"public_url": links.public_url, "secret": links.secret}
    content = dispatch.content
    is_message = dispatch.channel != READING and not is_grant(dispatch)
    if is_message:
        content = prepared(dispatch, content, **where, at=dispatch.cleared_at)
    if dispatch.channel not in ("webhook", READING):
        headers |= links_of(dispatch, **where, at=dispatch.cleared_at)
    return Parcel(
        id=dispatch.id,
        player=dispatch.player,
        channel=dispatch.channel,
        purpose=dispatch.purpose,
        template=dispatch.template,
        content=content,
        address=address,
        expires_at=dispatch.expires_at,
        at=now,
        unsubscribe_url=headers["unsubscribe"],
        preferences_url=headers["preferences"],
        status_url=_status_url(dispatch, connector, links) if is_message else "",
    )


def _status_url(dispatch: Dispatch, connector: str, links: Links) -> str:
    token = Link(
        "status",
        dispatch.player,
        request=dispatch.id,
        channel=dispatch.channel,
        template=dispatch.template,
        purpose=dispatch.purpose,
        issued_at=dispatch.cleared_at,
    )
    return f"{links.public_url.rstrip('/')}/v1/hooks/{connector}?t={sign(links.secret, token)}"
