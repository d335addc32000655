"""From a validated template to one that is ready to render, in every channel and every tone."""

from collections.abc import Mapping
from typing import Any

from crm.content.config import EmailConfig, TemplateConfig, ToneConfig
from crm.content.followed import Followed, followed_of
from crm.content.pages import Layout
from crm.content.template import Email, Sections, Template, Tracking
from crm.sources import ANY, Name
from crm.texts import Text, Texts, compile_text, tag_of

_PLAIN = ToneConfig()


def compile_template(name: str, config: TemplateConfig, *, site: str = "") -> Template:
    """Parse a validated template, once: rendering a text costs 10 to 30 us, parsing ten times that.

    Args:
        site: Where paths lead when they are opened outside the site, such as ``https://casino.example``.
    """
    compiler = _Compiler(config)
    sections = {tone: compiler.sections(variant) for tone, variant in {"": _PLAIN, **config.tones}.items()}
    own = sections[""]
    return Template(
        name=name,
        channel=config.channel,
        title=own.title,
        body=own.body,
        label=compiler.label,
        url=compiler.url,
        tones={tone: (said.title, said.body) for tone, said in sections.items() if tone},
        names=frozenset(name.root for name in compiler.needs),
        parts=tuple(sorted({name.second or ANY for name in compiler.needs if name.root == "player"})),
        sections=sections,
        tracking=Tracking(config.tracking.opens, config.tracking.clicks),
        legal=config.legal,
        site=site.rstrip("/"),
        followed=followed_of((source for _, _, source in config.sources()), site)
        if config.tracking.clicks
        else Followed(),
    )


class _Compiler:
    """One template: a text that several tones or channels say is parsed once."""

    def __init__(self, config: TemplateConfig) -> None:
        self.needs: set[Name] = set()
        self._config = config
        self._parsed: dict[tuple[str, bool], Text] = {}
        action = config.action
        self.label = self._texts(action.label) if action else {}
        self.url = self._text(action.url) if action else None

    def sections(self, tone: ToneConfig) -> Sections:
        """Return what the template says in a tone."""
        config = self._config
        title = self._texts(config.title) | self._texts(tone.title)
        body = self._texts(config.body) | self._texts(tone.body)
        push, messenger = config.push, config.messenger
        button = messenger.button if messenger else None
        return Sections(
            title=title,
            body=body,
            email=self._email(config.email, tone) if config.email else self._plain_email(title, body),
            sms=self._toned(config.sms.text if config.sms else {}, tone.sms),
            push_title=self._texts(push.title) if push else {},
            push_body=self._texts(push.body) if push else {},
            push_icon=self._text(push.icon) if push and push.icon else None,
            push_image=self._text(push.image) if push and push.image else None,
            messenger=self._toned(messenger.text if messenger else {}, tone.messenger),
            messenger_label=self._texts(button.label) if button else {},
            messenger_url=self._text(button.url) if button else None,
            webhook={key: self._leaf(value) for key, value in config.webhook.payload.items()}
            if config.webhook
            else None,
        )

    def _email(self, config: EmailConfig, tone: ToneConfig) -> Email:
        layout = Layout(self._texts)
        page = layout.page(config.blocks)
        subject = self._texts(config.subject) | self._texts(tone.subject)
        preheader, from_name = self._texts(config.preheader), self._texts(config.from_name)
        return Email(subject, preheader, from_name, page, layout.slots, tuple(layout.plain))

    def _plain_email(self, title: Texts, body: Texts) -> Email:
        layout = Layout(self._texts)
        url = None if self.url is None else {"": self.url}
        page = layout.plain_page(body, self.label or None, url)
        return Email(title, {}, {}, page, layout.slots, tuple(layout.plain))

    def _toned(self, own: Mapping[str, str], toned: Mapping[str, str]) -> Texts | None:
        return self._texts(own) | self._texts(toned) or None

    def _texts(self, sources: Mapping[str, str], *, is_shaped: bool = False) -> Texts:
        return {tag_of(language): self._text(source, is_shaped) for language, source in sources.items()}

    def _text(self, source: str, is_shaped: bool = False) -> Text:
        known = self._parsed.get((source, is_shaped))
        if known is None:
            known = self._parsed[source, is_shaped] = compile_text(source, self.needs, is_shaped=is_shaped)
        return known

    def _leaf(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {key: self._leaf(inner) for key, inner in value.items()}
        return [self._leaf(inner) for inner in value] if isinstance(value, list) else value
