"""The dialog secret: made once, read back, refused with a clear line when it can't be trusted."""

import asyncio
import stat
import time
from pathlib import Path

import pytest

from edge_agent import keys
from edge_agent.keys import OLD_SECRET_SECONDS, KeyFileError, dialog_secret, end_old_secret

NOW = time.time()


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_made_once_in_the_state_directory(tmp_path: Path) -> None:
    state = tmp_path / "state"
    first = dialog_secret("", state, None, NOW)
    again = dialog_secret("", state, None, NOW)
    assert first.current == again.current and len(first.current) == 32
    assert first.path == state / "dialog.key"
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    assert first.old is None
    assert abs(first.made - time.time()) < 60


def test_two_states_have_two_secrets(tmp_path: Path) -> None:
    assert dialog_secret("", tmp_path / "a", None, NOW).current != dialog_secret("", tmp_path / "b", None, NOW).current


def test_a_named_relative_file_is_made_in_the_state_directory(tmp_path: Path) -> None:
    assert dialog_secret("file:fleet.key", tmp_path, None, NOW).path == tmp_path / "fleet.key"


def test_not_made_when_only_looking(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="No such file"):
        dialog_secret("", tmp_path, None, NOW, make=False)
    assert list(tmp_path.iterdir()) == []


def test_an_absolute_file_must_exist(tmp_path: Path) -> None:
    path = tmp_path / "gone.key"
    with pytest.raises(KeyFileError, match=r"gone\.key: can't read the dialog key: No such file"):
        dialog_secret(f"file:{path}", tmp_path, None, NOW)
    assert not path.exists()


@pytest.mark.parametrize(
    "content", [bytes(range(32)), bytes(range(32)).hex().encode(), bytes(range(32)).hex().upper().encode() + b"\r\n"]
)
def test_raw_bytes_and_hex_digits_are_read(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / "k", content)
    assert dialog_secret(f"file:{path}", tmp_path, None, NOW).current == bytes(range(32))


@pytest.mark.parametrize(
    "content", [b"", b"short", b"x" * 31, b"x" * 33, b"ab" * 31, b"ab" * 33, b"zz" * 32, b"ab" * 5000]
)
def test_a_wrong_length_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / "k", content)
    with pytest.raises(KeyFileError, match="must be 32 bytes or 64 hex digits") as caught:
        dialog_secret(f"file:{path}", tmp_path, None, NOW)
    assert not content or content.decode() not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "k", b"x" * 32, mode)
    with pytest.raises(KeyFileError, match=f"mode {mode:04o}.*chmod 600"):
        dialog_secret(f"file:{path}", tmp_path, None, NOW)


def test_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o700)
    with pytest.raises(KeyFileError, match="Is a directory"):
        dialog_secret(f"file:{tmp_path / 'd'}", tmp_path, None, NOW)


def test_a_planted_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "dialog.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyFileError):
        dialog_secret("", tmp_path, None, NOW)
    assert not (tmp_path / "elsewhere").exists()


def test_a_state_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(KeyFileError, match="can't"):
        dialog_secret("", tmp_path / "state", None, NOW)


def test_credentials_come_before_the_state_directory(tmp_path: Path) -> None:
    credentials, state = tmp_path / "credentials", tmp_path / "state"
    credentials.mkdir()
    # As systemd shows a credential to a dynamic user: an ACL mask looks like group permission.
    write(credentials / "dialog.key", b"c" * 32, 0o440)
    secret = dialog_secret("file:dialog.key", state, credentials, NOW)
    assert secret.current == b"c" * 32
    assert [file.name for file in state.iterdir()] == ["credential.seen"]


def test_credentials_without_that_name_are_passed_over(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    assert dialog_secret("file:dialog.key", tmp_path / "state", credentials, NOW).path.parent == tmp_path / "state"


def test_an_old_key_stays_valid_for_a_day_after_rotation(tmp_path: Path) -> None:
    before = dialog_secret("", tmp_path, None, NOW)
    before.path.rename(tmp_path / "dialog.key.old")
    after = dialog_secret("", tmp_path, None, NOW)
    assert after.old == before.current != after.current
    assert dialog_secret("", tmp_path, None, after.made + OLD_SECRET_SECONDS - 1).old == before.current
    assert dialog_secret("", tmp_path, None, after.made + OLD_SECRET_SECONDS + 1).old is None


# Credentials of the unit


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    folder = tmp_path / "credentials"
    folder.mkdir()
    return folder


def test_a_credential_is_the_key(tmp_path: Path, credentials: Path) -> None:
    write(credentials / "sip", b"c" * 32, 0o440)
    secret = dialog_secret("credential:sip", tmp_path / "state", credentials, NOW)
    assert (secret.current, secret.old, secret.path, secret.made) == (b"c" * 32, None, credentials / "sip", NOW)


def test_a_credential_is_never_made_and_never_looked_for_elsewhere(tmp_path: Path, credentials: Path) -> None:
    write(tmp_path / "sip", b"c" * 32)
    with pytest.raises(KeyFileError, match="credential:sip: systemd passed no credential of that name") as caught:
        dialog_secret("credential:sip", tmp_path, credentials, NOW)
    assert not caught.value.excusable and list(credentials.iterdir()) == []


def test_without_systemd_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"passed no credentials; the unit needs LoadCredential=sip:/path") as caught:
        dialog_secret("credential:sip", tmp_path, None, NOW)
    assert caught.value.excusable, "whoever checks by hand isn't the unit"


def test_a_bad_credential(tmp_path: Path, credentials: Path) -> None:
    write(credentials / "sip", b"short", 0o440)
    with pytest.raises(KeyFileError, match="must be 32 bytes or 64 hex digits"):
        dialog_secret("credential:sip", tmp_path, credentials, NOW)
    write(credentials / "sip", b"c" * 32, 0o444)
    with pytest.raises(KeyFileError, match="open to others"):
        dialog_secret("credential:sip", tmp_path, credentials, NOW)
    assert not (tmp_path / "credential.seen").exists()


def test_a_credentials_age_counts_from_its_first_use(tmp_path: Path, credentials: Path) -> None:
    """systemd writes the file at each start; its own time would make the key new each time."""
    start_time = float(round(NOW))

    def start(content: bytes, now: float, old: bytes = b"", make: bool = True) -> tuple[float, bytes | None]:
        for name, written in (("sip", content), ("sip.old", old)):
            (credentials / name).unlink(missing_ok=True)
            if written:
                write(credentials / name, written, 0o440)
        secret = dialog_secret("credential:sip", tmp_path / "state", credentials, now, make)
        return secret.made, secret.old

    first, second = b"1" * 32, b"2" * 32
    assert start(first, start_time) == (start_time, None)
    assert start(first, start_time + 5_000_000) == (start_time, None)
    rotated = start_time + 6_000_000
    assert start(second, rotated, first, make=False) == (rotated, first), "looking notes nothing"
    assert start(second, rotated + 60, first) == (rotated + 60, first)
    made = rotated + 60
    assert start(second, rotated + OLD_SECRET_SECONDS, first) == (made, first)
    assert start(second, rotated + OLD_SECRET_SECONDS + 120, first) == (made, None)
    (tmp_path / "state" / "credential.seen").write_text("rubbish")
    assert start(second, rotated + 9_000_000) == (rotated + 9_000_000, None)


def test_a_state_directory_that_cant_take_the_note(tmp_path: Path, credentials: Path) -> None:
    write(credentials / "sip", b"c" * 32, 0o440)
    (tmp_path / "state").write_text("")
    with pytest.raises(KeyFileError, match="can't note when the dialog key was first used"):
        dialog_secret("credential:sip", tmp_path / "state", credentials, NOW)


@pytest.mark.parametrize("age", [0.0, OLD_SECRET_SECONDS - 1, OLD_SECRET_SECONDS, 10 * OLD_SECRET_SECONDS])
async def test_an_old_secret_ends_with_its_day(age: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by a clock that is set back or forward meanwhile: it is looked at each minute."""
    monkeypatch.setattr(keys, "LOOK_SECONDS", 0.01)
    now, forgotten = NOW + age, list[float]()
    task = asyncio.create_task(end_old_secret(NOW, lambda: forgotten.append(now), lambda: now))
    await asyncio.sleep(0.05)
    assert bool(forgotten) == (age >= OLD_SECRET_SECONDS)
    if not forgotten:
        now -= 7200
        await asyncio.sleep(0.05)
        assert not forgotten
    now = NOW + OLD_SECRET_SECONDS
    await asyncio.wait_for(task, 5)
    assert len(forgotten) == 1
