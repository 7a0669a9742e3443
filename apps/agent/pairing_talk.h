// One pairing exchange with a device, from its hello to its end.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "agent/desk.h"
#include "enroll/session.h"
#include "net/stream.h"
#include "pairing.h"

namespace latchkey::agentd {

// The desk of one session: it plans what is wished when the code is proved, which may have got its
// name meanwhile, and tells whose grant it is making, and whether that one names somebody else to
// sign in with.
class WatchedDesk final : public enroll::AgentDesk {
 public:
  // All outlive this.
  WatchedDesk(agent::GrantDesk& desk, const agent::Wish& wish, std::optional<GrantId>& making,
              bool& names_another)
      : desk_(desk), wish_(wish), making_(making), names_another_(names_another) {}
  wire::Result<Planned> plan(const DeviceId& device) override {
    auto planned = desk_.plan(wish_, device);
    if (planned) {
      making_ = planned->offer.grant;
      names_another_ = wish_.sso && planned->offer.sso != wish_.sso;
    }
    return planned;
  }
  wire::Result<wire::CertMessage> issue(const GrantId& grant, const wire::CsrMessage& message,
                                        const enroll::AcceptedCsr& accepted) override {
    return desk_.issue(grant, message, accepted);
  }
  wire::Result<void> installed(const GrantId& grant, std::uint16_t port) override {
    return desk_.installed(grant, port);
  }

 private:
  agent::GrantDesk& desk_;
  const agent::Wish& wish_;
  std::optional<GrantId>& making_;
  bool& names_another_;
};

struct Pairing::Talk {
  std::shared_ptr<net::ByteStream> stream;
  std::optional<net::Endpoint> endpoint;  // nothing over Bluetooth
  std::unique_ptr<WatchedDesk> desk;
  std::unique_ptr<enroll::AgentSession> session;
  std::optional<pairing::CodeNeeded> needed;  // once greeted
  int networks = 0;                           // that the device was told
};

}  // namespace latchkey::agentd
