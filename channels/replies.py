"""What a player writes back: an answer, or the wish to be left alone (TCPA, CTIA: any case, any spacing)."""

import unicodedata

_STOP = frozenset(
    (
        *(
            "stop",
            "stopall",
            "stop all",
            "quit",
            "end",
            "revoke",
            "opt out",
            "optout",
            "cancel",
            "unsubscribe",
            "stopp",
        ),
        *(
            "arret",
            "arreter",
            "alto",
            "baja",
            "parar",
            "cancelar",
            "stornieren",
            "abmelden",
            "fine",
            "annulla",
            "rezygnuj",
        ),
        *("стоп", "отписаться", "відписатися", "відписатись", "отмена", "скасувати"),
    )
)
_FILLING = frozenset(("please", "bitte", "me", "all", "sms", "messages", "texts", "now", "pls"))


def is_stop(text: str) -> bool:
    """Tell whether a reply says nothing but that messages shall end."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text[:200].casefold()) if not unicodedata.combining(c))
    words = "".join(c if c.isalnum() else " " for c in unicodedata.normalize("NFC", plain)).split()
    if "".join(words) in _STOP or " ".join(words) in _STOP:
        return True
    kept = [word for word in words if word not in _FILLING]
    return bool(kept) and (" ".join(kept) in _STOP or "".join(kept) in _STOP)


def outcome_of_reply(text: str) -> str:
    """Return ``unsubscribed`` or ``replied``."""
    return "unsubscribed" if is_stop(text) else "replied"
