"""The certificate of the program `terraform-provider-tfce`, as a library for certificates reads it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tfce.provider.certificate import certificate, pem


def test_it_says_what_terraform_wants_of_it() -> None:
    der, key = certificate()
    read, now = x509.load_der_x509_certificate(der), datetime.now(UTC)
    assert read.version is x509.Version.v3 and read.subject == read.issuer
    assert read.subject.rfc4514_string() == "CN=localhost"
    assert read.not_valid_before_utc < now < read.not_valid_after_utc < now + timedelta(days=31)
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"] and not names.critical
    authority = read.extensions.get_extension_for_class(x509.BasicConstraints)
    assert authority.value == x509.BasicConstraints(ca=True, path_length=None) and authority.critical
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    own = load_pem_private_key(key, None).public_key()
    assert read.public_key().public_bytes(*form) == own.public_bytes(*form)
    assert read.public_bytes(Encoding.DER) == der and x509.load_pem_x509_certificate(pem(der)) == read


def test_it_is_signed_with_its_own_key() -> None:
    read = x509.load_der_x509_certificate(certificate()[0])
    read.verify_directly_issued_by(read)
    other = x509.load_der_x509_certificate(certificate()[0])
    with pytest.raises(Exception):  # noqa: B017  InvalidSignature, of one library's versions
        read.verify_directly_issued_by(other)


def test_no_two_have_the_same_number() -> None:
    numbers = {x509.load_der_x509_certificate(certificate()[0]).serial_number for _ in range(40)}
    assert len(numbers) == 40 and all(0 < one < 2**127 for one in numbers)


@pytest.mark.parametrize("year", [2026, 2049, 2050, 2099])
def test_years_are_written_as_their_century_wants(year: int) -> None:
    now = datetime(year, 12, 15, 1, 2, 3, tzinfo=UTC)
    read = x509.load_der_x509_certificate(certificate(now)[0])
    assert read.not_valid_before_utc == now - timedelta(minutes=5)
    assert read.not_valid_after_utc == now + timedelta(days=30)
