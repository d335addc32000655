# ruff: noqa: RUF001 -- Ukrainian and Russian
"""What the hosted pages say, in the languages of ``LANGUAGES``. ``VERSION`` goes with every consent given there: the
proof of what the player was shown.
"""

from collections.abc import Mapping

VERSION = "2026-11"  # of the wording; changes with any text that a consent rests on
LANGUAGES = ("en", "uk", "ru")

_WORDS: dict[str, tuple[str, str, str]] = {
    "preferences": ("Your messages", "Ваші повідомлення", "Ваши сообщения"),
    "intro": (
        "Choose what you would like to hear from us about, and where. Changes count at once.",
        "Оберіть, про що і де ви хочете від нас чути. Зміни діють одразу.",
        "Выберите, о чём и где вы хотите от нас слышать. Изменения действуют сразу.",
    ),
    "about": ("What about", "Про що", "О чём"),
    "where": ("Where", "Де", "Где"),
    "by_product": ("By product", "За продуктом", "По продуктам"),
    "save": ("Save", "Зберегти", "Сохранить"),
    "saved": ("Saved.", "Збережено.", "Сохранено."),
    "unchanged": ("Nothing was changed.", "Нічого не змінено.", "Ничего не изменено."),
    "stop_title": ("Stop everything", "Зупинити все", "Остановить всё"),
    "stop_note": (
        "Switches everything above off. Only notices that the law requires will still reach you.",
        "Вимикає все, що вище. До вас надходитимуть лише сповіщення, яких вимагає закон.",
        "Выключает всё, что выше. К вам будут приходить только уведомления, которых требует закон.",
    ),
    "stopped": (
        "You have stopped all our messages.",
        "Ви зупинили всі наші повідомлення.",
        "Вы остановили все наши сообщения.",
    ),
    "unsubscribe_title": ("Unsubscribe", "Відписатися", "Отписаться"),
    "unsubscribe_ask": (
        "Stop these messages: {what}?",
        "Зупинити ці повідомлення: {what}?",
        "Остановить эти сообщения: {what}?",
    ),
    "unsubscribe": ("Unsubscribe", "Відписатися", "Отписаться"),
    "unsubscribed": (
        "You are unsubscribed from: {what}.",
        "Ви відписані від: {what}.",
        "Вы отписаны от: {what}.",
    ),
    "undo": ("Undo: subscribe again", "Скасувати: підписатися знову", "Отменить: подписаться снова"),
    "undone": (
        "You are subscribed again to: {what}.",
        "Ви знову підписані на: {what}.",
        "Вы снова подписаны на: {what}.",
    ),
    "confirm_title": ("Please confirm", "Будь ласка, підтвердьте", "Пожалуйста, подтвердите"),
    "confirm_ask": (
        "Do you want to receive: {what}?",
        "Бажаєте отримувати: {what}?",
        "Хотите получать: {what}?",
    ),
    "confirm": ("Yes, I do", "Так, бажаю", "Да, хочу"),
    "confirmed": (
        "Thank you, it is confirmed: {what}.",
        "Дякуємо, підтверджено: {what}.",
        "Спасибо, подтверждено: {what}.",
    ),
    "not_confirmed": (
        "Nothing waits for a confirmation any more, and nothing was changed: {what}.",
        "Підтверджувати вже нічого, і нічого не змінено: {what}.",
        "Подтверждать уже нечего, и ничего не изменено: {what}.",
    ),
    "confirm_sent": (
        "We have sent you a message to confirm: {what}. Until then it stays off.",
        "Ми надіслали вам повідомлення для підтвердження: {what}. До того часу це вимкнено.",
        "Мы отправили вам сообщение для подтверждения: {what}. До тех пор это выключено.",
    ),
    "not_you": (
        "If you did not ask for this, close this page; nothing happens.",
        "Якщо ви цього не просили, закрийте сторінку; нічого не станеться.",
        "Если вы этого не просили, закройте страницу; ничего не произойдёт.",
    ),
    "excluded": (
        "You are excluded from offers and promotions. Nothing chosen here changes that.",
        "Вас виключено з пропозицій та акцій. Вибір на цій сторінці цього не змінює.",
        "Вы исключены из предложений и акций. Выбор на этой странице этого не меняет.",
    ),
    "pending": ("waits for your confirmation", "очікує на ваше підтвердження", "ждёт вашего подтверждения"),
    "bad_title": ("This link does not work", "Це посилання не працює", "Эта ссылка не работает"),
    "bad": (
        "It is incomplete, or was not made by us. Please open it once more from the message itself.",
        "Воно неповне або створене не нами. Відкрийте його ще раз із самого повідомлення.",
        "Она неполная или создана не нами. Откройте её ещё раз из самого сообщения.",
    ),
    "expired_title": ("This link is too old", "Це посилання застаріло", "Эта ссылка устарела"),
    "expired": (
        "Please take the link of a newer message.",
        "Скористайтеся посиланням із новішого повідомлення.",
        "Воспользуйтесь ссылкой из более нового сообщения.",
    ),
    "busy_title": ("Please try again", "Спробуйте ще раз", "Попробуйте ещё раз"),
    "busy": (
        "We could not do this just now. Please try again in a minute.",
        "Зараз не вдалося це зробити. Спробуйте за хвилину.",
        "Сейчас не удалось это сделать. Попробуйте через минуту.",
    ),
    "transactional": ("Your payments and account", "Ваші платежі та рахунок", "Ваши платежи и счёт"),
    "service": ("Service messages", "Сервісні повідомлення", "Сервисные сообщения"),
    "reward": ("Your rewards", "Ваші винагороди", "Ваши награды"),
    "retention": ("Reminders and news", "Нагадування та новини", "Напоминания и новости"),
    "promo": ("Offers and promotions", "Пропозиції та акції", "Предложения и акции"),
    "legal": ("Legal notices", "Юридичні сповіщення", "Юридические уведомления"),
    "in_app": ("In the app and on the site", "У застосунку та на сайті", "В приложении и на сайте"),
    "push": ("Push notifications", "Push-сповіщення", "Push-уведомления"),
    "email": ("E-mail", "Електронна пошта", "Электронная почта"),
    "sms": ("SMS", "SMS", "SMS"),
    "messenger": ("Messengers", "Месенджери", "Мессенджеры"),
    "webhook": ("Other systems", "Інші системи", "Другие системы"),
    "betting": ("Betting", "Ставки", "Ставки"),
    "bingo": ("Bingo", "Бінго", "Бинго"),
    "casino": ("Casino", "Казино", "Казино"),
    "other": ("Other products", "Інші продукти", "Другие продукты"),
}


def words_of(locale: str) -> Mapping[str, str]:
    """Return the words of the language that suits a locale; English where there is none."""
    language = locale.replace("_", "-").lower().partition("-")[0]
    place = LANGUAGES.index(language) if language in LANGUAGES else 0
    return {name: said[place] for name, said in _WORDS.items()} | {"lang": LANGUAGES[place]}


def consent_name(words: Mapping[str, str], key: str) -> str:
    """Return what a consent's key is called; a name that nobody has translated stands as it is."""
    product, slash, channel = key.partition("/")
    if slash:
        return f"{words.get(product, product)}: {words.get(channel, channel)}"
    return words.get(key, key)


def accepted_language(header: str | None) -> str:
    """Return the first of ``LANGUAGES`` that an Accept-Language names, "" when none; the order is the browser's."""
    for part in (header or "")[:200].split(","):
        language = part.strip().partition(";")[0].lower().partition("-")[0]
        if language in LANGUAGES:
            return language
    return ""
