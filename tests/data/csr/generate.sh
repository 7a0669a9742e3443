#!/bin/sh
# Makes the requests that tests/attack and src/pki refuse or see through. The keys are thrown away.
set -eu
cd "$(dirname "$0")"
keys=$(mktemp -d)
trap 'rm -rf "$keys"' EXIT

request() { # name, key file, more arguments of openssl req
  name=$1 key=$2
  shift 2
  openssl req -new -key "$key" -outform DER -out "$name.der" "$@"
}
openssl ecparam -name prime256v1 -genkey -noout -out "$keys/p256"
openssl ecparam -name secp384r1 -genkey -noout -out "$keys/p384"
openssl ecparam -name secp256k1 -genkey -noout -out "$keys/k256"
openssl ecparam -name prime256v1 -genkey -noout -param_enc explicit -out "$keys/explicit"
openssl genrsa -out "$keys/rsa" 2048 2>/dev/null
openssl genpkey -algorithm ed25519 -out "$keys/ed25519"

# Asks to be a CA, for every name there is, and for every key usage.
request greedy "$keys/p256" -sha256 -subj "/CN=*.local/O=Bank" \
  -addext "basicConstraints=critical,CA:TRUE" \
  -addext "subjectAltName=DNS:*.local,DNS:bank.example,IP:192.168.1.1,URI:https://bank.example" \
  -addext "keyUsage=critical,keyCertSign,cRLSign,digitalSignature" \
  -addext "extendedKeyUsage=codeSigning,clientAuth"
request plain "$keys/p256" -sha256 -subj "/"
request sha512 "$keys/p256" -sha512 -subj "/"
request p384 "$keys/p384" -sha256 -subj "/"
request secp256k1 "$keys/k256" -sha256 -subj "/"
request explicit-curve "$keys/explicit" -sha256 -subj "/"
request rsa "$keys/rsa" -sha256 -subj "/"
request ed25519 "$keys/ed25519" -subj "/"
