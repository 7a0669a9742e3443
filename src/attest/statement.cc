#include "attest/statement.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "crypto/chain.h"
#include "crypto/x509.h"
#include "wire/cbor.h"

namespace latchkey::attest {
namespace {

using nlohmann::json;

constexpr std::string_view kDomain = "latchkey-attest-v1";

json binary(ByteSpan bytes) {
  return json::binary({bytes.begin(), bytes.end()});
}

}  // namespace

Bytes attest_statement(const Transcript& transcript) {
  Bytes statement = to_bytes(as_bytes(kDomain));
  append(statement, transcript.channel);
  append(statement, transcript.offer);
  append(statement, transcript.csr);
  append(statement, transcript.boot);
  return statement;
}

std::optional<wire::Attestation> make_attestation(Attester* attester,
                                                  const Transcript& transcript) {
  if (attester == nullptr) {
    return wire::Attestation{};
  }
  auto signature = attester->sign(attest_statement(transcript));
  if (!signature) {
    return std::nullopt;
  }
  return wire::Attestation{"packed", *std::move(signature), attester->chain()};
}

Result<std::optional<Evidence>> verify_attestation(const wire::Attestation& attestation,
                                                   const Transcript& transcript,
                                                   std::span<const SpkiHash> forbidden,
                                                   WallTime now) {
  if (attestation.fmt == "none") {
    return std::optional<Evidence>();
  }
  if (attestation.fmt != "packed" || attestation.x5c.empty() ||
      attestation.x5c.size() > crypto::kMaxChain) {
    return fail(Error{ErrorCode::kMalformed, "attestation of an unknown format"});
  }
  const auto leaf = crypto::read_chain_leaf(attestation.x5c.front());
  if (!leaf) {
    return fail(Error{ErrorCode::kUntrusted, "attestation: " + leaf.error().detail});
  }
  if (!leaf->aaguid) {
    return fail(Error{ErrorCode::kUntrusted, "attestation: its certificate names no model"});
  }
  const SpkiHash key = leaf->key.spki_hash();
  if (std::find(forbidden.begin(), forbidden.end(), key) != forbidden.end()) {
    return fail(Error{ErrorCode::kUntrusted, "attestation: its key has another use"});
  }
  if (!leaf->key.verify(attest_statement(transcript), attestation.sig)) {
    return fail(Error{ErrorCode::kBadSignature,
                      "attestation: not signed for this request on this channel"});
  }
  return std::optional(Evidence{Aaguid(*leaf->aaguid), key, attestation.x5c, now});
}

Bytes encode_evidence(const Evidence& evidence) {
  json x5c = json::array();
  for (const Bytes& certificate : evidence.x5c) {
    x5c.push_back(binary(certificate));
  }
  return wire::encode_cbor({{"v", 1},
                            {"aaguid", binary(evidence.aaguid.span())},
                            {"key", binary(evidence.key.span())},
                            {"x5c", std::move(x5c)},
                            {"proved", static_cast<std::uint64_t>(evidence.proved.unix_seconds)}});
}

Result<Evidence> decode_evidence(ByteSpan bytes) {
  const auto refuse = [] { return fail(Error{ErrorCode::kMalformed, "stored evidence"}); };
  const auto map = wire::decode_cbor(bytes);
  if (!map || map->value("v", json()) != 1) {
    return refuse();
  }
  const auto blob = [&](const char* name) -> std::optional<Bytes> {
    const auto found = map->find(name);
    if (found == map->end() || !found->is_binary()) {
      return std::nullopt;
    }
    return Bytes(found->get_binary().begin(), found->get_binary().end());
  };
  const auto aaguid = blob("aaguid");
  const auto key = blob("key");
  const auto x5c = map->find("x5c");
  const auto proved = map->find("proved");
  if (!aaguid || !key || x5c == map->end() || !x5c->is_array() || x5c->empty() ||
      x5c->size() > crypto::kMaxChain || proved == map->end() || !proved->is_number_unsigned()) {
    return refuse();
  }
  const auto model = Aaguid::from_bytes(*aaguid);
  const auto hash = SpkiHash::from_bytes(*key);
  if (!model || !hash) {
    return refuse();
  }
  Evidence evidence{*model, *hash, {}, {static_cast<std::int64_t>(proved->get<std::uint64_t>())}};
  for (const json& certificate : *x5c) {
    if (!certificate.is_binary() || certificate.get_binary().size() > crypto::kMaxCertificateSize) {
      return refuse();
    }
    evidence.x5c.emplace_back(certificate.get_binary().begin(), certificate.get_binary().end());
  }
  return evidence;
}

}  // namespace latchkey::attest
