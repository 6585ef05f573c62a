"""A backend that refuses is told from one that does not answer. The texts are those of real runs."""

from __future__ import annotations

import pytest

from tfce.terraform.refusals import brief, is_foreign, refusal, trouble

LOCKED = (
    "Error acquiring the state lock Error message: {} Terraform acquires a state lock to protect the state from "
    "being written by multiple users at the same time. Please resolve the issue above and try again. For most "
    'commands, you can disable locking with the "-lock=false" flag, but this is not recommended.'
)
BUCKET = (
    'Failed to get existing workspaces: S3 bucket "x" does not exist. The referenced S3 bucket must have been '
    "previously created. If the S3 bucket was created within the last minute, please wait for a minute or two and "
    "try again. Error: operation error S3: ListObjectsV2, https response error StatusCode: 404, NoSuchBucket:"
)
S3_ERROR = "operation error S3: ListObjectsV2, https response error StatusCode: {}, RequestID: 1, api error {}: x"
SETTINGS = "does not take this setting"
REFUSED = {
    'pq: password authentication failed for user "tfce"': "refuses the login",
    'pq: role "tfce" does not exist': "refuses the login",
    'pq: no pg_hba.conf entry for host "192.0.2.1", user "tfce", no encryption': "refuses the login",
    "Error refreshing state: HTTP remote state endpoint requires auth": "refuses the login",
    "No valid credential sources found Error: no EC2 IMDS role found": "refuses the login",
    S3_ERROR.format(403, "InvalidAccessKeyId"): "refuses the login",
    S3_ERROR.format(403, "SignatureDoesNotMatch"): "refuses the login",
    S3_ERROR.format(403, "AccessDenied"): "does not let this login",
    "pq: permission denied for database tfce": "does not let this login",
    "Error refreshing state: HTTP remote state endpoint invalid auth": "does not let this login",
    LOCKED.format("HTTP remote state endpoint invalid auth"): "does not let this login",
    LOCKED.format("Unexpected HTTP response code 403"): "does not let this login",
    'pq: database "nowhere" does not exist': "has not what",
    BUCKET: "has not what",
    S3_ERROR.format(301, "PermanentRedirect"): "another region",
    S3_ERROR.format(400, "AuthorizationHeaderMalformed"): "another region",
    "pq: SSL is not enabled on the server": "safely",
    "tls: failed to verify certificate: x509: certificate signed by unknown authority": "safely",
    'Extraneous JSON object property on backend.tf.json line 5: No argument or block type is named "x".': SETTINGS,
    "Invalid region value on backend.tf.json line 8 Invalid AWS Region: eu-west-99": SETTINGS,
    'pq: unsupported sslmode "maybe"; only "require" (default) supported': SETTINGS,
    LOCKED.format("Unexpected HTTP response code 501"): "does not lock in this way",
    "Error uploading state: HTTP error: 413": "of this size",
    LOCKED.format("Unexpected HTTP response code 422"): "under this name now",
}
SILENT = (
    "dial tcp 127.0.0.1:9: connect: connection refused",
    "dial tcp: lookup db.nowhere.invalid: no such host",
    "dial tcp: lookup db.example.org on 192.0.2.53:53: server misbehaving",
    "read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer",
    "driver: bad connection",
    "unexpected EOF",
    "operation error S3: ListObjectsV2, https response error StatusCode: 0, RequestID: , HostID: , request send "
    'failed, Get "http://127.0.0.1:9/x": dial tcp 127.0.0.1:9: connect: connection refused',
    'Failed to get state: Get "http://127.0.0.1:9/x": EOF',
    "context deadline exceeded",
    "timed out",
    "was killed by signal 9",
    "ended with 1",
    "",
)
# What is wrong is for the reader: no row knows the language, or it may pass.
SAYING = (
    "pq: Passwort-Authentifizierung für Benutzer »tfce« fehlgeschlagen",
    "pq: Datenbank »nowhere« existiert nicht",
    "pq: keine Berechtigung für Datenbank d",
    "pq: kein pg_hba.conf-Eintrag für Host »192.0.2.1«, Benutzer »tfce«, keine Verschlüsselung",
    'pq: ユーザー"tfce"のパスワード認証に失敗しました',
    'pq: データベース"nowhere"は存在しません',
    "pq: the database system is shutting down",
    "pq: sorry, too many clients already",
    "pq: read-only transaction; unexpected EOF on client connection",
    LOCKED.format("HTTP remote state already locked: ID=0a1b"),
    S3_ERROR.format(503, "SlowDown"),
    "Error refreshing state: Unexpected HTTP response code 502",
    'net/http: HTTP/1.x transport connection broken: malformed HTTP response "SSH-2.0-OpenSSH_9.2"',
)
# Newer programs show PostgreSQL's own code, which is the same in all languages.
CODES = {
    'pq: ユーザー"tfce"のパスワード認証に失敗しました (28P01)': "refuses the login",
    "pq: kein pg_hba.conf-Eintrag (28000)": "refuses the login",
    "pq: Datenbank »nowhere« existiert nicht (3D000)": "has not what",
    "pq: keine Berechtigung für Datenbank d (42501)": "does not let this login",
}


@pytest.mark.parametrize("said", REFUSED)
def test_who_refuses_says_why_and_where_the_cure_is(said: str) -> None:
    found = refusal(said)
    assert found is not None and REFUSED[said] in found.problem
    assert "{where}" in found.cure or "limit" in found.cure or "minute" in found.cure


@pytest.mark.parametrize("said", SILENT)
def test_who_says_nothing_does_not_answer(said: str) -> None:
    assert refusal(said) is None and trouble(said).problem == "does not answer" and not is_foreign(said)


@pytest.mark.parametrize("said", SAYING)
def test_who_says_anything_is_not_called_silent(said: str) -> None:
    assert refusal(said) is None and trouble(said).problem.startswith("answers, and")
    assert is_foreign(said) == said.startswith("pq: ")


@pytest.mark.parametrize("said", CODES)
def test_a_code_is_the_same_in_all_languages(said: str) -> None:
    assert CODES[said] in trouble(said).problem and not is_foreign(said)


def test_advice_for_other_ways_of_running_terraform_is_left_out() -> None:
    assert brief(LOCKED.format("code 501")) == "Error acquiring the state lock Error message: code 501"
    assert "try again" not in brief(BUCKET) and brief(BUCKET).endswith("NoSuchBucket:")
