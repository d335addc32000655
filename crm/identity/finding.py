"""Who a message from outside comes from: the key actors of addresses, asked by what a provider calls the sender.

Chats and WhatsApp numbers have key actors for this alone (``duplicates.FOUND_BY``): two players of one chat are never
proposed as one person. Mail is not among them: anybody can write any sender, so mails find only by our signed names.
"""

from crm.identity.duplicates import key_actor


def actors_of(connector_kind: str, address: str) -> tuple[str, ...]:
    """Return the key actors whose claims say who has an address, the surest first.

    Args:
        connector_kind: As in ``crm.connectors.CHANNEL_OF``.
        address: As the provider writes it: WhatsApp and some SMSCs leave out the plus.
    """
    address = address.strip()
    if not address:
        return ()
    phone = f"+{address}" if address.isdecimal() else address
    match connector_kind:
        case "twilio" | "smpp":
            return (key_actor("phone", phone),)
        case "telegram":
            return (key_actor("chat", address),)
        case "whatsapp":
            return (key_actor("whatsapp", address), key_actor("phone", phone))
        case _:
            return ()
