// Writes the seeds of the fuzz targets into fuzz/seeds: inputs that each target accepts. Run by
// hand after a change of the formats: build/fuzz/bin/make_seeds fuzz/seeds.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "attest/metadata.h"
#include "attest/statement.h"
#include "base/encoding.h"
#include "crypto/x509.h"
#include "grant/ticket.h"
#include "pairing/code.h"
#include "pki/pki.h"
#include "support/fake_random.h"
#include "support/trust_maker.h"
#include "wire/frame.h"
#include "wire/messages.h"

namespace {

using namespace latchkey;  // NOLINT(google-build-using-namespace)

constexpr WallTime kNow{1'800'000'000};

class SeedWriter {
 public:
  explicit SeedWriter(std::filesystem::path root) : root_(std::move(root)) {}
  void write(const std::string& target, const std::string& name, ByteSpan bytes) const {
    std::filesystem::create_directories(root_ / target);
    std::ofstream file(root_ / target / name, std::ios::binary);
    file.write(as_text(bytes).data(), static_cast<std::streamsize>(bytes.size()));
  }

 private:
  std::filesystem::path root_;
};

void write_messages(const SeedWriter& seeds, const crypto::PrivateKey& key) {
  const auto put = [&](const std::string& name, const Bytes& bytes) {
    seeds.write("cbor_messages", name, bytes);
  };
  const auto& spki = key.public_key().spki();
  put("agent_hello", encode(wire::AgentHello{{1}}));
  put("device_hello",
      encode(wire::DeviceHello{
          {1}, DeviceId(Digest256{2}), Bytes(16, 3), 100000, wire::CodeKind::kDigits8, 5}));
  put("agent_share", encode(wire::AgentShare{{4}}));
  put("device_share", encode(wire::DeviceShare{{4}, {1}}));
  put("confirm", encode(wire::AgentConfirm{{1}}));
  put("error", encode(wire::ErrorMessage{wire::ErrorCode::kLocked, "locked"}));
  put("offer", encode(wire::Offer{GrantId({1}),
                                  Origin::parse("https://video.example"),
                                  *HostName::parse("media-cache-k3f7x2m7q4ab.local"),
                                  {1},
                                  spki,
                                  spki,
                                  "AAAAAAAAAAAAAAAAAAAAAA",
                                  kNow}));
  put("csr", encode(wire::CsrMessage{crypto::make_csr(key),
                                     spki,
                                     Bytes(70, 1),
                                     {},
                                     "Cache",
                                     "media-cache",
                                     "M1",
                                     "1.0",
                                     {1}}));
  put("csr_packed", encode(wire::CsrMessage{crypto::make_csr(key),
                                            spki,
                                            Bytes(70, 1),
                                            {"packed", Bytes(70, 2), {Bytes(200, 3)}},
                                            "Cache",
                                            "media-cache",
                                            "M1",
                                            "1.0",
                                            {1}}));
  put("cert", encode(wire::CertMessage{GrantId({1}), Bytes(300, 1), Bytes(300, 2), kNow}));
  put("done", encode(wire::DoneMessage{8443}));
  put("renew", encode(wire::RenewRequest{GrantId({1})}));
  put("renew_reply", encode(wire::RenewReply{crypto::make_csr(key), Bytes(70, 1), {1}}));
}

void write_frames(const SeedWriter& seeds) {
  Bytes frames{7};
  append(frames, wire::encode_frame(as_bytes("one")));
  append(frames, wire::encode_frame({}));
  append(frames, wire::encode_frame(Bytes(300, 2)));
  seeds.write("frame_decoder", "three", frames);
  const std::string json =
      R"({"id":1,"method":"hello","params":{"client":"extension","version":"0.1.0","profile":null}})";
  const auto length = static_cast<std::uint32_t>(json.size());
  Bytes message(reinterpret_cast<const std::uint8_t*>(&length),
                reinterpret_cast<const std::uint8_t*>(&length) + sizeof length);
  append(message, json);
  seeds.write("native_message", "hello", message);
}

void write_certificates(const SeedWriter& seeds, const crypto::PrivateKey& key) {
  testing::FakeRandom random;
  const auto host = *HostName::parse("media-cache-k3f7x2m7q4ab.local");
  const auto root = *pki::make_user_root(key, {}, kNow, random);
  const auto ca = *pki::make_grant_ca(root, host, kNow, random);
  seeds.write("certificate", "root", root.certificate);
  seeds.write("certificate", "grant_ca", ca.certificate);
  seeds.write("certificate", "leaf", *pki::issue_leaf(ca, host, key.public_key(), kNow, random));
  seeds.write("certificate", "bare", crypto::make_bare_certificate(key));
  seeds.write("csr", "plain", crypto::make_csr(key));
}

void write_ticket(const SeedWriter& seeds, const crypto::PrivateKey& key) {
  const std::string jws =
      grant::mint_ticket({GrantId({1}), *HostName::parse("nas-aaaaaaaaaaaa.local"),
                          Origin::parse("https://video.example"), "AAAAAAAAAAAAAAAAAAAAAA", kNow,
                          kNow + grant::kTicketLife, grant::TicketId({1}), grant::TicketNonce({2})},
                         key);
  const std::size_t first = jws.find('.');
  const std::size_t second = jws.rfind('.');
  Bytes parts = *base64url_decode(jws.substr(0, first), 1024);
  parts.push_back(0);
  append(parts, *base64url_decode(jws.substr(first + 1, second - first - 1), 1024));
  seeds.write("ticket", "full", parts);
}

void write_trust(const SeedWriter& seeds) {
  testing::Maker maker(kNow, attest::Aaguid(ByteArray<16>{7}));
  testing::Provider provider(kNow);
  provider.add_model(maker, "media-cache");
  provider.set_origin(*Origin::parse("https://video.example"), attest::OriginStatus::kActive,
                      "Example Video");
  provider.revoke_device(maker.evidence().key);
  const auto files = provider.publish(kNow);
  for (const auto& [name, bytes] : files) {
    if (name != attest::kMetadataFile) {
      seeds.write("table", name.substr(0, name.find('-')), bytes);
    }
  }
  seeds.write("table", "delta",
              attest::encode_delta(
                  {attest::TableKind::kOrigins,
                   {1},
                   {2},
                   {{Bytes(16, 1), false, 3, Bytes(4, 'a')}, {Bytes(16, 2), true, 0, {}}}}));
  provider.metadata.entries = {{maker.aaguid, attest::ModelStatus::kRevoked, "Acme One", kNow}};
  provider.metadata.table(attest::TableKind::kOrigins).deltas = {{{1}, "a.lkd", {2}, 77}};
  seeds.write("metadata", "payload", as_bytes(*attest::encode_metadata(provider.metadata)));
  seeds.write("metadata", "policy",
              as_bytes(R"({"only_attested_devices":true,"grace_days":3,"consented_origins":)"
                       R"([{"origin":"https://a.example","types":["nas"]}]})"));
  seeds.write("attestation", "leaf", maker.leaf);
  seeds.write("attestation", "evidence", attest::encode_evidence(maker.evidence()));
  seeds.write("attestation", "model",
              attest::encode_model({"Acme", "One", "media-cache", {Digest256{1}}}));
  seeds.write("attestation", "pem", as_bytes(crypto::certificates_to_pem(maker.chain())));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_seeds fuzz/seeds\n");
    return 2;
  }
  const SeedWriter seeds{argv[1]};
  const auto key = crypto::PrivateKey::generate();
  testing::FakeRandom random;
  write_messages(seeds, key);
  write_frames(seeds);
  write_certificates(seeds, key);
  write_ticket(seeds, key);
  write_trust(seeds);
  seeds.write("text", "origin", as_bytes("https://video.example:9443"));
  seeds.write("text", "host", as_bytes("media-cache-k3f7x2m7q4ab.local"));
  seeds.write("text", "digits", as_bytes("1234 5678"));
  seeds.write(
      "text", "link",
      as_bytes(pairing::make_link(pairing::PairingCode::make(wire::CodeKind::kKey128, random),
                                  "K\xC3\xBC"
                                  "che",
                                  DeviceId(Digest256{1}))));
  return 0;
}
