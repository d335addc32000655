"""Words by which a player ends messages when they answer one: any spelling, spacing and politeness.

English, Ukrainian, Russian, Portuguese, Spanish, German, French, Italian and Polish. The whole answer must say it, not
a part of it: "stop" ends messages, "when does it stop?" does not.
"""

import unicodedata

LISTED = (
    *("stop", "stopall", "end", "quit", "cancel", "revoke", "unsubscribe", "unsub", "optout", "remove", "removeme"),
    *(
        "stopsms",
        "stopmessages",
        "stoptexts",
        "nomore",
        "nomoremessages",
        "donttextme",
        "dontcontactme",
        "leavemealone",
    ),
    *("стоп", "стопсмс", "відписатися", "відписка", "відпишіть", "відпишітьмене", "скасувати", "годі", "нетурбуйте"),
    *(
        "отписаться",
        "отписка",
        "отпишите",
        "отпишитеменя",
        "отмена",
        "хватит",
        "прекратите",
        "непишите",
        "небеспокоить",
    ),
    *("parar", "pare", "cancelar", "sair", "remover", "descadastrar", "nãoenviar", "chega"),
    *("отписать", "отпишисьотменя", "неприсылайте", "непишіть", "ненадсилайте", "відписатись"),
    *("stopp", "stornieren", "abmelden", "arret", "arrete", "arreter", "fin", "annulla", "rezygnuj"),
    *("baja", "alto", "basta", "detener", "salir", "nomás", "nomásmensajes", "darsedebaja", "cancelarsuscripción"),
)
_POLITE_WORDS = (
    *("please", "pls", "plz", "thanks", "ok", "пожалуйста", "спасибо", "ласка", "будь", "дякую"),
    *("por", "favor", "gracias", "obrigado"),
)
_FILLING_WORDS = (
    *("me", "it", "all", "now", "sms", "messages", "texts", "sending", "texting", "messaging", "my", "number"),
    *("bitte", "мне", "мені", "смс", "сообщения", "повідомлення", "рассылку", "розсилку"),
)  # beside a word that ends messages they say nothing else
_CHARS_MAX = 100  # a longer answer is a letter, for a person to read


def asks_to_stop(text: object) -> bool:
    """Tell whether an answer asks for no more messages."""
    if not isinstance(text, str) or not 0 < len(text) <= _CHARS_MAX:
        return False
    words = "".join(char if char.isalnum() else " " for char in _plain(text) if char != "'").split()
    kept = [word for word in words if word not in _POLITE]
    core = [word for word in kept if word not in _FILLING and not word.isdecimal()]  # "STOP 12345": a short code
    return "".join(kept) in _WORDS or "".join(core) in _WORDS


def _plain(text: str) -> str:
    """Return the text without case, accents, look-alike forms and apostrophes."""
    unquoted = text.replace("\u2019", "'").casefold()
    parts = unicodedata.normalize("NFKD", unquoted)
    return "".join(char for char in parts if not unicodedata.combining(char))


_WORDS = frozenset(_plain(word) for word in LISTED)
_POLITE = frozenset(_plain(word) for word in _POLITE_WORDS)
_FILLING = frozenset(_plain(word) for word in _FILLING_WORDS)
