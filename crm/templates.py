"""Message templates: texts by language, tone and channel, parsed once, never failing at send.

What Liquid may do is in ``crm.sandbox``, what a template may name in ``crm.vocabulary``, how it is filled in
``crm.texts``, and what each channel makes of it in ``crm.content``.
"""

from crm.content.compile import compile_template
from crm.content.template import Template, render, tone_of
from crm.sources import syntax_error
from crm.texts import Picked, Text, Texts, pick, safe_url

__all__ = [
    "Picked",
    "Template",
    "Text",
    "Texts",
    "compile_template",
    "pick",
    "render",
    "safe_url",
    "syntax_error",
    "tone_of",
]
