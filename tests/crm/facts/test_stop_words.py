"""Answers that end messages, in whatever spelling."""

import pytest

from crm.facts.stop_words import LISTED, asks_to_stop


@pytest.mark.parametrize(
    "text",
    [
        *("STOP", "stop", " Stop! ", "S.T.O.P", "s t o p", "Stop please", "STOP ALL", "Opt-out", "OPT OUT", "opt.out"),
        *("Unsubscribe", "UN-SUBSCRIBE", "unsub", "END", "Quit.", "cancel", "Revoke", "remove me", "No more"),
        *(
            "don't text me",
            "Don\u2019t text me!",
            "\uff33\uff34\uff2f\uff30",
            "СТОП",
            "стоп смс",
            "Відписатися",
            "будь ласка, стоп",
        ),
        *("ВІДПИШІТЬ мене", "Скасувати", "Отписаться", "отпишите меня, пожалуйста", "Хватит!!!", "не пишите"),
        *("PARAR", "sair", "Cancelar por favor", "não enviar", "NAO ENVIAR", "Descadastrar", "chega"),
        *(
            "Stop sending me messages",
            "STOP 12345",
            "stop all sms now",
            "stop it",
            "отписать",
            "fin",
            "Arrête",
            "ARRET",
        ),
        *(
            "ARRET",
            "Stopp bitte",
            "Abmelden",
            "stop\U0001f64f",
            "unsubscribe me",
            "unsubscribe my number",
            "leave me alone",
        ),
        *("BAJA", "alto", "¡Basta!", "darse de baja", "cancelar suscripcion", "no más mensajes"),
    ],
)
def test_an_answer_that_asks_to_stop(text: str) -> None:
    assert asks_to_stop(text)


@pytest.mark.parametrize(
    "text",
    ["", "   ", "!!!", None, 7, ["stop"], "please", "when does it stop?", "stopover", "Thanks", "ok", "не стоп",
     "12345", "me", "my number", "cancel my bet", "fine", "stop sending my winnings",
     "I will never stop playing", "stop " * 30],
)  # fmt: skip
def test_an_answer_that_does_not(text: object) -> None:
    assert not asks_to_stop(text)


def test_there_are_forty_words_at_least() -> None:
    assert len(set(LISTED)) >= 40
