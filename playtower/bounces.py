"""``playtower bounce``: what a mail server's alias pipes a bounce or a complaint into.

    bounces: "|playtower bounce mail --token-file /etc/playtower/mail.token"

The mail goes to the gateway's hook of an SMTP connector. Exit status 75 (EX_TEMPFAIL of sysexits.h) tells the mail
server to keep the mail and try again; any other that is not 0 tells it that trying again is of no use.
"""

import sys
from pathlib import Path
from typing import Annotated, BinaryIO
from urllib.parse import quote

import httpx
import typer

from playtower.client import DEFAULT_URL, ClientError, admin_key
from playtower.terminal import DataDir, Url, fail

MAIL_MAX = 5 * 1024 * 1024  # bytes, as the gateway takes them; a longer mail is sent so far, its beginning says it
TEMPORARY = 75
TIMEOUT_S = 30.0
_LATER = (408, 425, 429)


def post_mail(
    raw: BinaryIO,
    connector: str,
    url: str,
    *,
    token: str = "",
    key: str = "",
    transport: httpx.BaseTransport | None = None,
) -> tuple[int, str]:
    """Post a raw mail to a connector's hook; the exit status and what to say."""
    mail = raw.read(MAIL_MAX)
    headers = {"content-type": "message/rfc822"} | ({"authorization": f"Bearer {key}"} if key else {})
    address = f"{url.rstrip('/')}/v1/hooks/{quote(connector, safe='')}"
    try:
        with httpx.Client(timeout=TIMEOUT_S, transport=transport) as http:
            answer = http.post(address, content=mail, headers=headers, params={"t": token} if token else {})
    except httpx.HTTPError as error:
        return TEMPORARY, f"the gateway at {url} does not answer: {type(error).__name__}"
    if answer.is_success:
        return 0, ""
    status = TEMPORARY if answer.status_code >= 500 or answer.status_code in _LATER else 1
    return status, f"the gateway refused the mail: {answer.status_code} {answer.text[:200]}"


def bounce(
    connector: Annotated[str, typer.Argument(help="Id of the SMTP connector whose mails come back.")],
    url: Url = DEFAULT_URL,
    token: Annotated[
        str | None, typer.Option(help="The connector's hook token.", envvar="PLAYTOWER_HOOK_TOKEN")
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="A file that holds the hook token.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Read one raw mail from standard input (a bounce or a complaint) and report it."""
    key = ""
    if token is None and token_file is not None:
        try:
            token = token_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise fail(f"expected a hook token in {token_file}: {error.strerror}", TEMPORARY) from error
    if not token:
        try:
            key = admin_key(data_dir)
        except ClientError as error:
            raise fail(f"expected --token, --token-file or a key: {error}", TEMPORARY) from error
    status, said = post_mail(sys.stdin.buffer, connector, url, token=token or "", key=key)
    if status:
        raise fail(said, status)
