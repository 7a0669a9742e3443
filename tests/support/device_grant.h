// A grant as a device keeps it once its certificate is there. Its certificates are not real ones.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include "grant/grant.h"

namespace latchkey::testing {

inline grant::DeviceGrant active_grant(Random& random, const SpkiHash& agent,
                                       std::optional<Origin> origin, std::string_view host,
                                       WallTime now) {
  return {.agent = agent,
          .id = GrantId::make(random),
          .origin = std::move(origin),
          .host = *HostName::parse(host),
          .sub = "AAAAAAAAAAAAAAAAAAAAAA",
          .ticket_spki = {},
          .offer_digest = {},
          .key = crypto::PrivateKey::generate(),
          .csr = {},
          .leaf = {1},
          .grant_ca = {1},
          .not_after = now + seconds(7 * 86400),
          .state = grant::State::kActive,
          .confirmed = false,
          .created = now,
          .next_key = std::nullopt,
          .next_csr = {}};
}

}  // namespace latchkey::testing
