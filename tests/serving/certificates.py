"""Certificates for tests, as a sidecar or an Envoy has them: a directory each."""

from pathlib import Path

import trustme

from serving.tls_files import CA, CHAIN, KEY


def issue(authority: trustme.CA, directory: Path, *names: str, trusts: trustme.CA | None = None) -> Path:
    """A certificate for `names` in `directory`, and whom it trusts."""
    directory.mkdir(exist_ok=True)
    made = authority.issue_cert(*names)
    (directory / KEY).write_bytes(made.private_key_pem.bytes())
    (directory / CHAIN).write_bytes(b"".join(each.bytes() for each in made.cert_chain_pems))
    (directory / CA).write_bytes((trusts or authority).cert_pem.bytes())
    return directory
