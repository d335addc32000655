"""Secrets that connectors name: read from where they are, and never the engine's own."""

from pathlib import Path

import pytest

from channels.hooks import HookRequest, read_hook
from channels.secrets import SecretMissing, read_secret
from crm.connectors import Secret
from domain.errors import Forbidden


def written(path: Path, text: str = "hunter2\n") -> Secret:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return Secret(file=str(path))


def test_a_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    assert read_secret(written(tmp_path / "hook")) == "hunter2"
    assert read_secret(written(tmp_path / "store" / "hook")) == "hunter2", "only the engine's folder is its own"


@pytest.mark.parametrize("pasted", ["hunter2", "AKIA0123456789ABCDEF", "SG_x81", "xoxb_0123"])
def test_a_variable_that_is_not_set_is_not_named_where_it_may_be_the_secret_itself(pasted: str) -> None:
    # A secret of letters and digits passes for the name of a variable, and this reaches status and logs.
    with pytest.raises(SecretMissing, match="which is not set") as error:
        read_secret(Secret(env=pasted))
    assert pasted not in str(error.value)


def test_a_variable_that_is_not_set_is_named_where_it_is_a_name() -> None:
    with pytest.raises(SecretMissing, match="the environment variable SMTP_PASSWORD_2, which is not set"):
        read_secret(Secret(env="SMTP_PASSWORD_2"))


@pytest.mark.parametrize("name", ["admin.key", "ingest.key", "token.secret", "ray.token"])
def test_the_engines_own_keys_are_no_connectors_secrets(tmp_path: Path, name: str) -> None:
    with pytest.raises(SecretMissing, match="one of the engine's") as error:
        read_secret(written(tmp_path / name))
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("key", ["token.secret", "ray.token"])
@pytest.mark.parametrize("name", ["other", "store/dump.rdb", "archive/a/b"])
def test_nothing_in_the_engines_data_directory_is_read(tmp_path: Path, key: str, name: str) -> None:
    data = tmp_path / "data"
    (data / "store").mkdir(parents=True)
    (data / key).write_text("s")
    inside = written(data / name)
    link = tmp_path / "innocent"
    link.symlink_to(data / name)
    for secret in (inside, Secret(file=str(link))):
        with pytest.raises(SecretMissing, match="one of the engine's"):
            read_secret(secret)


def test_a_link_into_the_kernel_is_not_followed(tmp_path: Path) -> None:
    link = tmp_path / "innocent"
    link.symlink_to("/proc/self/environ")
    with pytest.raises(SecretMissing, match="one of the engine's"):
        read_secret(Secret(file=str(link)))


@pytest.mark.parametrize("secret", [{"env": "T_NOWHERE_SET"}, {"file": "/nowhere/at/all"}])
def test_a_stranger_is_not_told_where_a_secret_was_looked_for(secret: dict[str, str]) -> None:
    document = {"kind": "twilio", "account_sid": "AC" + "0" * 32, "auth_token": secret, "from": "+15005550006"}
    with pytest.raises(Forbidden, match="`auth_token` of the connector cannot be read") as error:
        read_hook(document, HookRequest("POST", "https://x/v1/hooks/sms", {}, b""))
    assert "nowhere" not in str(error.value).lower()
