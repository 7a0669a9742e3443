// An agent's desk in memory, for tests and benchmarks of both ends.
#pragma once

#include <optional>

#include "enroll/session.h"
#include "pki/pki.h"

namespace latchkey::testing {

inline constexpr WallTime kWall{1'800'000'000};

// What an agent keeps, in memory; issues with the real authority.
class MemoryAgentDesk final : public enroll::AgentDesk {
 public:
  explicit MemoryAgentDesk(Random& random) : random_(random) {}

  wire::Result<Planned> plan(const DeviceId& device) override {
    device_ = device;
    if (!offer_) {
      offer_ = wire::Offer{GrantId::make(random_),
                           origin,
                           host,
                           random_.bytes<32>(),
                           management_.public_key().spki(),
                           ticket_.public_key().spki(),
                           "AAAAAAAAAAAAAAAAAAAAAA",
                           kWall};
      ca_ = pki::make_grant_ca(root_, host, kWall, random_).value();
    }
    return Planned{*offer_, "media-cache", {ca_->key.public_key().spki_hash()}};
  }
  wire::Result<wire::CertMessage> issue(const GrantId& grant, const wire::CsrMessage&,
                                        const enroll::AcceptedCsr& accepted) override {
    leaf = pki::issue_leaf(*ca_, host, accepted.key, kWall, random_).value();
    ++issued;
    return wire::CertMessage{grant, leaf, ca_->certificate, kWall + seconds(300000)};
  }
  wire::Result<void> installed(const GrantId&, std::uint16_t) override {
    ++installs;
    return {};
  }

  std::optional<Origin> origin = Origin::parse("https://video.example");
  HostName host = *HostName::parse("media-cache-k3f7x2m7q4ab.local");
  Bytes leaf;
  int issued = 0;
  int installs = 0;
  [[nodiscard]] const pki::Authority& root() const { return root_; }
  [[nodiscard]] const pki::Authority& ca() const { return *ca_; }

 private:
  Random& random_;
  std::optional<DeviceId> device_;
  crypto::PrivateKey management_ = crypto::PrivateKey::generate();
  crypto::PrivateKey ticket_ = crypto::PrivateKey::generate();
  pki::Authority root_ =
      pki::make_user_root(crypto::PrivateKey::generate(), {}, kWall, random_).value();
  std::optional<wire::Offer> offer_;
  std::optional<pki::Authority> ca_;
};

}  // namespace latchkey::testing
