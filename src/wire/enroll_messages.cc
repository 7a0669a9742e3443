#include "wire/fields.h"

namespace latchkey::wire {

using nlohmann::json;

namespace {

constexpr std::size_t kMaxSpki = 128;
constexpr std::size_t kMaxDer = 8192;
constexpr std::size_t kMaxSignature = 80;
constexpr std::size_t kMaxText = 63;
constexpr std::size_t kMaxX5c = 4;

json encode_attestation(const Attestation& attestation) {
  if (attestation.fmt == "none") {
    return {{"fmt", "none"}};
  }
  json x5c = json::array();
  for (const auto& certificate : attestation.x5c) {
    x5c.push_back(binary(certificate));
  }
  return {{"fmt", attestation.fmt}, {"alg", -7}, {"sig", binary(attestation.sig)}, {"x5c", x5c}};
}

std::optional<Attestation> decode_attestation(const json* value) {
  if (value == nullptr || !value->is_object()) {
    return std::nullopt;
  }
  FieldReader fields(*value);
  Attestation attestation;
  attestation.fmt = fields.text("fmt", 16);
  if (attestation.fmt == "none" || !fields.ok()) {
    return fields.ok() ? std::optional(attestation) : std::nullopt;
  }
  const json* algorithm = fields.find("alg");
  const json* x5c = fields.find("x5c");
  attestation.sig = fields.bytes("sig", 1, kMaxSignature);
  if (!fields.ok() || algorithm == nullptr || *algorithm != -7 || x5c == nullptr ||
      !x5c->is_array() || x5c->empty() || x5c->size() > kMaxX5c) {
    return std::nullopt;
  }
  for (const auto& certificate : *x5c) {
    if (!certificate.is_binary() || certificate.get_binary().size() > kMaxDer) {
      return std::nullopt;
    }
    const auto& der = certificate.get_binary();
    attestation.x5c.emplace_back(der.begin(), der.end());
  }
  return attestation;
}

json encode_sign_in(const SignInOffer& sso) {
  json map = {{"issuer", sso.issuer.text()}};
  if (!sso.client.empty()) {
    map["client"] = sso.client;
  }
  return map;
}

// Nothing: it is not as it should be. A client that is named is one.
std::optional<SignInOffer> decode_sign_in(const json& value) {
  if (!value.is_object()) {
    return std::nullopt;
  }
  FieldReader fields(value);
  const bool names_client = fields.find("client") != nullptr;
  const std::string issuer = fields.text("issuer", Issuer::kMaxSize);
  const std::string client =
      names_client ? fields.text("client", SignInOffer::kMaxClient) : std::string();
  return fields.ok() && names_client == !client.empty() ? SignInOffer::make(issuer, client)
                                                        : std::nullopt;
}

}  // namespace

Bytes encode(const Offer& offer) {
  json map = {{kType, "offer"},
              {"grant", binary(offer.grant.span())},
              {"origin", offer.origin ? json(offer.origin->text()) : json(nullptr)},
              {"host", offer.host.text()},
              {"nonce", binary(offer.nonce)},
              {"agent", binary(offer.agent_spki)},
              {"ticket", binary(offer.ticket_spki)},
              {"sub", offer.sub},
              {"now", static_cast<std::uint64_t>(offer.now.unix_seconds)}};
  if (offer.sso) {
    map["sso"] = encode_sign_in(*offer.sso);
  }
  return encode_cbor(map);
}

template <>
Result<Offer> decode<Offer>(ByteSpan bytes) {
  const auto map = open_message(bytes, "offer");
  if (!map) {
    return fail(map.error());
  }
  FieldReader fields(*map);
  const json* origin = fields.find("origin");
  fields.require(origin != nullptr && (origin->is_null() || origin->is_string()));
  std::optional<Origin> parsed_origin;
  if (fields.ok() && origin->is_string()) {
    parsed_origin = Origin::parse(origin->get_ref<const std::string&>());
    fields.require(parsed_origin.has_value());
  }
  const auto host = HostName::parse(fields.text("host", 80));
  fields.require(host.has_value());
  const GrantId grant(fields.array<16>("grant"));
  const auto nonce = fields.array<32>("nonce");
  Bytes agent = fields.bytes("agent", 1, kMaxSpki);
  Bytes ticket = fields.bytes("ticket", 1, kMaxSpki);
  std::string sub = fields.text("sub", 22);
  fields.require(base64url_decode(sub, 16).value_or(Bytes{}).size() == 16);
  const WallTime now = fields.time("now");
  std::optional<SignInOffer> sso;
  if (const json* named = fields.find("sso"); named != nullptr) {
    sso = decode_sign_in(*named);
    fields.require(sso && parsed_origin);
  }
  if (!fields.ok()) {
    return malformed("offer");
  }
  return Offer{grant,
               std::move(parsed_origin),
               *host,
               nonce,
               std::move(agent),
               std::move(ticket),
               std::move(sub),
               now,
               std::move(sso)};
}

Bytes encode(const CsrMessage& message) {
  return encode_cbor({{kType, "csr"},
                      {"csr", binary(message.csr)},
                      {"boot", binary(message.boot_spki)},
                      {"bsig", binary(message.boot_signature)},
                      {"att", encode_attestation(message.attestation)},
                      {"name", message.name},
                      {"type", message.type},
                      {"model", message.model},
                      {"fw", message.firmware},
                      {"disc", binary(message.discovery_key)}});
}

template <>
Result<CsrMessage> decode<CsrMessage>(ByteSpan bytes) {
  const auto map = open_message(bytes, "csr");
  if (!map) {
    return fail(map.error());
  }
  FieldReader fields(*map);
  CsrMessage message;
  message.csr = fields.bytes("csr", 1, 4096);
  message.boot_spki = fields.bytes("boot", 1, kMaxSpki);
  message.boot_signature = fields.bytes("bsig", 1, kMaxSignature);
  message.name = fields.text("name", kMaxText);
  message.type = fields.text("type", 32);
  message.model = fields.text("model", kMaxText);
  message.firmware = fields.text("fw", kMaxText);
  message.discovery_key = fields.array<32>("disc");
  auto attestation = decode_attestation(fields.find("att"));
  if (!fields.ok() || !attestation || !is_device_type(message.type)) {
    return malformed("csr");
  }
  message.attestation = std::move(*attestation);
  return message;
}

Bytes encode(const CertMessage& message) {
  return encode_cbor({{kType, "cert"},
                      {"grant", binary(message.grant.span())},
                      {"chain", json::array({binary(message.leaf), binary(message.grant_ca)})},
                      {"renew", static_cast<std::uint64_t>(message.renew.unix_seconds)}});
}

template <>
Result<CertMessage> decode<CertMessage>(ByteSpan bytes) {
  const auto map = open_message(bytes, "cert");
  if (!map) {
    return fail(map.error());
  }
  FieldReader fields(*map);
  CertMessage message{GrantId(fields.array<16>("grant")), {}, {}, fields.time("renew")};
  const json* chain = fields.find("chain");
  fields.require(chain != nullptr && chain->is_array() && chain->size() == 2);
  if (fields.ok()) {
    for (std::size_t i = 0; i < 2; ++i) {
      const json& der = (*chain)[i];
      fields.require(der.is_binary() && der.get_binary().size() <= kMaxDer);
      if (fields.ok()) {
        (i == 0 ? message.leaf : message.grant_ca)
            .assign(der.get_binary().begin(), der.get_binary().end());
      }
    }
  }
  return fields.ok() ? Result<CertMessage>(std::move(message)) : malformed("cert");
}

Bytes encode(const DoneMessage& message) {
  return encode_cbor({{kType, "done"}, {"port", message.port}});
}

template <>
Result<DoneMessage> decode<DoneMessage>(ByteSpan bytes) {
  const auto map = open_message(bytes, "done");
  if (!map) {
    return fail(map.error());
  }
  FieldReader fields(*map);
  DoneMessage message{static_cast<std::uint16_t>(fields.number("port", 1, 65535))};
  return fields.ok() ? Result<DoneMessage>(message) : malformed("done");
}

Bytes encode(const RenewRequest& request) {
  return encode_cbor({{"grant", binary(request.grant.span())}});
}

template <>
Result<RenewRequest> decode<RenewRequest>(ByteSpan bytes) {
  const auto map = open_body(bytes);
  if (!map) {
    return fail(map.error());
  }
  FieldReader fields(*map);
  RenewRequest request{GrantId(fields.array<16>("grant"))};
  return fields.ok() ? Result<RenewRequest>(request) : malformed("renew");
}

Bytes encode(const RenewReply& reply) {
  return encode_cbor({{"csr", binary(reply.csr)},
                      {"proof", binary(reply.proof)},
                      {"disc", binary(reply.discovery_key)}});
}

template <>
Result<RenewReply> decode<RenewReply>(ByteSpan bytes) {
  const auto map = open_body(bytes);
  if (!map) {
    return fail(map.error());
  }
  FieldReader fields(*map);
  RenewReply reply{fields.bytes("csr", 1, 4096), fields.bytes("proof", 1, kMaxSignature),
                   fields.array<32>("disc")};
  return fields.ok() ? Result<RenewReply>(std::move(reply)) : malformed("renew");
}

Bytes encode(const SignInRequest& request) {
  return encode_cbor(
      {{"grant", binary(request.grant.span())}, {"sso", encode_sign_in(request.sso)}});
}

template <>
Result<SignInRequest> decode<SignInRequest>(ByteSpan bytes) {
  const auto map = open_body(bytes);
  if (!map) {
    return fail(map.error());
  }
  FieldReader fields(*map);
  const GrantId grant(fields.array<16>("grant"));
  const json* named = fields.find("sso");
  auto sso = named != nullptr ? decode_sign_in(*named) : std::nullopt;
  if (!fields.ok() || !sso) {
    return malformed("sso");
  }
  return SignInRequest{grant, *std::move(sso)};
}

}  // namespace latchkey::wire
