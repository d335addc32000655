# ruff: noqa: RUF001 -- Cyrillic that looks Latin is what this file is about
"""Who a player is, in other systems' words: well-known traits by any of their names, and what they must hold. Pure.

The table holds names whose meaning is the same everywhere; one that could mean two things («state», «title») is
not in it. ``traits/<name>`` and ``mappings/<id>`` add to it and go before it.
"""

from api.values import FieldMask

KNOWN_NAMES: dict[str, str] = {
    "first_name": "first name, given name, fname, имя, ім'я, імʼя, имя клиента, ім'я клієнта",
    "last_name": "last name, surname, family name, lname, фамилия, прізвище",
    "middle_name": "middle name, patronymic, отчество, по батькові",
    "name": "name, full name, фио, піб, ф. и. о., п. і. б., полное имя, повне ім'я, прізвище та ім'я, имя и фамилия",
    "email": "email, e-mail, mail, email address, пошта, електронна пошта, ел. пошта, эл. почта, почта, "
    "электронная почта, емейл, імейл, имейл, адрес электронной почты, електронна адреса",
    "phone": "phone, phone number, telephone, tel, mobile, mobile phone, mobile number, cell, cell phone, msisdn, "
    "телефон, номер телефона, номер телефону, мобильный, мобільний, мобильный телефон, мобільний телефон, "
    "моб. тел., моб. телефон, тел",
    "birthday": "birthday, birth date, birthdate, date of birth, dob, день рождения, день народження, "
    "дата рождения, дата народження",
    "gender": "gender, sex, пол, стать",
    "city": "city, town, город, місто",
    "country": "country, country code, страна, країна",
    "postal_code": "postal code, post code, zip, zip code, индекс, індекс, почтовый индекс, поштовий індекс",
    "locale": "locale, language, lang, preferred language, язык, мова, язык общения, мова спілкування",
    "timezone": "timezone, time zone, tz, часовой пояс, часовий пояс",
    "created_at": "created at, registered at, registration date, дата регистрации, дата реєстрації",
}
KNOWN_MASKS: dict[str, FieldMask] = {
    "phone": FieldMask("phone", on_invalid="drop"),
    "email": FieldMask("email", on_invalid="drop"),
    "birthday": FieldMask("date", on_invalid="drop"),
    "timezone": FieldMask("timezone", on_invalid="drop"),
    "locale": FieldMask("locale", on_invalid="keep"),
    "country": FieldMask("country", on_invalid="keep"),
}
