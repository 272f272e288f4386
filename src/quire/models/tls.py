"""The TLS context: which authorities are trusted. Imports `ssl`, so it is imported for https only.

Loading a bundle of all authorities takes about 20 ms; a hashed directory is looked up one
certificate at a time and costs nothing, so the system's directory is preferred where there is one.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping

from quire.core.errors import UsageError

_CA_VARIABLES = ("QUIRE_CA_CERTIFICATE", "CODEX_CA_CERTIFICATE", "SSL_CERT_FILE")
_DIRECTORIES = ("/etc/ssl/certs", "/etc/pki/tls/certs", "/system/etc/security/cacerts")
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def client_context(env: Mapping[str, str], ca_certificate: str | None) -> ssl.SSLContext:
    """A verifying context. `ca_certificate` (a PEM file, from the config) and the variables
    `QUIRE_CA_CERTIFICATE` and `CODEX_CA_CERTIFICATE` add to the system's authorities;
    `SSL_CERT_FILE` and `SSL_CERT_DIR` replace them. Raises `UsageError` for a file that cannot be
    used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a private CA may be an intermediate
    replaced = False
    if path := env.get("SSL_CERT_FILE"):
        _load(context, path, "SSL_CERT_FILE")
        replaced = True
    if directory := env.get("SSL_CERT_DIR"):
        context.load_verify_locations(capath=directory)
        replaced = True
    if not replaced:
        _load_system(context)
    if ca_certificate:
        _load(context, ca_certificate, "ca_certificate")
    for name in _CA_VARIABLES[:2]:
        if path := env.get(name):
            _load(context, path, name)
    return context


def _load(context: ssl.SSLContext, path: str, what: str) -> None:
    try:
        context.load_verify_locations(cafile=os.path.expanduser(path))
    except ssl.SSLError:
        raise UsageError(f"{what}: {path} holds no usable PEM certificate") from None
    except OSError as exc:
        raise UsageError(f"{what}: cannot read {path}: {exc.strerror or exc}") from None


def _load_system(context: ssl.SSLContext) -> None:
    paths = ssl.get_default_verify_paths()
    for directory in (paths.capath, *_DIRECTORIES):
        if directory and _hashed(directory):
            context.load_verify_locations(capath=directory)
            return
    for bundle in (paths.cafile, *_BUNDLES):
        if bundle and os.path.isfile(bundle):
            context.load_verify_locations(cafile=bundle)
            return
    context.load_default_certs()  # Windows: the system's store


def _hashed(directory: str) -> bool:
    """True when the directory is laid out for look-ups by hash (`c_rehash`): 1a2b3c4d.0."""
    try:
        with os.scandir(directory) as entries:
            return any(
                entry.name[8:] == ".0" and len(entry.name) == 10
                for entry, _ in zip(entries, range(4096), strict=False)
            )
    except OSError:
        return False
